"""How far a rolling update may stray from the wanted size."""

from typing import Any

import pytest
from controllers.workload_samples import workload

from podpass.api.resources import DEPLOYMENTS
from podpass.controllers.deployment_limits import Limits, limits_of, replicas_of, share_of


@pytest.mark.parametrize(
    ("value", "total", "up", "down"),
    [
        pytest.param(3, 10, 3, 3, id="a count"),
        pytest.param("25%", 10, 3, 2, id="a share that is rounded"),
        pytest.param("50%", 10, 5, 5, id="a share that is whole"),
        pytest.param("0%", 10, 0, 0, id="nothing"),
        pytest.param("1%", 1, 1, 0, id="a bit of one"),
        pytest.param(None, 10, 0, 0, id="not given"),
    ],
)
def test_share_of(value: Any, total: int, up: int, down: int) -> None:
    assert share_of(value, total, round_up=True) == up
    assert share_of(value, total, round_up=False) == down


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "limits"),
    [
        pytest.param(10, "25%", "25%", Limits(3, 2), id="the defaults of ten"),
        pytest.param(1, "25%", "25%", Limits(1, 0), id="the defaults of one"),
        pytest.param(1, 0, "25%", Limits(0, 1), id="there must be room to move"),
        pytest.param(3, 2, 5, Limits(2, 3), id="no more missing than there are"),
        pytest.param(0, "25%", "25%", Limits(0, 0), id="of nothing"),
    ],
)
def test_limits(replicas: int, surge: Any, unavailable: Any, limits: Limits) -> None:
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    deployment = workload(DEPLOYMENTS, replicas=replicas, strategy={"rollingUpdate": rolling})
    assert limits_of(deployment) == limits


def test_recreate_has_no_limits() -> None:
    deployment = workload(DEPLOYMENTS, replicas=4, strategy={"type": "Recreate"})
    assert limits_of(deployment) == Limits(0, 0)


def test_one_replica_unless_said_otherwise() -> None:
    assert replicas_of(workload(DEPLOYMENTS)) == 1
    assert replicas_of(workload(DEPLOYMENTS, replicas=0)) == 0
