"""`kubelet.container_logs`: what a client sees of a CRI log."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from podpass.api.errors import StatusError
from podpass.base.clock import SystemClock
from podpass.kubelet.container_logs import LogOptions, parse_log_options, read_log

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
