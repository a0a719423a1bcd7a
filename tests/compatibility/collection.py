"""The tests that there are, for the pages that name them."""

from __future__ import annotations

import contextlib
import io

import pytest

LINES_OF_A_FAILURE = 30


class CollectionFailed(Exception):
    """Some test file cannot be imported; the text is the end of what pytest said."""


class _Collected:
    items: list[pytest.Item]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.items = list(session.items)


def collect(*directories: str) -> list[pytest.Item]:
    """Return the tests below these directories; none is run.

    Raises:
        CollectionFailed: Not all could be collected.
    """
    collected, output = _Collected(), io.StringIO()
    options = ("--collect-only", "-qq", "-W", "default", "-p", "no:cacheprovider")
    with contextlib.redirect_stdout(output):
        status = pytest.main([*options, *directories], plugins=[collected])
    if status != pytest.ExitCode.OK:
        lines = output.getvalue().splitlines()[-LINES_OF_A_FAILURE:]
        raise CollectionFailed("\n".join(lines))
    return collected.items
