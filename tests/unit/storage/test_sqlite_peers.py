import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from podpass.storage.sqlite_peers import Peers
from podpass.testing.fake_clock import until


class Side:
    """A process's end."""

    def __init__(self, directory: Path) -> None:
        self.news = 0
        self.peers = Peers(directory)
        self.peers.open(asyncio.get_running_loop(), self.hear)

    def hear(self) -> None:
        self.news += 1


@pytest.fixture(
    params=[
        pytest.param("store.peers", id="short path"),
        pytest.param("d" * 80 + "/" + "e" * 80, id="path longer than a socket address"),
    ]
)
def directory(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / str(request.param)
    path.parent.mkdir(exist_ok=True)
    return path


@pytest.fixture
async def sides(directory: Path) -> AsyncIterator[list[Side]]:
    sides = [Side(directory) for _ in range(3)]
    yield sides
    for side in sides:
        side.peers.close()


async def test_everybody_but_the_sender_hears_of_news(sides: list[Side]) -> None:
    sides[0].peers.notify()
    await until(lambda: sides[1].news and sides[2].news)
    assert [side.news for side in sides] == [0, 1, 1]


async def test_many_wake_ups_of_a_sleeper_are_one(sides: list[Side]) -> None:
    for _ in range(10_000):
        sides[0].peers.notify()
    await until(lambda: sides[1].news)
    assert sides[1].news < 10


async def test_closed_side_leaves_no_socket_and_hears_nothing(
    sides: list[Side], directory: Path
) -> None:
    sides[1].peers.close()
    assert len(list(directory.iterdir())) == 2
    sides[0].peers.notify()
    sides[1].peers.notify()
    await until(lambda: sides[2].news)
    assert sides[1].news == 0


async def test_dead_socket_is_removed(sides: list[Side], directory: Path) -> None:
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    dead.bind(f"{directory}/dead.sock" if len(str(directory)) < 90 else _link(directory))
    dead.close()
    assert len(list(directory.iterdir())) == 4
    sides[0].peers.notify()
    assert len(list(directory.iterdir())) == 3


def _link(directory: Path) -> str:
    short = directory.parent.parent / "s"
    short.symlink_to(directory)
    return f"{short}/dead.sock"


async def test_files_of_others_are_left_alone(sides: list[Side], directory: Path) -> None:
    (directory / "README").write_text("not a socket")
    sides[0].peers.notify()
    await until(lambda: sides[1].news)
    assert (directory / "README").exists()


async def test_store_without_wake_ups_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING):
        side = Side(tmp_path / "file")
    assert "no wake-ups from other processes" in caplog.text
    side.peers.notify()
    side.peers.close()
