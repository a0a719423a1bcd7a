"""Installers that hang, static pods that fail or stay away."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from podpass.api.meta import format_time
from podpass.api.resources import Object
from podpass.operator.conditions import Condition
from podpass.operator.static_pod_health import (
    installer_conditions,
    missing_static_pods,
    static_pods_condition,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIMIT = timedelta(minutes=5)


def mirror(revision: int = 12, *, last: Object | None = None, **state: Any) -> Object:
    status = {"name": "kube-apiserver", "state": state, "lastState": last or {}}
    return {
        "metadata": {"name": "kube-apiserver-a", "labels": {"revision": str(revision)}},
        "spec": {"nodeName": "a"},
        "status": {"containerStatuses": [status]},
    }


def installer(phase: str, age: float = 300, revision: int = 12, **status: Any) -> Object:
    return {
        "metadata": {
            "name": f"installer-{revision}-a",
            "labels": {"app": "installer", "revision": str(revision)},
            "creationTimestamp": format_time(NOW - timedelta(seconds=age)),
        },
        "spec": {"nodeName": "a"},
        "status": {"phase": phase, **status},
    }


@pytest.mark.parametrize(
    ("state", "message"),
    [
        pytest.param({"running": {}}, "", id="it runs"),
        pytest.param({"waiting": {"reason": "PodInitializing"}}, "", id="it is being made"),
        pytest.param(
            {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
            'pod/kube-apiserver-a container "kube-apiserver" is waiting: '
            "CrashLoopBackOff: back-off 10s",
            id="it crashes",
        ),
        pytest.param(
            {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
            | {"last": {"terminated": {"exitCode": 2, "message": "No such option: --x\n"}}},
            'pod/kube-apiserver-a container "kube-apiserver" is waiting: '
            "CrashLoopBackOff: back-off 10s; it ended with 2: No such option: --x",
            id="it crashes and said why",
        ),
        pytest.param({"terminated": {"exitCode": 0}}, "", id="it ended well"),
        pytest.param(
            {"terminated": {"exitCode": 1, "reason": "Error", "message": "bad flag"}},
            'pod/kube-apiserver-a container "kube-apiserver" is terminated: Error: bad flag',
            id="it failed",
        ),
    ],
)
def test_static_pods(state: dict[str, Any], message: str) -> None:
    reason = "Error" if message else ""
    expected = Condition("StaticPodsDegraded", bool(message), reason, message)
    assert static_pods_condition([mirror(**state), installer("Failed")]) == expected


@pytest.mark.parametrize(
    ("pod", "currents", "hangs"),
    [
        pytest.param(installer("Pending"), {"a": 11}, True, id="pending for long"),
        pytest.param(installer("Pending", age=299), {"a": 11}, False, id="not for long"),
        pytest.param(installer("Running"), {"a": 11}, False, id="running"),
        pytest.param(installer("Pending"), {"a": 12}, False, id="no longer needed"),
        pytest.param(mirror(), {}, False, id="something else"),
    ],
)
def test_an_installer_that_hangs(pod: Object, currents: dict[str, int], hangs: bool) -> None:
    pending, _ = installer_conditions([pod], currents, now=NOW, limit=LIMIT)
    assert pending.status is hangs


def test_an_installer_says_why_it_hangs() -> None:
    pod = installer(
        "Pending",
        conditions=[
            {"type": "PodScheduled", "status": "True"},
            {"type": "Ready", "status": "False", "reason": "NotReady", "message": "no image"},
        ],
        containerStatuses=[
            {"name": "x", "state": {"waiting": {"reason": "PodInitializing"}}},
            {"name": "y", "state": {"waiting": {"reason": "ErrImagePull"}}},
            {"name": "z", "state": {"waiting": {"reason": "Other", "message": "text"}}},
        ],
    )
    pending, waiting = installer_conditions([pod], {}, now=NOW, limit=LIMIT)
    since = "2025-12-31T23:55:00Z"
    about = 'Pod "installer-12-a" on node "a"'
    assert pending == Condition(
        "InstallerPodPendingDegraded",
        True,
        "NotReady",
        f"{about} is Pending since {since} because no image",
    )
    assert waiting == Condition(
        "InstallerPodContainerWaitingDegraded",
        True,
        "ErrImagePull",
        f'{about} container "y" is waiting since {since} because ErrImagePull\n'
        f'{about} container "z" is waiting since {since} because "text"',
    )


def ended(seconds: float, revision: int = 12) -> Object:
    finished = format_time(NOW - timedelta(seconds=seconds))
    state = {"terminated": {"exitCode": 0, "finishedAt": finished}}
    return installer("Succeeded", revision=revision, containerStatuses=[{"state": state}])


@pytest.mark.parametrize(
    ("pods", "missing"),
    [
        pytest.param([ended(301), mirror(11)], True, id="the former one still runs"),
        pytest.param([ended(301)], True, id="none runs"),
        pytest.param([ended(300), mirror(11)], False, id="it still has time"),
        pytest.param([ended(301), mirror(12)], False, id="it is there"),
        pytest.param([ended(301, 11), ended(10), mirror(11)], False, id="the newest counts"),
        pytest.param([installer("Failed"), mirror(11)], False, id="it was not installed"),
    ],
)
def test_a_static_pod_that_stays_away(pods: list[Object], missing: bool) -> None:
    found = missing_static_pods(pods, now=NOW, limit=LIMIT)
    assert found.status is missing
    if missing:
        assert found.message == (
            'static pod lifecycle failure - static pod: "kube-apiserver" in namespace: '
            '"openshift-kube-apiserver" for revision: 12 on node: "a" didn\'t show up, waited: 301s'
        )
