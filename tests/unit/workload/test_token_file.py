"""The present token of a file: fresh, whole, and kept while the file is not readable."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from podpass.base.atomic_writer import AtomicWriter, ProjectedFile
from podpass.testing.fake_clock import START, FakeClock
from podpass.testing.fake_issuer import LIFE, FakeIssuer
from podpass.workload.refusal import TokenUnreadable
from podpass.workload.token_file import MAXIMUM_FILE, TokenFile

ISSUER = FakeIssuer()
ONE, TWO, THREE = (ISSUER.token(jti=name) for name in ("one", "two", "three"))


class Rig:
    """A projected volume, and a TokenFile on it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / "token"
        self.clock = FakeClock()
        self.file = TokenFile(self.path, clock=self.clock)
        self.writer = AtomicWriter(directory)

    def rotate(self, token: str) -> None:
        self.writer.write({"token": ProjectedFile(token.encode(), 0o644)}, now=START)
        self.writer.prune()


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


@pytest.mark.rule("client.reread")
def test_a_rotation_is_seen_at_the_next_read(rig: Rig) -> None:
    for token in (ONE, TWO, THREE):
        rig.rotate(token)
        assert rig.file.read() == token
    assert rig.file.header() == {"Authorization": f"Bearer {THREE}"}


class CountingFile(TokenFile):
    """Counts how often the content is read."""

    reads = 0

    def _content(self) -> bytes:
        self.reads += 1
        return super()._content()


def test_a_file_that_does_not_change_is_not_read_again(rig: Rig) -> None:
    rig.rotate(ONE)
    file = CountingFile(rig.path)
    assert [file.read() for _ in range(3)] == [ONE] * 3
    assert file.reads == 1
    rig.rotate(TWO)
    assert [file.read() for _ in range(3)] == [TWO] * 3
    assert file.reads == 2


