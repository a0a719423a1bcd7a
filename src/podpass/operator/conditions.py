"""The conditions of a rollout, with the exact strings that users and their scripts compare.

1. Nodes are counted by `currentRevision` alone, in ascending numeric order; what a node is
   installing shows nowhere.
2. `; 0 nodes have achieved new revision N` is added only while nobody is at N.
3. A condition that is progressing, or is as it should be, has no reason.
4. `lastTransitionTime` moves only with `status`.

Source: openshift/library-go, `staticpod/controller/installer`, `setAvailableProgressingNode...`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from podpass.api.meta import set_condition
from podpass.api.resources import Object
from podpass.operator.node_status import OPERAND_FAILED_FALLBACK, NodeStatus
from podpass.operator.profiles import Profile

NODE_INSTALLER_PROGRESSING = "NodeInstallerProgressing"
STATIC_PODS_AVAILABLE = "StaticPodsAvailable"
NODE_INSTALLER_DEGRADED = "NodeInstallerDegraded"
ALL_NODES_AT_LATEST = "AllNodesAtLatestRevision"
ZERO_NODES_ACTIVE = "ZeroNodesActive"
INSTALLER_POD_FAILED = "InstallerPodFailed"
SYNC_ERROR = "SyncError"
AS_EXPECTED = "AsExpected"


@dataclass(frozen=True, slots=True)
class Condition:
    """What one condition should say.

    Attributes:
        type: e.g. `NodeInstallerProgressing`.
        status: Whether it holds.
        reason: One word, or empty.
        message: Text, or empty.
    """

    type: str
    status: bool
    reason: str = ""
    message: str = ""


def describe(currents: Sequence[int], latest: int, profile: Profile) -> str:
    """Return how many nodes are at which revision (rules 1 and 2).

    Args:
        currents: `currentRevision` of every node.
        latest: `latestAvailableRevision`.
        profile: For the wording.
    """
    counts = Counter(currents)
    parts = [
        f"1 node is at revision {revision}"
        if count == 1 and profile.singular
        else f"{count} nodes are at revision {revision}"
        for revision, count in sorted(counts.items())
    ]
    if counts and latest not in counts:
        parts.append(f"0 nodes have achieved new revision {latest}")
    return "; ".join(parts)


def rollout_conditions(
    nodes: Sequence[NodeStatus], latest: int, profile: Profile
) -> tuple[Condition, Condition, Condition]:
    """Return the three conditions that are computed at every look at the rollout."""
    currents = [node.current_revision for node in nodes]
    text = describe(currents, latest, profile)
    progressing = any(current != latest for current in currents)
    active = sum(1 for current in currents if current)
    return (
        Condition(
            NODE_INSTALLER_PROGRESSING,
            progressing,
            "" if progressing else ALL_NODES_AT_LATEST,
            text,
        ),
        Condition(
            STATIC_PODS_AVAILABLE,
            bool(active),
            "" if active else ZERO_NODES_ACTIVE,
            f"{active} nodes are active; {text}",
        ),
        _installer_degraded(nodes),
    )


def _installer_degraded(nodes: Iterable[NodeStatus]) -> Condition:
    failing: dict[int, list[NodeStatus]] = defaultdict(list)
    for node in nodes:
        if (
            node.last_failed_revision
            and node.last_failed_revision == node.target_revision
            and node.last_failed_reason != OPERAND_FAILED_FALLBACK
        ):
            failing[node.last_failed_revision].append(node)
    if not failing:
        return Condition(NODE_INSTALLER_DEGRADED, status=False)
    texts = []
    for revision, failed in sorted(failing.items()):
        errors = [error for node in failed for error in node.last_failed_errors]
        texts.append(
            "\n".join([f"{len(failed)} nodes are failing on revision {revision}:", *errors])
        )
    return Condition(
        NODE_INSTALLER_DEGRADED, status=True, reason=INSTALLER_POD_FAILED, message="; ".join(texts)
    )


def degraded(controller: str, error: str) -> Condition:
    """Return the condition of a controller: with `error`, or well if that is empty."""
    return Condition(
        f"{controller}Degraded", bool(error), SYNC_ERROR if error else AS_EXPECTED, error
    )


def apply_conditions(
    conditions: list[Object], wanted: Iterable[Condition], *, now: datetime, profile: Profile
) -> bool:
    """Put conditions in place (rules 3 and 4); others stay.

    Args:
        conditions: Of a KubeAPIServer, changed in place.
        wanted: What to say.
        now: Time of the observation.
        profile: How an empty reason is written.

    Returns:
        Whether anything changed.
    """
    changed = False
    for one in wanted:
        empty = "" if profile.writes_empty_reason else None
        changed |= set_condition(
            conditions,
            one.type,
            "True" if one.status else "False",
            now=now,
            reason=one.reason or empty,
            message=one.message or empty,
        )
    return changed
