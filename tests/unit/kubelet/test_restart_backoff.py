"""`kubelet.restart_backoff` and `kubelet.container_restarts`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from podpass.kubelet.container_config import SPEC_HASH, spec_hash
from podpass.kubelet.container_restarts import ContainerRestarts
from podpass.kubelet.events import PodEvents
from podpass.kubelet.restart_backoff import RestartBackoff
from podpass.kubelet.runtime.interface import (
    ContainerConfig,
    ContainerID,
    ContainerState,
    ContainerStatus,
    SandboxID,
)
from podpass.kubelet.settings import KubeletSettings
from podpass.testing.event_list import EventList

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TEN, FIVE_MINUTES = 10 * SECOND, 300 * SECOND


def test_delays_double_up_to_the_longest() -> None:
    backoff = RestartBackoff(TEN, FIVE_MINUTES)
    delays = []
    for _ in range(8):
        delays.append(
            (backoff.ready_at(NOW, NOW + SECOND, now=NOW + SECOND) - NOW - SECOND).total_seconds()
        )
        backoff.restarted()
    assert delays == [0, 10, 20, 40, 80, 160, 300, 300]


def test_the_first_delay_is_no_longer_than_the_longest() -> None:
    backoff = RestartBackoff(TEN, 3 * SECOND)
    backoff.restarted()
    assert backoff.delay == 3 * SECOND


@pytest.mark.parametrize(
    ("ran", "delay"),
    [
        pytest.param(600 * SECOND, 10, id="ten minutes are not enough"),
        pytest.param(601 * SECOND, 0, id="more than ten minutes start anew"),
    ],
)
def test_a_long_run_starts_anew(ran: timedelta, delay: float) -> None:
    backoff = RestartBackoff(TEN, FIVE_MINUTES)
    backoff.restarted()
    assert (backoff.ready_at(NOW, NOW + ran, now=NOW + ran) - NOW - ran).total_seconds() == delay


def test_a_run_without_a_start_counts_as_short() -> None:
    backoff = RestartBackoff(TEN, FIVE_MINUTES)
    backoff.restarted()
    assert backoff.ready_at(None, NOW, now=NOW) == NOW + TEN


@pytest.mark.parametrize(
    ("finished", "delay"),
    [
        pytest.param(NOW, TEN, id="one that has just ended waits"),
        pytest.param(NOW + SECOND, 0 * SECOND, id="one that ended ahead of the clock does not"),
    ],
)
def test_a_clock_that_was_set_back_holds_nothing_back(finished: datetime, delay: timedelta) -> None:
    backoff = RestartBackoff(TEN, FIVE_MINUTES)
    backoff.restarted()
    assert backoff.ready_at(NOW, finished, now=NOW) == NOW + delay


POD = {
    "metadata": {"name": "p", "namespace": "ns", "uid": "u"},
    "spec": {"containers": [{"name": "c", "image": "nginx"}]},
}
EXITED = ContainerStatus(
    id=ContainerID("1"),
    sandbox_id=SandboxID("s"),
    config=ContainerConfig("c", 0, "nginx", Path("/log")),
    state=ContainerState.EXITED,
    image_id="i",
    created_at=NOW,
    started_at=NOW,
    finished_at=NOW + SECOND,
    exit_code=1,
)


@pytest.fixture
def restarts() -> ContainerRestarts:
    here = Path("/nowhere")
    return ContainerRestarts(KubeletSettings("n", "127.0.0.1", here, here, here, here, here))


def test_a_container_that_ended_waits(restarts: ContainerRestarts) -> None:
    assert restarts.ready_at(EXITED, now=NOW + SECOND) == NOW + SECOND
    restarts.restarted("c")
    assert restarts.ready_at(EXITED, now=NOW + SECOND) == NOW + SECOND + TEN
    lost = replace(EXITED, started_at=None, finished_at=None)
    assert restarts.ready_at(lost, now=NOW) == NOW + TEN


def test_a_container_that_never_started_does_not_wait(restarts: ContainerRestarts) -> None:
    restarts.restarted("c")
    created = replace(EXITED, state=ContainerState.CREATED, finished_at=None)
    assert restarts.ready_at(created, now=NOW) == NOW


def test_a_container_created_before_the_clock_was_set_back_does_not_wait(
    restarts: ContainerRestarts,
) -> None:
    created = replace(EXITED, state=ContainerState.CREATED, finished_at=None)
    assert restarts.ready_at(created, now=NOW - TEN) == NOW - TEN


def test_a_back_off_is_told_once_and_shown(restarts: ContainerRestarts) -> None:
    told = EventList()
    events = PodEvents(told, POD)
    restarts.restarted("c")
    for _ in range(2):
        waiting = restarts.waiting("c", NOW, POD, events)
    assert waiting.to_json() == {
        "waiting": {
            "reason": "CrashLoopBackOff",
            "message": "back-off 10s restarting failed container=c pod=p_ns(u)",
        }
    }
    assert told.lines == ["Warning BackOff Back-off restarting failed container c in pod p_ns(u)"]
    for _ in range(5):
        restarts.restarted("c")
    longest = restarts.waiting("c", NOW + SECOND, POD, events)
    assert longest.message.startswith("back-off 5m0s ")
    assert len(told.lines) == 2


def test_an_outdated_container_is_found_by_what_it_was_made_from(
    restarts: ContainerRestarts,
) -> None:
    spec = {"name": "c", "image": "nginx"}
    made = replace(EXITED, config=replace(EXITED.config, annotations={SPEC_HASH: spec_hash(spec)}))
    assert restarts.why_outdated(spec, made) == ""
    assert restarts.why_outdated(spec | {"command": ["x"]}, made) == "", "only the image may change"
    assert "definition changed" in restarts.why_outdated(spec | {"image": "other"}, made)
    assert restarts.why_outdated(spec | {"image": "other"}, EXITED) == "", "of an older version"
