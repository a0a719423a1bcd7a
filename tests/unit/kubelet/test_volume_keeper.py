"""`kubelet.volume_keeper`: fresh at the right moment, retried soon, and seen by the containers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from podpass.api.meta import format_time
from podpass.api.resources import Object
from podpass.client.rest import ConnectionFailed
from podpass.kubelet.downward_api import NodeFacts
from podpass.kubelet.runtime.interface import (
    ContainerConfig,
    ContainerID,
    ContainerState,
    ContainerStatus,
    Mount,
    SandboxID,
)
from podpass.kubelet.settings import KubeletSettings
from podpass.kubelet.token_manager import TokenKey, TokenManager
from podpass.kubelet.volume_keeper import VolumeKeeper
from podpass.kubelet.volumes import PodVolumes
from podpass.testing.fake_clock import FakeClock
from podpass.testing.fake_object_source import FakeObjectSource

TOKEN = {
    "name": "t",
    "projected": {
        "sources": [
            {"serviceAccountToken": {"path": "token", "expirationSeconds": 600}},
            {"configMap": {"name": "ca"}},
        ]
    },
}
POD: Object = {
    "metadata": {"name": "p", "namespace": "ns", "uid": "u"},
    "spec": {
        "containers": [{"name": "c", "volumeMounts": [{"name": "t", "mountPath": "/m"}]}],
        "volumes": [TOKEN],
    },
}


@dataclass
class World:
    """A pod's volumes on a clock that stands still."""

    root: Path
    clock: FakeClock = field(default_factory=FakeClock)
    issued: int = 0
    away: bool = False
    skew: timedelta = timedelta(0)
    sync_frequency: float = 60.0
    running: list[ContainerStatus] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    ready: int = 0
    stale: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.source = SourceWithTokens(config_maps={"ns/ca": {"ca.crt": "CA"}})
        self.source.tokens = TokenManager(self.issue, self.clock, slot_of=lambda _: 0.0)
        node = NodeFacts("n", "127.0.0.1", {})
        self.volumes = PodVolumes(self.root / "pods" / "u", self.source, node, self.clock)
        here = self.root
        self.keeper = VolumeKeeper(
            POD,
            self.volumes,
            self.source.tokens,
            settings=KubeletSettings(
                "n", "127.0.0.1", here, here, here, here, here, sync_frequency=self.sync_frequency
            ),
            clock=self.clock,
            running=lambda: self.running,
            on_failure=lambda name, message: self.failures.append(f"{name}: {message}"),
            on_change=self.became_ready,
            on_stale_view=lambda one, volume: self.stale.append((one.config.name, volume)),
        )

    def became_ready(self) -> None:
        self.ready += 1

    async def issue(self, key: TokenKey) -> Object:
        if self.away:
            raise ConnectionFailed("connection refused")
        self.issued += 1
        expires = self.clock.now() + self.skew + timedelta(seconds=key.expiration_seconds)
        return {
            "spec": {"expirationSeconds": key.expiration_seconds},
            "status": {
                "token": f"token-{self.issued}",
                "expirationTimestamp": format_time(expires),
            },
        }

    @property
    def directory(self) -> Path:
        return self.volumes.path(TOKEN)

    def token(self) -> str:
        return (self.directory / "token").read_text()

    @asynccontextmanager
    async def keeping(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.keeper.run())
        await self.clock.advance(0)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@dataclass
class SourceWithTokens(FakeObjectSource):
    """Objects in memory, and real token keeping."""

    tokens: TokenManager | None = None

    async def token(self, key: TokenKey) -> str:
        self.keys.append(key)
        assert self.tokens is not None
        return await self.tokens.token(key)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.rule("volume.first-mount")
async def test_the_first_pass_makes_the_volumes_ready(world: World) -> None:
    assert not world.keeper.ready
    async with world.keeping():
        assert world.keeper.ready
        assert world.ready == 1
        assert world.token() == "token-1"
        await world.clock.advance(120)
        assert world.ready == 1


