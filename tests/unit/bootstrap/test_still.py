"""`bootstrap.still`: what is read while files change is read again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from podpass.bootstrap.home import HomeError
from podpass.bootstrap.still import ATTEMPTS, read_while_still


def saying(*values: str | OSError) -> Callable[[], str]:
    left: Iterator[str | OSError] = iter(values)

    def read() -> str:
        value = next(left)
        if isinstance(value, OSError):
            raise value
        return value

    return read


def test_files_that_do_not_change_are_read_twice() -> None:
    assert read_while_still(saying("a", "a"), saying("x"), pause=0) == ("a", "x")


@pytest.mark.parametrize(
    "files",
    [
        pytest.param(saying("a", "b", "b", "b"), id="that change"),
        pytest.param(saying("a", FileNotFoundError(), "b", "b"), id="that go away later"),
        pytest.param(saying(NotADirectoryError(), "b", "b"), id="that go away"),
    ],
)
def test_files(files: Callable[[], str]) -> None:
    found, other = read_while_still(files, saying("x", "y"), pause=0)
    assert found == "b"
    assert other in ("x", "y")
    with pytest.raises(StopIteration):
        files()


def test_what_was_read_before_the_change_is_not_used() -> None:
    assert read_while_still(saying("a", "b", "b", "b"), saying("x", "y"), pause=0) == ("b", "y")


def test_files_that_never_rest_are_said_so() -> None:
    values = [str(number) for number in range(2 * ATTEMPTS)]
    with pytest.raises(HomeError, match="try again when the rollout is over"):
        read_while_still(saying(*values), saying(*values), pause=0)


def test_what_cannot_be_read_is_not_tried_again() -> None:
    files = saying(PermissionError("no"), "a", "a")
    with pytest.raises(PermissionError):
        read_while_still(files, saying("x"), pause=0)
