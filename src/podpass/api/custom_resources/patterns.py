"""Regular expressions of schemas: RE2, as Kubernetes has them, so that none takes forever."""

from __future__ import annotations

from functools import lru_cache
from typing import Any


class BadPattern(ValueError):
    """A regular expression that RE2 cannot read."""


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> Any:
    import re2  # type: ignore[import-untyped] # noqa: PLC0415 - only schemas with patterns need it

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        raise BadPattern(str(error)) from error


def check(pattern: str) -> None:
    """Read a regular expression.

    Raises:
        BadPattern: It is none.
    """
    _compiled(pattern)


def found_in(pattern: str, text: str) -> bool:
    """Tell whether the expression matches anywhere in the text.

    Raises:
        BadPattern: It is none.
    """
    return _compiled(pattern).search(text) is not None
