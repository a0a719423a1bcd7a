from __future__ import annotations

from datetime import timedelta

import click
import pytest

from podpass.cli.durations import DURATION
from podpass.cli.installer import _SECONDS
from podpass.cli.spans import Span


@pytest.mark.parametrize(
    ("span", "text", "expected"),
    [
        pytest.param(DURATION, "1h30m", timedelta(minutes=90), id="a Go duration"),
        pytest.param(_SECONDS, "60s", timedelta(seconds=60), id="seconds with their unit"),
        pytest.param(_SECONDS, "0.5", timedelta(seconds=0.5), id="seconds without it"),
    ],
)
def test_spans_are_read(span: Span, text: str, expected: timedelta) -> None:
    assert span.convert(text, None, None) == expected
    assert span.convert(expected, None, None) == expected


@pytest.mark.parametrize(
    ("span", "text", "why"),
    [
        pytest.param(DURATION, "soon", "'soon' is not a duration", id="no duration"),
        pytest.param(_SECONDS, "2m", "'2m' is not a number of seconds", id="no seconds"),
    ],
)
def test_what_is_no_span_is_refused(span: Span, text: str, why: str) -> None:
    with pytest.raises(click.BadParameter, match=why):
        span.convert(text, None, None)
