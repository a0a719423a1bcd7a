"""Does every API server run the issuer that was asked for? Node by node.

`NodeInstallerProgressing` says False, `all at the latest revision`, also in the moment between an
edit and the revision that it makes. This report does not: it compares what is asked for with what
each node runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from podpass.api.meta import find_condition
from podpass.api.resources import Object
from podpass.operator.names import DEFAULT_ISSUER
from podpass.operator.node_status import NodeStatus, latest_revision, node_statuses, status_of

OBSERVATION = "ConfigObservationDegraded"


@dataclass(frozen=True, slots=True)
class NodeReport:
    """One node.

    Attributes:
        name: Its name.
        current: Its revision.
        target: What is being installed, or 0.
        issuer: What its API server runs; empty if that is not known.
        state: In words.
        done: Whether it is where it should be.
    """

    name: str
    current: int
    target: int
    issuer: str
    state: str
    done: bool


@dataclass(frozen=True, slots=True)
class IssuerReport:
    """The whole.

    Attributes:
        wanted: What was asked for.
        latest: The newest revision.
        prepared: Whether that revision has the wanted issuer.
        nodes: One entry a node.
        refusal: Why the operator will not follow, or empty.
        complaints: Other conditions that say that something is wrong.
    """

    wanted: str
    latest: int
    prepared: bool
    nodes: Sequence[NodeReport]
    refusal: str = ""
    complaints: Sequence[str] = ()

    @property
    def done(self) -> bool:
        """Whether all nodes run what was asked for."""
        return self.prepared and bool(self.nodes) and all(one.done for one in self.nodes)


def make_report(
    authentication: Object,
    operator: Object,
    *,
    issuer_of_latest: str,
    running: dict[str, str],
) -> IssuerReport:
    """Compare.

    Args:
        authentication: The Authentication.
        operator: The KubeAPIServer.
        issuer_of_latest: The issuer in the configuration of the latest revision.
        running: The issuer that each node's API server runs; a node that gave no answer is missing.
    """
    spec = authentication.get("spec") or {}
    wanted = str(spec.get("serviceAccountIssuer") or DEFAULT_ISSUER)
    latest = latest_revision(operator)
    prepared = issuer_of_latest == wanted
    conditions = status_of(operator).get("conditions") or ()
    refused = find_condition(conditions, OBSERVATION) or {}
    complaints = [
        f"{one['type']}: {one.get('message', '')}"
        for one in conditions
        if str(one.get("type", "")).endswith("Degraded")
        and one.get("status") == "True"
        and one.get("type") != OBSERVATION
    ]
    return IssuerReport(
        wanted=wanted,
        latest=latest,
        prepared=prepared,
        nodes=[
            _node(node, wanted, latest, running.get(node.name, ""), prepared=prepared)
            for node in node_statuses(operator)
        ],
        refusal=str(refused.get("message", "")) if refused.get("status") == "True" else "",
        complaints=complaints,
    )


def _node(node: NodeStatus, wanted: str, latest: int, issuer: str, *, prepared: bool) -> NodeReport:
    done = prepared and issuer == wanted and node.current_revision == latest
    if done:
        state = "done"
    elif not prepared:
        state = "waiting for a new revision"
    elif node.target_revision and node.last_failed_revision == node.target_revision:
        state = f"failed {node.last_failed_count} times, trying again"
    elif node.target_revision:
        state = "being installed"
    elif not issuer:
        state = "gives no answer"
    else:
        state = "waiting"
    return NodeReport(node.name, node.current_revision, node.target_revision, issuer, state, done)


def render_report(report: IssuerReport) -> str:
    """Return the report as a table for people."""
    revision = f"revision {report.latest}"
    if not report.prepared:
        revision += ", which has another issuer"
    rows = [("NODE", "REVISION", "ISSUER", "STATE")]
    for one in report.nodes:
        shown = f"{one.current} -> {one.target}" if one.target else str(one.current)
        rows.append((one.name, shown, one.issuer or "?", one.state))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [f"Asked for: {report.wanted}", f"Latest:    {revision}", ""]
    lines += [
        "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    if report.refusal:
        lines += ["", f"The operator does not follow: {report.refusal}"]
    if report.complaints:
        lines += ["", *report.complaints]
    return "\n".join(lines)
