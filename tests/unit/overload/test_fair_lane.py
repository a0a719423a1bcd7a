"""Seats, turns and refusals of a lane, on any sequence of events."""

from __future__ import annotations

from collections import Counter, deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podpass.apiserver.overload.fair_lane import FairLane, Limits

SMALL = Limits(seats=4, flow_seats=2, flow_queue=3, queue=5)


def fill(lane: FairLane[str], flow: str, count: int) -> list[str]:
    """Let requests arrive; returns those that were refused, of whatever flow."""
    refused = []
    for number in range(count):
        if not lane.take_seat(flow):
            one = lane.queue(flow, f"{flow}{number}")
            if one is not None:
                refused.append(one)
    return refused


def test_a_flow_gets_its_share_of_the_seats_and_then_waits() -> None:
    lane: FairLane[str] = FairLane(SMALL)
    assert [lane.take_seat("a") for _ in range(3)] == [True, True, False]
    assert [lane.take_seat("b") for _ in range(3)] == [True, True, False]
    assert not lane.take_seat("c")
    assert (lane.seated, lane.waiting) == (4, 0)


@pytest.mark.parametrize(
    ("arriving", "refused"),
    [
        pytest.param(5, [], id="two seats and three places are not too few"),
        pytest.param(6, ["a5"], id="the sixth is refused"),
    ],
)
def test_the_queue_of_a_flow_is_bounded(arriving: int, refused: list[str]) -> None:
    assert fill(FairLane(SMALL), "a", arriving) == refused


def test_a_newcomer_takes_the_place_of_the_newest_of_the_longest_queue() -> None:
    lane: FairLane[str] = FairLane(SMALL)
    fill(lane, "a", 5)
    fill(lane, "b", 4)
    assert lane.waiting == 5
    assert lane.queue("c", "c0") == "a4"
    assert lane.waiting == 5


def test_nobody_is_displaced_for_a_queue_that_would_be_as_long() -> None:
    lane: FairLane[str] = FairLane(Limits(seats=2, flow_seats=2, flow_queue=3, queue=2))
    fill(lane, "a", 4)
    assert lane.queue("b", "b0") == "a3"
    assert lane.queue("c", "c0") == "c0"
    assert lane.queue("a", "a9") == "a9"


def test_flows_take_turns_whatever_they_queue() -> None:
    lane: FairLane[str] = FairLane(Limits(seats=1, flow_seats=1, flow_queue=9, queue=99))
    assert lane.take_seat("a")
    for flow, count in (("a", 3), ("b", 2), ("c", 1)):
        for number in range(count):
            assert lane.queue(flow, f"{flow}{number}") is None
    order = []
    seated = "a"
    while lane.seated:
        lane.leave(seated)
        ticket = lane.next()
        if ticket is not None:
            order.append(ticket)
            seated = ticket[0]
    assert order == ["a0", "b0", "c0", "a1", "b1", "a2"]


def test_a_flow_whose_seats_are_taken_keeps_its_turn() -> None:
    lane: FairLane[str] = FairLane(SMALL)
    fill(lane, "a", 3)
    fill(lane, "b", 2)
    assert lane.queue("c", "c0") is None
    lane.leave("b")
    assert lane.next() == "c0"
    lane.leave("a")
    assert lane.next() == "a2"


def test_who_gives_up_waiting_is_not_called() -> None:
    lane: FairLane[str] = FairLane(SMALL)
    fill(lane, "a", 4)
    assert lane.abandon("a", "a2")
    assert not lane.abandon("a", "a2")
    assert not lane.abandon("x", "a3")
    lane.leave("a")
    assert lane.next() == "a3"
    assert lane.next() is None


@pytest.mark.parametrize(
    ("seats", "expected"),
    [
        pytest.param(0, Limits(1, 1, 10, 20), id="there is always one seat"),
        pytest.param(1, Limits(1, 1, 10, 20), id="one seat is for one flow"),
        pytest.param(40, Limits(40, 20, 400, 800), id="a flow has at most half of the seats"),
    ],
)
def test_sizes_follow_from_the_seats(seats: int, expected: Limits) -> None:
    assert Limits.of_seats(seats) == expected


events = st.lists(
    st.tuples(
        st.sampled_from(["arrive", "arrive", "arrive", "leave", "abandon"]), st.sampled_from("abcd")
    ),
    max_size=120,
)
sizes = st.builds(
    Limits,
    seats=st.integers(1, 4),
    flow_seats=st.integers(1, 3),
    flow_queue=st.integers(1, 4),
    queue=st.integers(1, 8),
)


@given(sizes, events)
def test_bounds_order_and_work_hold_for_any_history(
    limits: Limits, history: list[tuple[str, str]]
) -> None:
    lane: FairLane[str] = FairLane(limits)
    seated: Counter[str] = Counter()
    queues: dict[str, deque[str]] = {flow: deque() for flow in "abcd"}

    def forget(ticket: str) -> None:
        assert queues[ticket[0]].pop() == ticket, "only the newest is displaced"

    for number, (what, flow) in enumerate(history):
        ticket = f"{flow}{number}"
        if what == "arrive":
            if lane.take_seat(flow):
                seated[flow] += 1
            else:
                displaced = lane.queue(flow, ticket)
                if displaced != ticket:
                    queues[flow].append(ticket)
                    if displaced is not None:
                        assert len(queues[displaced[0]]) > len(queues[flow])
                        forget(displaced)
        elif what == "abandon" and queues[flow]:
            assert lane.abandon(flow, queues[flow].popleft())
        elif what == "leave" and seated[flow]:
            seated[flow] -= 1
            lane.leave(flow)
            while (called := lane.next()) is not None:
                assert queues[called[0]].popleft() == called, "first come, first served"
                seated[called[0]] += 1
        assert lane.seated == seated.total() <= limits.seats
        assert max(seated.values(), default=0) <= limits.flow_seats
        assert lane.waiting == sum(map(len, queues.values())) <= limits.queue
        assert all(len(one) <= limits.flow_queue for one in queues.values())
        if lane.seated < limits.seats:
            idle = [one for one in queues if queues[one] and seated[one] < limits.flow_seats]
            assert not idle, "a free seat is used"


@given(st.integers(1, 5), st.integers(2, 6), st.integers(20, 60))
def test_flows_that_always_want_more_are_served_alike(seats: int, flows: int, rounds: int) -> None:
    lane: FairLane[str] = FairLane(Limits(seats, seats, 1000, 10_000))
    served: Counter[str] = Counter()
    running: deque[str] = deque()
    names = [f"flow {number}" for number in range(flows)]
    for name in names:
        # Who came first may have all seats already; turns begin when everybody waits.
        while lane.take_seat(name):
            running.append(name)
        for _ in range(rounds):
            lane.queue(name, name)
    for _ in range(rounds):
        lane.leave(running.popleft())
        called = lane.next()
        assert called is not None
        served[called] += 1
        running.append(called)
        assert max(served.values()) - min(served[name] for name in names) <= 1


@given(st.integers(1, 30), st.integers(1, 6))
def test_a_flood_delays_a_newcomer_by_one_turn_of_each_flow(flood: int, floods: int) -> None:
    lane: FairLane[str] = FairLane(Limits(1, 1, 1000, 10_000))
    assert lane.take_seat("first")
    for number in range(floods):
        for _ in range(flood):
            lane.queue(f"flood {number}", f"flood {number}")
    lane.queue("newcomer", "newcomer")
    seated, turns = "first", 0
    while seated != "newcomer":
        lane.leave(seated)
        called = lane.next()
        assert called is not None
        seated, turns = called, turns + 1
    assert turns <= floods + 1