@pytest.mark.rule("volume.cadence")
async def test_a_token_is_refreshed_at_the_moment_it_is_due(world: World) -> None:
    async with world.keeping():
        await world.clock.advance(480)
        assert world.token() == "token-1", "80 percent of its life are not over"
        await world.clock.advance(0.2)
        assert world.token() == "token-2"
        await world.clock.advance(480.5)
        assert world.token() == "token-3"
        assert world.issued == 3


async def test_a_due_token_leaves_the_other_volumes_alone(tmp_path: Path) -> None:
    world = World(tmp_path, sync_frequency=7200)

    def token_volume(name: str, seconds: int) -> Object:
        projection = {"path": "token", "expirationSeconds": seconds}
        return {"name": name, "projected": {"sources": [{"serviceAccountToken": projection}]}}

    world.keeper.pod = POD | {
        "spec": {
            "containers": [
                {
                    "name": "c",
                    "volumeMounts": [{"name": name, "mountPath": name} for name in ("a", "b", "c")],
                }
            ],
            "volumes": [
                token_volume("a", 600),
                token_volume("b", 3600),
                {"name": "c", "configMap": {"name": "ca"}},
            ],
        }
    }
    async with world.keeping():
        for passes in range(1, 4):
            world.source.keys.clear()
            await world.clock.advance(480.2)
            assert {key.expiration_seconds for key in world.source.keys} == {600}
            assert world.issued == 2 + passes
        world.source.config_maps["ns/ca"] = {"ca.crt": "NEW"}
        world.keeper.wake()
        await world.clock.advance(0)
        assert {key.expiration_seconds for key in world.source.keys} == {600, 3600}
        written = world.volumes.path({"name": "c", "configMap": {}}) / "ca.crt"
        assert written.read_text() == "NEW"


async def test_superseded_files_go_a_second_later(world: World) -> None:
    def kept() -> int:
        return len([one for one in world.directory.iterdir() if one.name.startswith("..2")])

    async with world.keeping():
        await world.clock.advance(480.2)
        assert (world.token(), kept()) == ("token-2", 2)
        await world.clock.advance(0.7)
        world.keeper.wake()
        await world.clock.advance(0.1)
        assert kept() == 2, "another pass does not take them from their readers"
        await world.clock.advance(0.2)
        assert kept() == 1


async def test_what_is_missing_is_tried_again_soon(world: World) -> None:
    data = world.source.config_maps.pop("ns/ca")
    async with world.keeping():
        assert not world.keeper.ready
        assert world.failures == ['t: configmap "ca" not found']
        await world.clock.advance(0.15)
        assert len(world.failures) == 1
        world.source.config_maps["ns/ca"] = data
        await world.clock.advance(0.1)
        assert world.keeper.ready
        assert world.token() == "token-1"


async def test_retries_become_rarer_but_stay_within_ten_seconds(world: World) -> None:
    del world.source.config_maps["ns/ca"]
    async with world.keeping():
        await world.clock.advance(60)
        before = len(world.failures)
        await world.clock.advance(10)
        assert len(world.failures) == before + 1


@pytest.mark.rule("volume.failing-source")
async def test_a_broken_source_does_not_stop_the_rotation(world: World) -> None:
    async with world.keeping():
        del world.source.config_maps["ns/ca"]
        await world.clock.advance(481)
        assert world.token() == "token-2"
        assert (world.directory / "ca.crt").read_text() == "CA"
        assert 't: configmap "ca" not found' in world.failures


@pytest.mark.rule("token-manager.failure-keeps")
async def test_a_valid_token_stays_while_the_api_is_away(world: World) -> None:
    async with world.keeping():
        world.away = True
        await world.clock.advance(595)
        assert world.token() == "token-1"
        assert world.failures == []
        world.away = False
        await world.clock.advance(30)
        assert world.token() == "token-2"


