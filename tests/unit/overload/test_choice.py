from __future__ import annotations

import pytest
from click.testing import CliRunner

from podpass.apiserver.overload.choice import admission_control, problems
from podpass.apiserver.overload.gate import Gate
from podpass.apiserver.overload.inflight_limit import InflightLimit
from podpass.apiserver.settings import ApiServerSettings
from podpass.base.clock import SystemClock
from podpass.base.metrics import Registry
from podpass.cli.apiserver import command


def settings(reads: int, writes: int, *, fair: bool) -> ApiServerSettings:
    return ApiServerSettings(
        max_requests_inflight=reads,
        max_mutating_requests_inflight=writes,
        enable_priority_and_fairness=fair,
    )


def test_fairness_is_on_unless_it_is_switched_off() -> None:
    chosen = admission_control(ApiServerSettings(), Registry(), SystemClock())
    assert isinstance(chosen, Gate)
    chosen = admission_control(settings(1, 1, fair=False), Registry(), SystemClock())
    assert isinstance(chosen, InflightLimit)


def test_lanes_share_what_both_limits_allow_together() -> None:
    registry = Registry()
    admission_control(settings(6, 4, fair=True), registry, SystemClock())
    seats = [one for one in registry.render().splitlines() if "nominal_limit_seats{" in one]
    assert [one.rsplit("{", 1)[1] for one in seats] == [
        'priority_level="node"} 3',
        'priority_level="system"} 3',
        'priority_level="workload"} 4',
    ]


@pytest.mark.parametrize(
    ("reads", "writes", "fair", "wrong"),
    [
        pytest.param(0, 0, True, True, id="lanes need a seat"),
        pytest.param(0, 1, True, False, id="one is enough"),
        pytest.param(0, 0, False, False, id="without fairness zero is no limit"),
    ],
)
def test_no_seat_at_all_is_refused(reads: int, writes: int, fair: bool, wrong: bool) -> None:
    assert bool(problems(settings(reads, writes, fair=fair))) is wrong


def test_the_command_says_so_in_one_line() -> None:
    flags = ["--max-requests-inflight=0", "--max-mutating-requests-inflight=0"]
    outcome = CliRunner().invoke(command, ["--service-account-issuer=https://x", *flags])
    assert outcome.exit_code == 2
    assert "cannot both be 0" in outcome.output
