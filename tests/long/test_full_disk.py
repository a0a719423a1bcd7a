"""The disk of a cluster runs full under load: nothing is lost, nobody has to do anything."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import ClusterUnderTest, free_port

from podpass.bootstrap.cluster import load_cluster
from podpass.bootstrap.home import Home
from podpass.testing.fake_clock import until
from tests.chaos.load import Load

MEBIBYTES = 64
FULL_SECONDS = 8.0


def mount(directory: Path) -> str:
    """Mount a disk of its own there; returns why that cannot be."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={MEBIBYTES}m", "podpass-disk", str(directory)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.stderr.strip() if done.returncode else ""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "disk"
    directory.mkdir()
    if os.geteuid() != 0:
        pytest.skip("a disk of its own needs root")
    if why := mount(directory):
        pytest.skip(f"a disk of its own cannot be mounted: {why}")
    yield directory
    subprocess.run(["umount", "--lazy", str(directory)], check=True)


def fill(directory: Path) -> Path:
    """Take all room that there is."""
    path = directory / "filler"
    block = bytes(65536)
    with path.open("wb", buffering=0) as file:
        for size in (len(block), 1):
            try:
                while file.write(block[:size]) == size:
                    pass
            except OSError:
                continue
    return path


@pytest.mark.timeout(600)
async def test_a_full_disk_loses_nothing_and_is_forgotten_when_there_is_room(disk: Path) -> None:
    cluster = ClusterUnderTest(disk / "podpass", free_port())
    try:
        started = await asyncio.to_thread(cluster.up)
        assert started.code == 0, started.err + cluster.logs_tail()
        home = Home(cluster.home)
        load = Load(home, load_cluster(home.cluster_file), seed=1, lives=(600,))
        await load.start()
        await until(lambda: load.acknowledged > 20, seconds=60)

        filler = await asyncio.to_thread(fill, disk)
        refused = await asyncio.to_thread(
            cluster.oc, "create", "configmap", "large", f"--from-literal=x={'x' * 100_000}"
        )
        assert refused.code == 1
        assert "the disk is full; free some space, then try again" in refused.err
        read = await asyncio.to_thread(cluster.get, "nodes")
        assert len(read["items"]) == 3
        for pid in await asyncio.to_thread(cluster.payloads, "master-1", "apiserver"):
            os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(FULL_SECONDS)
        assert json.loads(await asyncio.to_thread(cluster.ok, "get", "--raw", "/api"))
        await asyncio.to_thread(filler.unlink)

        before = load.acknowledged
        await until(lambda: load.acknowledged > before + 20, seconds=60)
        findings = await load.finish()
        assert findings.violations == []
        assert await asyncio.to_thread(
            cluster.ok, "create", "configmap", "large", f"--from-literal=x={'x' * 100_000}"
        )
    finally:
        await asyncio.to_thread(cluster.down)
