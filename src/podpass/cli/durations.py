"""Durations on the command line, as Go programs write them: `10m`, `1h30m`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click

from podpass.apiserver.settings import parse_duration


class Duration(click.ParamType[timedelta]):
    """A span of time."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Return the span, or refuse the option."""
        if isinstance(value, timedelta):
            return value
        try:
            return parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


DURATION = Duration()
