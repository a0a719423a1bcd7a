"""`simulation.capacity`: a queue with an end, and an outage."""

from __future__ import annotations

import pytest

from podpass.simulation.capacity import ApiServers, Capacity, Outcome


def test_requests_are_answered_in_order_at_the_rate() -> None:
    api = ApiServers(Capacity(rate=2, queue=10))
    assert [api.ask(0.0) for _ in range(3)] == [
        (Outcome.ANSWERED, 0.5),
        (Outcome.ANSWERED, 1.0),
        (Outcome.ANSWERED, 1.5),
    ]
    assert api.ask(10.0) == (Outcome.ANSWERED, 10.5), "an idle server answers at once"


@pytest.mark.parametrize(
    ("queue", "outcomes"),
    [
        pytest.param(0, "ANSWERED REFUSED REFUSED", id="none may wait"),
        pytest.param(1, "ANSWERED ANSWERED REFUSED", id="one may wait"),
    ],
)
def test_a_full_queue_refuses(queue: int, outcomes: str) -> None:
    api = ApiServers(Capacity(rate=2, queue=queue))
    assert " ".join(api.ask(0.0)[0].name for _ in range(3)) == outcomes
    assert api.ask(0.5)[0] is Outcome.ANSWERED, "there is room again"


def test_a_client_that_gives_up_has_still_made_work() -> None:
    api = ApiServers(Capacity(rate=1, queue=10, timeout=2))
    answers = [api.ask(0.0) for _ in range(3)]
    assert answers[1:] == [(Outcome.ANSWERED, 2.0), (Outcome.TIMED_OUT, 2.0)]
    assert api.ask(2.0) == (Outcome.ANSWERED, 4.0)


@pytest.mark.parametrize(
    ("now", "outcome"),
    [
        pytest.param(9.9, Outcome.ANSWERED, id="before"),
        pytest.param(10.0, Outcome.UNREACHABLE, id="at its begin"),
        pytest.param(19.9, Outcome.UNREACHABLE, id="in it"),
        pytest.param(20.0, Outcome.ANSWERED, id="at its end"),
    ],
)
def test_nobody_is_reached_in_an_outage(now: float, outcome: Outcome) -> None:
    assert ApiServers(Capacity(100, 10), (10.0, 20.0)).ask(now)[0] is outcome


def test_after_an_outage_the_queue_is_empty() -> None:
    api = ApiServers(Capacity(rate=1, queue=100), (2.0, 20.0))
    for _ in range(50):
        api.ask(1.0)
    api.ask(5.0)
    assert api.ask(20.0) == (Outcome.ANSWERED, 21.0)
