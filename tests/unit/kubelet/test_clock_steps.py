"""A machine whose clock is set by an hour: API server, kubelet and runtime see the step at once."""

from __future__ import annotations

import http
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from podpass.api.meta import uid_of
from podpass.api.resources import PODS, SERVICE_ACCOUNTS, TOKEN_REVIEWS, Object
from podpass.jose.jws import unverified_payload
from podpass.testing.api_server import RunningApiServer, TestPki, running_api_server
from podpass.testing.kubelet_on_api import NODE, NodeUnderTest, eventually, node_at
from podpass.testing.memory_store import MemoryStore
from podpass.testing.stepped_clock import SteppedClock

HOUR = timedelta(hours=1)
BOTH_WAYS = pytest.mark.parametrize("step", [HOUR, -HOUR], ids=["forward", "back"])
POD: Object = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "nodeName": NODE,
        "serviceAccountName": "robot",
        "containers": [
            {
                "name": "c",
                "image": "nginx",
                "volumeMounts": [{"name": "t", "mountPath": "/tokens"}],
            }
        ],
        "volumes": [
            {
                "name": "t",
                "projected": {
                    "sources": [
                        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}}
                    ]
                },
            }
        ],
    },
}


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
async def api(tmp_path: Path, clock: SteppedClock) -> AsyncIterator[RunningApiServer]:
    pki = TestPki.make(tmp_path / "pki")
    async with running_api_server(MemoryStore(), pki, clock=clock) as running:
        yield running


@pytest.fixture
async def node(
    api: RunningApiServer, tmp_path: Path, clock: SteppedClock
) -> AsyncIterator[NodeUnderTest]:
    async with node_at(api, tmp_path) as one:
        one.clock = one.runtime.clock = clock
        one.options |= {"sync_frequency": 0.2}
        yield one


async def is_good(node: NodeUnderTest, token: str) -> bool:
    review = await node.admin.create(
        TOKEN_REVIEWS,
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}},
    )
    return bool(review["status"].get("authenticated"))


async def start(node: NodeUnderTest) -> Path:
    """Start kubelet and pod; returns where the pod's token is."""
    await node.start()
    await node.admin.create(PODS, POD)
    found = await node.wait_ready("web")
    return node.root / "kubelet/pods" / uid_of(found) / "volumes/kubernetes.io~projected/t/token"


@BOTH_WAYS
async def test_tokens_are_good_again_by_themselves(
    node: NodeUnderTest, clock: SteppedClock, step: timedelta
) -> None:
    path = await start(node)
    before = path.read_text()
    assert await is_good(node, before)
    clock.step(step)
    assert await eventually(lambda: path.read_text() != before)
    claims = orjson.loads(unverified_payload(path.read_text()))
    assert abs(claims["iat"] - clock.now().timestamp()) < 60
    assert await is_good(node, path.read_text())


async def test_a_token_of_before_is_refused_when_its_time_is_over_or_has_not_come(
    node: NodeUnderTest, clock: SteppedClock
) -> None:
    await node.admin.create(SERVICE_ACCOUNTS, {
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "stepper", "namespace": "default"},
    })  # fmt: skip
    made = await node.admin.create(
        SERVICE_ACCOUNTS,
        {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1",
         "spec": {"expirationSeconds": 3600}},
        namespace="default", name="stepper", subresource="token",
    )  # fmt: skip
    token = made["status"]["token"]
    verdicts = []
    for step in (HOUR * 2, -HOUR * 4, HOUR * 2):
        clock.step(step)
        verdicts.append(await is_good(node, token))
    assert verdicts == [False, False, True]


@BOTH_WAYS
async def test_a_container_that_ended_is_started_again(
    node: NodeUnderTest, clock: SteppedClock, step: timedelta
) -> None:
    node.options |= {"restart_backoff": 0.5}
    await start(node)
    for count in (1, 2):
        node.runtime.exit_container("c", 3)
        if count == 2:
            clock.step(step)

        async def restarted(count: int = count) -> bool:
            found = await node.pod("web")
            status = (found or {})["status"]["containerStatuses"][0]
            return bool(status["restartCount"] == count and status["ready"])

        assert await eventually(restarted)


@BOTH_WAYS
async def test_an_image_that_was_missing_is_looked_for_again(
    node: NodeUnderTest, clock: SteppedClock, step: timedelta
) -> None:
    await node.start()
    wanted = {"containers": [{"name": "c", "image": "ghost"}]}
    await node.admin.create(PODS, POD | {"spec": POD["spec"] | wanted})
    await node.wait_event("Failed: Error: ErrImagePull")
    clock.step(step)
    node.runtime.add_image("ghost")
    await node.wait_ready("web")


@BOTH_WAYS
async def test_the_api_goes_on_and_certificates_hold(
    api: RunningApiServer, clock: SteppedClock, step: timedelta
) -> None:
    async with api.admin() as session:
        clock.step(step)
        path = "/api/v1/namespaces/default/configmaps"
        revisions = []
        for name in ("a", "b"):
            async with session.post(path, json={"metadata": {"name": name}}) as response:
                assert response.status == http.HTTPStatus.CREATED
                created = await response.json()
                revisions.append(int(created["metadata"]["resourceVersion"]))
            clock.step(-step)
        assert revisions[0] < revisions[1]
