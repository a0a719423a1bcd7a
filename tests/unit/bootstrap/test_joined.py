"""From when on the node of a host that joins again is believed to be Ready."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from podpass.bootstrap.joined import next_second
from podpass.bootstrap.readiness import ready_nodes

NOW = datetime(2026, 1, 1, 10, 0, 7, 250_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "since", "wait"),
    [
        pytest.param(NOW, "2026-01-01T10:00:08Z", 0.75, id="within a second"),
        pytest.param(
            NOW.replace(microsecond=0), "2026-01-01T10:00:08Z", 1.0, id="at the start of one"
        ),
        pytest.param(
            NOW.replace(second=59), "2026-01-01T10:01:00Z", 0.75, id="at the end of a minute"
        ),
    ],
)
def test_next_second(now: datetime, since: str, wait: float) -> None:
    assert next_second(now) == (since, wait)


@pytest.mark.parametrize(
    ("heartbeat", "ready"),
    [
        pytest.param("2026-01-01T10:00:07Z", set(), id="in the second in which it was stopped"),
        pytest.param("2026-01-01T10:00:08Z", {"n1"}, id="in the second in which it is started"),
    ],
)
def test_what_the_former_kubelet_said_counts_for_nothing(heartbeat: str, ready: set[str]) -> None:
    condition = {"type": "Ready", "status": "True", "lastHeartbeatTime": heartbeat}
    node = {"metadata": {"name": "n1"}, "status": {"conditions": [condition]}}
    since, _ = next_second(NOW)
    assert ready_nodes([node], since=since) == ready
