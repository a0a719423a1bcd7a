"""`kubelet.runtime_cache`: what the runtime has, by pod, never older than asked for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from podpass.kubelet.runtime.interface import (
    ContainerConfig,
    RuntimeFailure,
    SandboxConfig,
    SandboxID,
    SandboxStatus,
)
from podpass.kubelet.runtime_cache import RuntimeCache
from podpass.testing.fake_clock import FakeClock, settle, until
from podpass.testing.fake_runtime import FakeRuntime


class SlowRuntime(FakeRuntime):
    """Answers only when the test lets it, with what it had when it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.gates: list[asyncio.Event] = []
        self.slow = False
        self.fails = False

    async def list_pod_sandboxes(self) -> tuple[SandboxStatus, ...]:
        if self.fails:
            self.fails = False
            raise RuntimeFailure("out of order")
        found = await super().list_pod_sandboxes()
        if self.slow:
            gate = asyncio.Event()
            self.gates.append(gate)
            await gate.wait()
        return found


async def make_sandbox(runtime: FakeRuntime, uid: str, attempt: int = 0) -> SandboxID:
    return await runtime.run_pod_sandbox(
        SandboxConfig("ns", "p", uid, attempt, "p", host_network=False, log_directory=Path("/"))
    )


async def make_container(
    runtime: FakeRuntime, sandbox: SandboxID, attempt: int, directory: Path
) -> None:
    await runtime.create_container(
        sandbox, ContainerConfig("c", attempt, "nginx", log_path=directory / "log")
    )


@pytest.fixture
def runtime() -> SlowRuntime:
    return SlowRuntime()


@pytest.fixture
def cache(runtime: SlowRuntime) -> RuntimeCache:
    return RuntimeCache(runtime, FakeClock())


async def test_pods_are_told_apart_and_the_newest_comes_first(
    runtime: SlowRuntime, cache: RuntimeCache, tmp_path: Path
) -> None:
    first = await make_sandbox(runtime, "u")
    second = await make_sandbox(runtime, "u", 1)
    await make_sandbox(runtime, "v")
    await make_container(runtime, first, 0, tmp_path)
    await make_container(runtime, second, 1, tmp_path)
    await cache.refresh()
    assert cache.uids() == {"u", "v"}
    assert [one.id for one in cache.pod("u").sandboxes] == [second, first]
    assert [one.config.attempt for one in cache.pod("u").containers["c"]] == [1, 0]
    assert cache.pod("v").containers == {}
    assert cache.pod("w").sandboxes == ()


async def test_only_pods_that_changed_are_told_of(
    runtime: SlowRuntime, cache: RuntimeCache
) -> None:
    told: list[str] = []
    cache.on_change(told.append)
    await make_sandbox(runtime, "u")
    await cache.refresh()
    await cache.refresh()
    assert told == ["u"]
    sandbox = await make_sandbox(runtime, "v")
    await cache.refresh()
    await runtime.remove_pod_sandbox(sandbox)
    await cache.refresh()
    assert told == ["u", "v", "v"]


async def test_whoever_asks_sees_what_was_there_when_asking(
    runtime: SlowRuntime, cache: RuntimeCache
) -> None:
    runtime.slow = True
    asked = []
    for uid in ("a", "b", "c"):
        await make_sandbox(runtime, uid)
        asked.append(asyncio.create_task(cache.refresh()))
        await settle()
    assert len(runtime.gates) == 1, "one reading at a time"
    runtime.gates[0].set()
    await asked[0]
    await settle()
    assert len(runtime.gates) == 2, "the others share the next"
    await make_sandbox(runtime, "d")
    late = asyncio.create_task(cache.refresh())
    await settle()
    runtime.gates[1].set()
    await asyncio.gather(*asked)
    assert cache.uids() == {"a", "b", "c"}
    assert not late.done()
    await settle()
    runtime.gates[2].set()
    await late
    assert cache.uids() == {"a", "b", "c", "d"}


async def test_changes_are_followed_also_after_a_failure(runtime: SlowRuntime) -> None:
    clock = FakeClock()
    cache = RuntimeCache(runtime, clock)
    task = asyncio.create_task(cache.run())
    runtime.fails = True
    await make_sandbox(runtime, "u")
    await until(lambda: clock.sleeping)
    await make_sandbox(runtime, "v")
    await clock.advance(1)
    await until(lambda: cache.uids() == {"u", "v"})
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
