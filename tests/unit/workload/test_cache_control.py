"""For how long an answer is fresh."""

from __future__ import annotations

import pytest

from podpass.workload.cache_control import fresh_seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({}, None, id="no header"),
        pytest.param({"cache-control": "public"}, None, id="nothing about time"),
        pytest.param({"cache-control": "public, max-age=3600"}, 3600, id="an hour"),
        pytest.param({"cache-control": 'Max-Age="60"'}, 60, id="capitals and quotes"),
        pytest.param({"cache-control": "max-age=0"}, 0, id="zero"),
        pytest.param({"cache-control": "no-store, max-age=60"}, 0, id="not to be stored"),
        pytest.param({"cache-control": "no-cache"}, 0, id="not to be used unasked"),
        pytest.param({"cache-control": "max-age=-5"}, None, id="a negative age"),
        pytest.param({"cache-control": "max-age=soon"}, None, id="an age in words"),
        pytest.param({"cache-control": "max-age=\u0664"}, None, id="a digit of another script"),
        pytest.param({"cache-control": "max-age=60", "age": "20"}, 40, id="20 seconds old"),
        pytest.param({"cache-control": "max-age=60", "age": "90"}, 0, id="older than fresh"),
        pytest.param({"cache-control": "max-age=60", "age": "x"}, 60, id="an age of no number"),
        pytest.param({"cache-control": "max-age=" + "9" * 400}, float("inf"), id="for ever"),
    ],
)
def test_freshness(headers: dict[str, str], seconds: float | None) -> None:
    assert fresh_seconds(headers) == seconds
