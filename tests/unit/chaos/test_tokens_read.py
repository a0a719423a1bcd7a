from __future__ import annotations

import json
from pathlib import Path

import pytest

from podpass.base.clock import SystemClock
from podpass.jose.jws import sign
from podpass.jose.key_set import KeySet
from podpass.jose.keys import ES256, generate_signing_key
from tests.chaos.token_reader import TokenReader
from tests.chaos.tokens_read import ExpiredRead, Reachability, expiry_problems

KEY = generate_signing_key(ES256)
ALWAYS = Reachability([(0.0, True), (1000.0, True)])
EXPIRED = ExpiredRead("pod/token", 102.0, 0.0, 100.0)
"""Read 2 s late; it was to be renewed after 80 s."""


@pytest.mark.parametrize(
    ("looks", "share"),
    [
        ([(0.0, True)], 1.0),
        ([(0.0, False)], 0.0),
        ([(0.0, True), (15.0, False)], 0.5),
        ([(0.0, False), (12.0, True), (13.0, False)], 0.1),
        ([(0.0, False), (20.0, True)], 0.0),
        ([(15.0, True)], 0.5),
    ],
)
def test_the_share_of_a_span_is_that_of_good_looks(
    looks: list[tuple[float, bool]], share: float
) -> None:
    assert Reachability(looks).share(10.0, 20.0) == pytest.approx(share)


def test_an_empty_span_was_in_reach_for_no_time() -> None:
    assert ALWAYS.share(5.0, 5.0) == 0.0


def test_an_expired_token_has_no_excuse_while_the_api_was_there() -> None:
    (problem,) = expiry_problems([EXPIRED, EXPIRED], ALWAYS)
    assert problem.startswith("pod/token has expired 2.0 s ago, and an API server was in reach")
    assert " 100% " in problem


@pytest.mark.parametrize(("back_at", "excused"), [(91.1, True), (90.9, False)])
def test_half_of_the_time_since_it_was_due_is_what_counts(back_at: float, *, excused: bool) -> None:
    away = Reachability([(0.0, True), (79.0, False), (back_at, True)])
    assert (expiry_problems([EXPIRED], away) == []) is excused


def token(life: float) -> str:
    now = SystemClock().now().timestamp()
    return sign(json.dumps({"iat": now - 10, "exp": now + life}).encode(), KEY)


def test_a_reader_counts_reads_and_tokens(tmp_path: Path) -> None:
    path = tmp_path / "token"
    reader = TokenReader([("t", path)], KeySet([KEY.public]))
    for life in (50, 60):
        path.write_text(token(life))
        reader.read("t", path)
        reader.read("t", path)
    assert (reader.reads, reader.tokens) == (4, 2)
    assert not reader.torn
    assert not reader.expired


def test_a_reader_notes_what_is_no_token(tmp_path: Path) -> None:
    path = tmp_path / "token"
    reader = TokenReader([("t", path)], KeySet([KEY.public]))
    reader.read("t", path)
    for text in ("", token(50)[:-5], token(50) + "\n" + token(50)):
        path.write_text(text)
        reader.read("t", path)
    assert len(reader.torn) == 4


def test_a_reader_notes_what_has_expired(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(token(-1))
    reader = TokenReader([("t", path)], KeySet([KEY.public]))
    reader.read("t", path)
    assert [one.file for one in reader.expired] == ["t"]
