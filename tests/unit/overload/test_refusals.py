from __future__ import annotations

from podpass.apiserver.overload.refusals import RefusalPace, too_busy


def test_the_refusal_is_a_status_that_says_when_to_come_back() -> None:
    assert too_busy().to_status() == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "Too many requests, please try again later.",
        "reason": "TooManyRequests",
        "details": {"retryAfterSeconds": 1},
        "code": 429,
    }


def test_single_refusals_leave_at_once() -> None:
    pace = RefusalPace()
    assert [pace.delay(now) for now in (5.0, 6.0, 7.0)] == [0.0, 0.0, 0.0]


def test_refusals_of_a_flood_are_spread_and_none_waits_longer_than_a_second() -> None:
    pace = RefusalPace()
    delays = [pace.delay(100.0) for _ in range(2000)]
    assert delays[0] == 0.0
    assert round(delays[250], 6) == 0.5
    assert max(delays) == delays[-1] == 1.0
    assert pace.delay(102.0) == 0.0
