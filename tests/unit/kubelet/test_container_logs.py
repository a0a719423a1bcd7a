"""`kubelet.container_logs`: what a client sees of a CRI log."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from podpass.api.errors import StatusError
from podpass.base.clock import SystemClock
from podpass.kubelet.container_logs import LogOptions, last_lines, parse_log_options, read_log
from podpass.kubelet.log_files import remove_log
from podpass.testing.fake_clock import FakeClock, until

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LOG = (
    b"2026-01-01T11:00:00.000000001Z stdout F one\n"
    b"2026-01-01T11:30:00.000000001Z stderr P tw\n"
    b"2026-01-01T11:30:00.000000002Z stderr F o\n"
    b"2026-01-01T11:59:00.000000001Z stdout F \n"
    b"2026-01-01T11:59:30.000000001Z stdout F four words are here\n"
    b"not an entry\n"
)


async def text_of(path: Path, options: LogOptions) -> bytes:
    pieces = [
        piece
        async for piece in read_log(path, options, clock=SystemClock(), is_running=lambda: False)
    ]
    return b"".join(pieces)


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        pytest.param(LogOptions(), b"one\ntwo\n\nfour words are here\n", id="everything"),
        pytest.param(LogOptions(tail_lines=3), b"\nfour words are here\n", id="last lines"),
        pytest.param(LogOptions(tail_lines=0), b"", id="no lines"),
        pytest.param(
            LogOptions(since=datetime(2026, 1, 1, 11, 59, 30, tzinfo=UTC)),
            b"four words are here\n",
            id="from a moment on, inclusive",
        ),
        pytest.param(
            LogOptions(since=datetime(2026, 1, 1, 11, 59, 31, tzinfo=UTC)), b"", id="too late"
        ),
        pytest.param(LogOptions(limit_bytes=5), b"one\nt", id="a number of bytes"),
        pytest.param(
            LogOptions(tail_lines=2, timestamps=True),
            b"2026-01-01T11:59:30.000000001Z four words are here\n",
            id="with times",
        ),
    ],
)
async def test_options(tmp_path: Path, options: LogOptions, shown: bytes) -> None:
    path = tmp_path / "0.log"
    path.write_bytes(LOG)
    assert await text_of(path, options) == shown


async def test_a_missing_log_is_empty(tmp_path: Path) -> None:
    assert await text_of(tmp_path / "none", LogOptions()) == b""


async def test_following_ends_with_the_container_and_misses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_bytes(LOG.splitlines(keepends=True)[0] + b"2026-01-01T11:00:01.000000001Z stdo")
    answers = [True, False]

    def is_running() -> bool:
        running = answers.pop(0)
        if not running:  # the last words come just before the end
            with path.open("ab") as file:
                file.write(b"ut F late\n")
        return running

    pieces = [
        piece
        async for piece in read_log(
            path, LogOptions(follow=True), clock=SystemClock(), is_running=is_running
        )
    ]
    assert b"".join(pieces) == b"one\nlate\n"


def test_query_parameters_are_read() -> None:
    query = {
        "follow": "true",
        "tailLines": "5",
        "sinceSeconds": "60",
        "timestamps": "true",
        "limitBytes": "9",
    }
    assert parse_log_options(query, NOW) == LogOptions(
        follow=True,
        tail_lines=5,
        since=datetime(2026, 1, 1, 11, 59, tzinfo=UTC),
        timestamps=True,
        limit_bytes=9,
    )
    assert parse_log_options({"sinceTime": "2026-01-01T12:00:00Z"}, NOW).since == NOW


@pytest.mark.parametrize(
    "query", [{"tailLines": "x"}, {"sinceSeconds": "-1"}, {"sinceTime": "noon"}]
)
def test_bad_parameters_are_a_bad_request(query: dict[str, str]) -> None:
    with pytest.raises(StatusError) as caught:
        parse_log_options(query, NOW)
    assert caught.value.code == 400


def entry(text: str) -> bytes:
    return f"2026-01-01T11:00:00.000000001Z stdout F {text}\n".encode()


def rotate(path: Path) -> None:
    """Do what the shim does with a full file, when three are kept."""
    for newer, older in ((".1", ".2"), ("", ".1")):
        if Path(f"{path}{newer}").exists():
            Path(f"{path}{newer}").rename(f"{path}{older}")
    path.touch()


@pytest.fixture
def rotated(tmp_path: Path) -> Path:
    path = tmp_path / "0.log"
    for text in ("one", "two", "three"):
        if path.exists():
            rotate(path)
        path.write_bytes(entry(text + " a") + entry(text + " b"))
    return path


@pytest.mark.parametrize(
    ("tail", "shown"),
    [
        pytest.param(None, "one a,one b,two a,two b,three a,three b", id="all files"),
        pytest.param(0, "", id="nothing"),
        pytest.param(2, "three a,three b", id="the newest file"),
        pytest.param(3, "two b,three a,three b", id="and part of the one before"),
        pytest.param(99, "one a,one b,two a,two b,three a,three b", id="more than there is"),
    ],
)
async def test_rotated_files_are_read_as_one(rotated: Path, tail: int | None, shown: str) -> None:
    text = await text_of(rotated, LogOptions(tail_lines=tail))
    assert text.decode().splitlines() == (shown.split(",") if shown else [])


@pytest.mark.parametrize(
    "rotations",
    [
        pytest.param(1, id="one rotation"),
        pytest.param(2, id="two between two looks"),
        pytest.param(3, id="so many that the file we read is gone"),
    ],
)
async def test_who_follows_is_led_through_rotations(rotated: Path, rotations: int) -> None:
    clock = FakeClock()
    running = True
    got = bytearray()

    async def follow() -> None:
        options = LogOptions(follow=True, tail_lines=1)
        async for piece in read_log(rotated, options, clock=clock, is_running=lambda: running):
            got.extend(piece)

    following = asyncio.create_task(follow())
    await until(lambda: clock.sleeping)
    expected = ["three b"]
    with rotated.open("ab") as file:
        file.write(entry("half")[:-3])
    await clock.advance(1)
    with rotated.open("ab") as file:
        file.write(b"lf\n")
    expected.append("half")
    for number in range(rotations):
        rotate(rotated)
        rotated.write_bytes(entry(f"after {number}"))
        expected.append(f"after {number}")
    running = False
    await clock.advance(1)
    await following
    assert got.decode().splitlines() == expected


def test_the_last_lines_may_be_in_the_file_before(rotated: Path) -> None:
    assert last_lines(rotated, 3, 100) == b"two b\nthree a\nthree b\n"
    assert last_lines(rotated, 3, 10) == b"a\nthree b\n"
    assert last_lines(rotated.parent / "none.log", 3, 10) == b""


def test_a_log_is_removed_with_all_its_files(rotated: Path) -> None:
    remove_log(rotated)
    remove_log(rotated)
    assert list(rotated.parent.iterdir()) == []
