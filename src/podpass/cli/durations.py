"""Durations on the command line, as Go programs write them: `10m`, `1h30m`."""

from __future__ import annotations

from podpass.apiserver.settings import parse_duration
from podpass.cli.spans import Span

DURATION = Span("duration", parse_duration)
