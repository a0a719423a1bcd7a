"""What controllers ask of a pod."""

from datetime import UTC, datetime

import pytest

from podpass.api.resources import Object
from podpass.controllers.pods import conditions_patch, is_finished, is_mirror, node_name_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POD: Object = {
    "metadata": {"name": "p", "uid": "u", "resourceVersion": "7"},
    "status": {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "t"}],
    },
}


@pytest.mark.parametrize(
    ("phase", "finished"),
    [("Pending", False), ("Running", False), ("Succeeded", True), ("Failed", True)],
)
def test_is_finished(phase: str, finished: bool) -> None:
    assert is_finished({"status": {"phase": phase}}) is finished
    assert not is_finished({})


def test_node_and_mirror() -> None:
    assert node_name_of({"spec": {"nodeName": "n"}}) == "n"
    assert node_name_of({}) == ""
    assert is_mirror({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}})
    assert not is_mirror({"metadata": {}})


def test_a_patch_holds_for_one_state_only() -> None:
    patch = conditions_patch(POD, "Ready", "False", now=NOW, reason="NodeNotReady")
    assert patch == {
        "metadata": {"uid": "u", "resourceVersion": "7"},
        "status": {
            "conditions": [
                {
                    "type": "Ready",
                    "status": "False",
                    "reason": "NodeNotReady",
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                }
            ]
        },
    }
    assert POD["status"]["conditions"][0]["status"] == "True"


def test_nothing_to_patch() -> None:
    assert conditions_patch(POD, "Ready", "True", now=NOW) is None
    assert conditions_patch(POD, "Ready", "True", now=NOW, phase="Running") is None
    changed = conditions_patch(POD, "Ready", "True", now=NOW, phase="Failed")
    assert changed is not None
