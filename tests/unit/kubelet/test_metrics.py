"""`kubelet.metrics`: tokens, volumes, pods and requests, each under its name."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from podpass.api.meta import format_time
from podpass.api.resources import PODS, Object
from podpass.client.config import ClientConfig
from podpass.client.rest import ConnectionFailed, RestClient
from podpass.kubelet.metrics import KubeletMetrics
from podpass.kubelet.runtime.interface import ContainerConfig, SandboxConfig
from podpass.kubelet.runtime_cache import RuntimeCache
from podpass.kubelet.token_manager import TokenFetchFailed, TokenKey, TokenManager
from podpass.testing.api_simulator import ApiSimulator
from podpass.testing.fake_clock import FakeClock
from podpass.testing.fake_runtime import FakeRuntime

KEY = TokenKey("ns", "robot", (), 3600, "pod", "uid-1")


class Issuer:
    """Answers with tokens of an hour, issued by a clock that is `ahead` seconds."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.ahead = 0
        self.failure: Exception | None = None

    async def __call__(self, _key: TokenKey) -> Object:
        if self.failure is not None:
            raise self.failure
        expires = self.clock.now() + timedelta(seconds=self.ahead + 3600)
        return {
            "spec": {"expirationSeconds": 3600},
            "status": {"token": "secret-token", "expirationTimestamp": format_time(expires)},
        }


async def test_refreshes_are_counted_by_reason_and_age_and_skew_are_shown() -> None:
    clock = FakeClock()
    issuer, metrics = Issuer(clock), KubeletMetrics()
    tokens = TokenManager(
        issuer, clock, slot_of=lambda _: 0.0, choose_spread=lambda: 0.0, metrics=metrics
    )
    assert "podpass_token_age_ratio 0\n" in metrics.registry.render()
    await tokens.token(KEY)
    await clock.advance(2880)
    await tokens.token(KEY)  # at four fifths it is kept
    assert "podpass_token_age_ratio 0.8\n" in metrics.registry.render()
    assert metrics.refreshes.value("age") == 0
    issuer.ahead = 30
    await clock.advance(1)
    await tokens.token(KEY)
    assert metrics.clock_skew.value() == pytest.approx(30, abs=1)
    issuer.ahead = 0
    await tokens.token(KEY)  # issued in the future: asked for again
    assert metrics.clock_skew.value() == pytest.approx(0, abs=1)
    counted = [metrics.refreshes.value(reason) for reason in ("new", "age", "clock")]
    assert counted == [1, 1, 1]
    assert metrics.refresh_failures.value() == 0
    assert "secret" not in metrics.registry.render()


async def test_a_refresh_that_fails_is_counted_with_and_without_an_old_token() -> None:
    clock = FakeClock()
    issuer, metrics = Issuer(clock), KubeletMetrics()
    tokens = TokenManager(
        issuer, clock, slot_of=lambda _: 0.0, choose_spread=lambda: 0.0, metrics=metrics
    )
    issuer.failure = ConnectionFailed("away")
    with pytest.raises(TokenFetchFailed):
        await tokens.token(KEY)
    issuer.failure = None
    await tokens.token(KEY)
    issuer.failure = ConnectionFailed("away")
    await clock.advance(3000)
    assert await tokens.token(KEY) == "secret-token"
    assert metrics.refresh_failures.value() == 2
    assert metrics.refreshes.value("new") == 2
    assert metrics.refreshes.value("age") == 1


@pytest.mark.rule("metrics.kubelet")
@pytest.mark.parametrize(
    ("kind", "failed", "label"),
    [
        pytest.param("projected", False, "projected", id="projected"),
        pytest.param("downwardAPI", True, "downward-api", id="failed downward API"),
        pytest.param("invented", False, "", id="unserved types are not counted"),
    ],
)
def test_volumes_are_counted_by_plugin(kind: str, failed: bool, label: str) -> None:
    metrics = KubeletMetrics()
    metrics.mounted(kind, 0.2, failed=failed)
    text = metrics.registry.render()
    assert "invented" not in text
    status = "fail-unknown" if failed else "success"
    line = (
        f'storage_operation_duration_seconds_count{{volume_plugin="kubernetes.io/{label}",'
        f'operation_name="volume_mount",status="{status}",migrated="false"}} 1\n'
    )
    assert (line in text) is bool(label)


async def test_running_pods_are_those_with_a_running_container(tmp_path: Path) -> None:
    runtime = FakeRuntime()
    for name in ("a", "b"):
        sandbox = await runtime.run_pod_sandbox(
            SandboxConfig("default", name, name, 0, name, host_network=True, log_directory=tmp_path)
        )
        config = ContainerConfig("c", 0, "nginx", log_path=tmp_path / f"{name}.log")
        container = await runtime.create_container(sandbox, config)
        if name == "a":
            await runtime.start_container(container)
    cache = RuntimeCache(runtime, FakeClock())
    await cache.refresh()
    metrics = KubeletMetrics()
    metrics.show_process()
    metrics.show_pods(cache)
    text = metrics.registry.render()
    assert "kubelet_running_pods 1\n" in text
    assert 'kubelet_running_containers{container_state="running"} 1\n' in text
    assert "process_resident_memory_bytes" in text


@pytest.mark.rule("metrics.kubelet")
async def test_requests_to_the_api_are_counted_by_code() -> None:
    metrics = KubeletMetrics()

    def count(method: str, host: str, code: str) -> None:
        metrics.requests.inc(code, host, method)

    async with ApiSimulator() as simulator, RestClient(ClientConfig(simulator.url)) as client:
        client.observe = count
        await client.list(PODS)
        host = simulator.url.removeprefix("http://")
        assert metrics.requests.value("200", host, "GET") == 1
    async with RestClient(ClientConfig("http://127.0.0.1:1")) as client:
        client.observe = count
        with pytest.raises(ConnectionFailed):
            await client.list(PODS)
        assert metrics.requests.value("<error>", "127.0.0.1:1", "GET") == 2