def test_a_plain_file_works_too(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(f"{ONE}\n")
    file = TokenFile(path)
    assert file.read() == ONE
    path.write_text(TWO)
    assert file.read() == TWO


def empty(path: Path) -> None:
    path.write_bytes(b"")


def torn(path: Path) -> None:
    path.write_text(TWO[: len(TWO) // 2])


def missing(path: Path) -> None:
    path.unlink()


def a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def too_large(path: Path) -> None:
    path.write_bytes(b" " * MAXIMUM_FILE + TWO.encode())


@pytest.mark.rule("client.error-keeps")
@pytest.mark.parametrize("damage", [empty, torn, missing, a_directory, too_large])
def test_the_token_before_is_kept_while_the_file_is_damaged(
    rig: Rig, damage: Callable[[Path], None]
) -> None:
    rig.path.write_text(ONE)
    assert rig.file.read() == ONE
    damage(rig.path)
    assert rig.file.read() == ONE
    if rig.path.is_dir():
        rig.path.rmdir()
    rig.path.write_text(TWO)
    assert rig.file.read() == TWO


@pytest.mark.rule("client.trim")
@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (empty, "is empty"),
        (torn, "is not a whole token"),
        (missing, "cannot be read: No such file or directory"),
        (a_directory, "cannot be read: Is a directory"),
        (too_large, "has more than 65536 bytes"),
    ],
)
def test_without_a_token_before_there_is_an_error_without_the_token(
    rig: Rig, damage: Callable[[Path], None], why: str
) -> None:
    rig.path.write_text(ONE)
    damage(rig.path)
    with pytest.raises(TokenUnreadable) as raised:
        rig.file.read()
    assert str(raised.value) == f"the token file {rig.path} {why}"


@pytest.mark.parametrize(
    ("later", "kept"), [(LIFE, True), (LIFE + 1, False)], ids=["at its expiry", "after it"]
)
async def test_the_token_before_is_kept_until_it_expires(
    rig: Rig, *, later: int, kept: bool
) -> None:
    rig.path.write_text(ONE)
    rig.file.read()
    rig.path.unlink()
    await rig.clock.advance(later)
    if kept:
        assert rig.file.read() == ONE
        return
    with pytest.raises(TokenUnreadable, match="and the token before has expired"):
        rig.file.read()


async def test_an_expired_token_in_a_good_file_is_for_the_recipient_to_refuse(rig: Rig) -> None:
    rig.path.write_text(ONE)
    await rig.clock.advance(10 * LIFE)
    assert rig.file.read() == ONE


def test_after_a_401_another_token_is_handed_out_at_once(rig: Rig) -> None:
    rig.rotate(ONE)
    shown = rig.file.read()
    rig.rotate(TWO)
    assert rig.file.refused(shown) == TWO


def test_a_second_caller_with_the_old_token_gets_the_new_one(rig: Rig) -> None:
    rig.rotate(TWO)
    rig.file.read()
    assert rig.file.refused(ONE) == TWO


async def test_after_a_401_the_same_token_is_read_anew_less_and_less(rig: Rig) -> None:
    rig.rotate(ONE)
    assert rig.file.read() == ONE
    assert rig.file.refused(ONE) is None
    real = rig.path.resolve()
    real.write_text(TWO)
    rig.file._state = rig.file._current_state()  # a change that the state does not show
    assert rig.file.refused(ONE) is None
    await rig.clock.advance(0.9)
    assert rig.file.refused(ONE) is None
    await rig.clock.advance(0.1)
    assert rig.file.refused(ONE) == TWO
    waits = []
    for _ in range(8):
        assert rig.file.refused(TWO) is None
        waits.append(rig.file._forced_after - rig.clock.monotonic())
        await rig.clock.advance(waits[-1])
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


def test_after_a_401_an_unreadable_file_gives_nothing_new(rig: Rig) -> None:
    assert rig.file.refused(ONE) is None


def test_a_token_file_does_not_show_its_token(rig: Rig) -> None:
    rig.rotate(ONE)
    rig.file.read()
    assert repr(rig.file) == f"TokenFile({str(rig.path)!r})"


@pytest.mark.parametrize("readers", [1, 3])
def test_through_rotations_nobody_reads_an_empty_torn_or_older_token(
    tmp_path: Path, readers: int
) -> None:
    tokens = [ISSUER.token(START + timedelta(seconds=n), jti=str(n)) for n in range(30)]
    number = {token: n for n, token in enumerate(tokens)}
    rig = Rig(tmp_path)
    rig.rotate(tokens[0])
    shared = TokenFile(rig.path)
    done = threading.Event()
    seen: list[list[int]] = [[] for _ in range(readers)]
    own: list[list[int]] = [[] for _ in range(readers)]

    def read(mine: list[int], private: list[int]) -> None:
        fresh = TokenFile(rig.path)
        while not done.is_set() or private[-1] != len(tokens) - 1:
            mine.append(number[shared.read()])
            private.append(number[fresh.read()])

    threads = [threading.Thread(target=read, args=pair) for pair in zip(seen, own, strict=True)]

    def wait_for_reads() -> None:
        before = len(seen[0])
        while len(seen[0]) < before + 3:
            pass

    for thread in threads:
        thread.start()
    wait_for_reads()
    for token in tokens[1:]:
        rig.rotate(token)
        wait_for_reads()
    done.set()
    for thread in threads:
        thread.join()
    for numbers in seen + own:
        assert numbers == sorted(numbers)
        assert numbers[-1] == len(tokens) - 1
    assert len(set(seen[0])) == len(tokens)


@pytest.mark.parametrize(
    ("size", "good"),
    [
        pytest.param(MAXIMUM_FILE, True, id="the largest file"),
        pytest.param(MAXIMUM_FILE + 1, False, id="a byte more"),
    ],
)
def test_a_file_has_a_largest_size(size: int, tmp_path: Path, *, good: bool) -> None:
    token = FakeIssuer().token()
    (tmp_path / "token").write_text(token + " " * (size - len(token)))
    if good:
        assert TokenFile(tmp_path / "token").read() == token
        return
    with pytest.raises(TokenUnreadable, match=f"has more than {MAXIMUM_FILE} bytes"):
        TokenFile(tmp_path / "token").read()


class StopAfterFive(threading.Event):
    """Is set after five waits, none of which takes time."""

    looks = 0

    def wait(self, timeout: float | None = None) -> bool:
        del timeout
        self.looks += 1
        return self.looks >= 5


class ClockOfFive(FakeClock):
    """Ends its caller after five sleeps, none of which takes time."""

    sleeps = 0

    async def sleep(self, seconds: float) -> None:
        del seconds
        self.sleeps += 1
        if self.sleeps >= 5:
            raise asyncio.CancelledError


def test_a_thread_is_told_of_a_token_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    token, stop = FakeIssuer().token(), StopAfterFive()
    (tmp_path / "token").write_text(token)
    assert list(TokenFile(tmp_path / "token").rotations(stop)) == [token]
    assert stop.looks == 5


async def test_a_task_is_told_of_a_token_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    token, clock = FakeIssuer().token(), ClockOfFive()
    (tmp_path / "token").write_text(token)
    told: list[str] = []
    with pytest.raises(asyncio.CancelledError):  # noqa: PT012 - what came before the end counts
        async for one in TokenFile(tmp_path / "token", clock=clock).async_rotations():
            told.append(one)  # noqa: PERF401 - the end is an exception
    assert told == [token]
    assert clock.sleeps == 5
