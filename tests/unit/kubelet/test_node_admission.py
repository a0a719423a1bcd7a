"""Which pods a node refuses although they were sent to it."""

from __future__ import annotations

from typing import Any

import pytest

from podpass.api.resources import Object
from podpass.kubelet.node_admission import refusal
from podpass.kubelet.pod_spec import CONFIG_SOURCE


def pod(phase: str = "Pending", *, metadata: Object | None = None, **spec: Any) -> Object:
    return {"metadata": {"name": "p"} | (metadata or {}), "spec": spec, "status": {"phase": phase}}


RUNNING = pod("Running")


@pytest.mark.parametrize(
    ("others", "allowed"),
    [
        pytest.param([RUNNING], True, id="one place is left"),
        pytest.param([RUNNING, RUNNING], False, id="all places are taken"),
        pytest.param([RUNNING, pod("Succeeded"), pod("Failed")], True, id="ended ones take none"),
    ],
)
def test_places_are_limited(others: list[Object], allowed: bool) -> None:
    refused = refusal(pod(), others, 2)
    assert (refused is None) is allowed
    if refused is not None:
        assert refused.status(pod(metadata={"name": "x"})) == {
            "phase": "Failed",
            "reason": "OutOfpods",
            "message": "Pod was rejected: Node didn't have enough resource: pods, "
            "requested: 1, used: 2, capacity: 2",
        }


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(pod(metadata={"annotations": {CONFIG_SOURCE: "file"}}), id="a static pod"),
        pytest.param(
            pod(metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}), id="one that is to go"
        ),
        pytest.param(pod("Failed"), id="one that has ended"),
    ],
)
def test_who_needs_no_place_is_let_in(wanted: Object) -> None:
    assert refusal(wanted, [], 0) is None


@pytest.mark.parametrize(
    ("os", "reason"), [("linux", ""), ("", ""), ("windows", "PodOSNotSupported")]
)
def test_the_operating_system_must_fit(os: str, reason: str) -> None:
    refused = refusal(pod(os={"name": os}), [], 1)
    assert (refused.reason if refused else "") == reason