@pytest.mark.rule("token-manager.no-skew")
async def test_a_token_of_the_future_is_replaced_within_half_a_minute(world: World) -> None:
    world.skew = timedelta(hours=1)
    async with world.keeping():
        world.skew = timedelta(0)
        await world.clock.advance(31)
        assert world.token() == "token-2"
        assert world.issued == 2


@pytest.mark.rule("case.e2e.projected-downward")
async def test_a_changed_label_is_seen_at_once(world: World) -> None:
    async with world.keeping():
        world.source.config_maps["ns/ca"] = {"ca.crt": "NEW"}
        same = POD | {"status": {"phase": "Running"}}
        world.keeper.update(same)
        await world.clock.advance(0)
        assert (world.directory / "ca.crt").read_text() == "CA", "a status changes no volume"
        world.keeper.update(same | {"metadata": POD["metadata"] | {"labels": {"a": "b"}}})
        await world.clock.advance(0)
        assert (world.directory / "ca.crt").read_text() == "NEW"


@pytest.mark.rule("volume.config-map-update")
async def test_a_changed_config_map_is_seen_at_the_next_sync(world: World) -> None:
    async with world.keeping():
        world.source.config_maps["ns/ca"] = {"ca.crt": "NEW"}
        await world.clock.advance(59)
        assert (world.directory / "ca.crt").read_text() == "CA"
        await world.clock.advance(32)
        assert (world.directory / "ca.crt").read_text() == "NEW"


def container(world: World, inside: Path, **fields: Any) -> ContainerStatus:
    """A container with our own view, where the volume is mounted at `inside`."""
    mount = Mount(world.directory, str(inside))
    values = {"pid": os.getpid()} | fields
    return ContainerStatus(
        id=ContainerID("1"),
        sandbox_id=SandboxID("s"),
        config=ContainerConfig("c", 0, "nginx", Path("/log"), mounts=(mount,)),
        state=ContainerState.RUNNING,
        image_id="i",
        created_at=world.clock.now(),
        **values,
    )


@pytest.mark.rule("token-manager.memory", "case.projected.reboot")
async def test_after_a_restart_tokens_are_asked_for_anew_and_written_in_place(
    world: World,
) -> None:
    async with world.keeping():
        inode = world.directory.stat().st_ino
    successor = World(world.root, clock=world.clock, issued=world.issued)
    successor.running = [container(successor, successor.directory)]
    async with successor.keeping():
        assert successor.token() == "token-2"
        assert successor.directory.stat().st_ino == inode
        assert successor.stale == []


async def test_after_a_restart_without_an_api_what_was_there_is_good_enough(world: World) -> None:
    async with world.keeping():
        pass
    successor = World(world.root, clock=world.clock, away=True)
    async with successor.keeping():
        assert successor.keeper.ready
        assert successor.token() == "token-1"
        assert successor.failures == ["t: failed to fetch token: connection refused"]


async def test_a_container_that_sees_a_former_directory_gets_the_token_there(
    world: World, tmp_path: Path
) -> None:
    former = tmp_path / "former"
    async with world.keeping():
        world.directory.rename(former)  # what a container has mounted stays what it was
        world.running = [container(world, former)]
        await world.clock.advance(481)
        assert world.token() == "token-2"
        assert (former / "token").read_text() == "token-2"
        assert world.stale == []


async def test_a_container_whose_directory_was_removed_is_told_of(
    world: World, tmp_path: Path
) -> None:
    sealed = tmp_path / "sealed"
    sealed.mkdir()
    (sealed / "..data").mkdir()  # nothing can be published here
    world.running = [container(world, sealed)]
    async with world.keeping():
        assert world.stale == [("c", "t")]


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"pid": None}, id="it has no process"),
        pytest.param({"pid": 2**22 + 1}, id="its process is gone"),
    ],
)
async def test_a_container_that_cannot_be_looked_into_is_left_alone(
    world: World, fields: dict[str, int | None]
) -> None:
    world.running = [container(world, world.root, **fields)]
    async with world.keeping():
        assert world.stale == []
        assert world.keeper.ready
