"""`simulation.scenario`: what happens when."""

from __future__ import annotations

import pytest

from podpass.simulation.scenario import Name, make_timeline, pod_starts

HOUR = 3600.0


def test_all_pods_are_started_at_once() -> None:
    timeline = make_timeline(Name.START, pods=3, seconds=HOUR)
    assert [(one.name, one.begin, one.end) for one in timeline.phases] == [
        ("after the start", 300.0, HOUR)
    ]
    starts = pod_starts(timeline, 3, lambda: 0.5)
    assert (starts.first, starts.again) == ([5.0] * 3, [])


def test_the_outage_is_in_the_middle() -> None:
    timeline = make_timeline(Name.OUTAGE, pods=3, seconds=4 * HOUR)
    assert timeline.outage == (2 * HOUR, 2.5 * HOUR)
    assert [one.begin for one in timeline.phases] == [300.0, 2.5 * HOUR, 2.5 * HOUR + 300]


def test_pods_are_made_anew_namespace_by_namespace() -> None:
    timeline = make_timeline(Name.ISSUER_CHANGE, pods=201, seconds=4 * HOUR)
    again = pod_starts(timeline, 201, lambda: 0.5).again
    assert again[0] == (2 * HOUR + 2.5, 0)
    assert again[100] == (2 * HOUR + 4.5, 100)
    assert again[-1] == (2 * HOUR + 6.5, 200)
    assert timeline.phases[1].end == 2 * HOUR + 4 + 5 + 300


@pytest.mark.parametrize(
    ("name", "hours"),
    [(Name.START, 0.08), (Name.OUTAGE, 1.1), (Name.ISSUER_CHANGE, 0.1)],
    ids=["start", "outage", "issuer change"],
)
def test_too_short_a_time_is_refused(name: Name, hours: float) -> None:
    with pytest.raises(ValueError, match="too short"):
        make_timeline(name, pods=1, seconds=hours * HOUR)
