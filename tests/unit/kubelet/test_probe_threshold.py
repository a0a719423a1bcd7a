"""`kubelet.probe_threshold`: each threshold, one result on either side of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from podpass.kubelet.probe_threshold import (
    ProbeKind,
    initial_delay,
    new_threshold,
    period,
    timeout_seconds,
)


@pytest.mark.parametrize(
    ("kind", "probe", "results", "healthy", "changed"),
    [
        pytest.param(ProbeKind.READINESS, {}, [True], True, True, id="ready after one success"),
        pytest.param(ProbeKind.READINESS, {}, [True, True], True, False, id="ready stays ready"),
        pytest.param(
            ProbeKind.READINESS, {}, [True, False, False], True, False, id="two failures are not it"
        ),
        pytest.param(
            ProbeKind.READINESS, {}, [True, False, False, False], False, True, id="three are"
        ),
        pytest.param(
            ProbeKind.READINESS,
            {},
            [True, False, False, True, False, False],
            True,
            False,
            id="a success between starts the count again",
        ),
        pytest.param(ProbeKind.LIVENESS, {}, [], True, False, id="alive before the first result"),
        pytest.param(ProbeKind.LIVENESS, {}, [False] * 3, False, True, id="dead after three"),
        pytest.param(
            ProbeKind.LIVENESS, {"failureThreshold": 1}, [False], False, True, id="own threshold"
        ),
        pytest.param(
            ProbeKind.READINESS, {"successThreshold": 2}, [True], False, False, id="one of two"
        ),
        pytest.param(
            ProbeKind.READINESS, {"successThreshold": 2}, [True, True], True, True, id="two of two"
        ),
        pytest.param(ProbeKind.STARTUP, {}, [False] * 3, False, True, id="startup fails for good"),
        pytest.param(ProbeKind.STARTUP, {}, [False] * 4, False, False, id="and says so once"),
    ],
)
def test_thresholds(
    kind: ProbeKind, probe: dict[str, int], results: list[bool], healthy: bool, changed: bool
) -> None:
    threshold = new_threshold(kind, probe)
    last = False
    for result in results:
        last = threshold.record(result)
    assert (threshold.healthy, last) == (healthy, changed)


def test_defaults_and_values_of_the_times() -> None:
    assert (period({}), initial_delay({}), timeout_seconds({})) == (
        timedelta(seconds=10),
        timedelta(0),
        1.0,
    )
    probe = {"periodSeconds": 3, "initialDelaySeconds": 4, "timeoutSeconds": 5}
    assert (period(probe), initial_delay(probe), timeout_seconds(probe)) == (
        timedelta(seconds=3),
        timedelta(seconds=4),
        5.0,
    )
