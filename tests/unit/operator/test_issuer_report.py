"""Does every API server run what was asked for?"""

from __future__ import annotations

from typing import Any

import pytest

from podpass.api.resources import Object
from podpass.operator.issuer_report import IssuerReport, make_report, render_report

OLD, NEW = "https://kubernetes.default.svc", "https://test.default.svc"


def report(
    nodes: list[Object],
    running: dict[str, str],
    *,
    wanted: str = NEW,
    prepared: str = NEW,
    conditions: Any = (),
) -> IssuerReport:
    status = {
        "latestAvailableRevision": 12,
        "nodeStatuses": nodes,
        "conditions": list(conditions),
    }
    return make_report(
        {"spec": {"serviceAccountIssuer": wanted}},
        {"status": status},
        issuer_of_latest=prepared,
        running=running,
    )


def node(name: str, current: int = 12, **fields: Any) -> Object:
    return {"nodeName": name, "currentRevision": current, **fields}


@pytest.mark.parametrize(
    ("entry", "running", "prepared", "state"),
    [
        pytest.param(node("a"), NEW, NEW, "done", id="it runs"),
        pytest.param(node("a"), OLD, OLD, "waiting for a new revision", id="right after the edit"),
        pytest.param(node("a", 11), OLD, NEW, "waiting", id="others are first"),
        pytest.param(node("a", 11, targetRevision=12), OLD, NEW, "being installed", id="its turn"),
        pytest.param(
            node("a", 11, targetRevision=12, lastFailedRevision=12, lastFailedCount=3),
            OLD,
            NEW,
            "failed 3 times, trying again",
            id="its installer fails",
        ),
        pytest.param(node("a"), "", NEW, "gives no answer", id="its API server is away"),
        pytest.param(node("a"), OLD, NEW, "waiting", id="the process is an old one"),
    ],
)
def test_the_state_of_a_node(entry: Object, running: str, prepared: str, state: str) -> None:
    found = report([entry], {"a": running} if running else {}, prepared=prepared)
    assert found.nodes[0].state == state
    assert found.done is (state == "done")


def test_all_nodes_must_be_done() -> None:
    assert not report([node("a"), node("b", 11)], {"a": NEW, "b": OLD}).done
    assert report([node("a"), node("b")], {"a": NEW, "b": NEW}).done
    assert not report([], {}).done


def test_an_empty_field_asks_for_the_default() -> None:
    assert report([node("a")], {"a": OLD}, wanted="", prepared=OLD).done


def test_what_is_wrong_is_said() -> None:
    found = report(
        [node("master-0", 11)],
        {"master-0": OLD},
        wanted="https://x:y",
        prepared=OLD,
        conditions=[
            {"type": "ConfigObservationDegraded", "status": "True", "message": "not a URL"},
            {"type": "StaticPodsDegraded", "status": "True", "message": "pod/x"},
            {"type": "NodeControllerDegraded", "status": "False", "message": "fine"},
        ],
    )
    assert render_report(found).split("\n") == [
        "Asked for: https://x:y",
        "Latest:    revision 12, which has another issuer",
        "",
        "NODE       REVISION   ISSUER                           STATE",
        "master-0   11         https://kubernetes.default.svc   waiting for a new revision",
        "",
        "The operator does not follow: not a URL",
        "",
        "StaticPodsDegraded: pod/x",
    ]


def test_a_node_on_its_way_shows_both_revisions() -> None:
    text = render_report(report([node("a", 11, targetRevision=12)], {}))
    assert "a      11 -> 12   ?        being installed" in text
