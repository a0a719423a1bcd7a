"""Who waits for rotations is told of each, with and without watchfiles."""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import cast

import pytest

from podpass.base.atomic_writer import AtomicWriter, ProjectedFile
from podpass.base.clock import SystemClock
from podpass.testing.fake_clock import START, FakeClock, until
from podpass.testing.fake_issuer import FakeIssuer
from podpass.workload.token_file import TokenFile
from podpass.workload.token_watch import changes, changes_async

ISSUER = FakeIssuer()
TOKENS = [ISSUER.token(jti=str(n)) for n in range(4)]


@pytest.fixture(params=["with watchfiles", "without watchfiles"])
def interval(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> float:
    """Seconds between two looks."""
    if request.param == "with watchfiles":
        return 0.2
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    return 0.01


def rotate(directory: Path, token: str) -> None:
    directory.mkdir(exist_ok=True)
    writer = AtomicWriter(directory)
    writer.write({"token": ProjectedFile(token.encode(), 0o644)}, now=START)
    writer.prune()


def test_a_thread_is_told_of_each_rotation(tmp_path: Path, interval: float) -> None:
    directory = tmp_path / "volume"  # is not there yet
    stop, told = threading.Event(), queue.Queue[str]()

    def listen() -> None:
        for token in TokenFile(directory / "token").rotations(stop, interval=interval):
            told.put(token)

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        for token in TOKENS:
            rotate(directory, token)
            assert told.get(timeout=10) == token
    finally:
        stop.set()
        thread.join()
    assert told.empty()


async def test_a_task_is_told_of_each_rotation(tmp_path: Path, interval: float) -> None:
    directory = tmp_path / "volume"
    file = TokenFile(directory / "token")
    told = cast("AsyncGenerator[str, None]", file.async_rotations(interval=interval))
    for token in TOKENS:
        waiting = asyncio.ensure_future(anext(told))
        rotate(directory, token)
        assert await asyncio.wait_for(waiting, 10) == token
    await told.aclose()


@pytest.mark.usefixtures("interval")
def test_a_stop_ends_the_waiting_before_it_begins(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    assert len(list(changes(tmp_path, stop, 60))) <= 1


async def test_watchfiles_tells_at_once(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "token")
    told = cast("AsyncGenerator[str, None]", file.async_rotations(interval=600))
    rotate(tmp_path, TOKENS[0])
    assert await anext(told) == TOKENS[0]
    waiting = asyncio.ensure_future(anext(told))
    number = 1
    while not waiting.done():  # the watch begins some time after it is asked for
        rotate(tmp_path, TOKENS[number % 4])
        number += 1
        await asyncio.wait([waiting], timeout=0.05)
    assert waiting.result() in TOKENS
    await told.aclose()


async def test_without_watchfiles_a_task_looks_once_an_interval(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    clock = FakeClock()
    looks = cast("AsyncGenerator[None, None]", changes_async(tmp_path, clock, 7.0))
    await anext(looks)
    waiting = asyncio.ensure_future(anext(looks))
    await clock.advance(6.9)
    assert not waiting.done()
    await clock.advance(0.1)
    assert waiting.done()
    await looks.aclose()


def test_a_thread_looks_for_a_directory_that_is_not_there(tmp_path: Path, interval: float) -> None:
    stop = threading.Event()
    looks = changes(tmp_path / "missing", stop, interval)
    for _ in range(3):
        next(looks)
    stop.set()
    assert list(looks) == []
    file = TokenFile(tmp_path / "missing" / "token")
    assert list(file.rotations(stop)) == []


@pytest.mark.usefixtures("interval")
async def test_a_task_looks_for_a_directory_that_is_not_there(tmp_path: Path) -> None:
    clock = FakeClock()
    told = cast(
        "AsyncGenerator[str, None]",
        TokenFile(tmp_path / "missing" / "token", clock=clock).async_rotations(interval=7),
    )
    waiting = asyncio.ensure_future(anext(told))
    await until(lambda: clock.sleeping)
    rotate(tmp_path / "missing", TOKENS[0])
    await clock.advance(7)
    assert await waiting == TOKENS[0]
    await told.aclose()


async def test_a_cancelled_listener_ends(tmp_path: Path) -> None:
    async def listen() -> None:
        async for _ in changes_async(tmp_path, SystemClock(), 60):
            started.set()

    started = asyncio.Event()
    task = asyncio.create_task(listen())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_watchfiles_tells_a_thread_at_once(tmp_path: Path) -> None:
    stop, told = threading.Event(), queue.Queue[None]()

    def listen() -> None:
        for _ in changes(tmp_path, stop, 600):
            told.put(None)

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        told.get(timeout=30)  # at once, before anything happened
        for number in range(600):  # the watch begins some time after it is asked for
            rotate(tmp_path, TOKENS[number % 4])
            try:
                told.get(timeout=0.05)
            except queue.Empty:
                continue
            break
        else:
            pytest.fail("a change was not told")
    finally:
        stop.set()
        thread.join()
