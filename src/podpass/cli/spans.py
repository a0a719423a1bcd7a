"""Spans of time on the command line, in whatever form a program's options have them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import click


class Span(click.ParamType[timedelta]):
    """A span of time.

    Args:
        name: Shown in the help.
        read: Reads the text; raises ValueError with a text for the user.
    """

    def __init__(self, name: str, read: Callable[[str], timedelta]) -> None:
        self.name = name
        self._read = read

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Return the span, or refuse the option."""
        if isinstance(value, timedelta):
            return value
        try:
            return self._read(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
