"""The rollout: one look at everything, one step.

A step is decided from what is stored alone, so that an operator that was killed anywhere goes on
where it was. A node goes

```text
current=11 target=0 -> target=12 -> installer pod -> Succeeded -> static pod of 12 is Ready
                                                                 -> current=12 target=0
```

1. Nothing is done within `min_ready` after a static pod became ready.
2. At most one node has a target.
3. A newer revision becomes the target at once; the installer pod of the former one is deleted if
   it has not ended.
4. A failed installer pod is recorded and tried again, later each time, for ever.
5. A static pod that never becomes ready is waited for, for ever: the other nodes keep what works.
6. Failures stay recorded after a success.

Source: openshift/library-go, `staticpod/controller/installer`, for several nodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from podpass.operator.node_choice import StaticPod, choose_start, next_target
from podpass.operator.node_status import INSTALLER_FAILED, OPERAND_FAILED, NodeStatus

_LONGEST_EXPONENT = 64


@dataclass(frozen=True, slots=True)
class InstallerTiming:
    """Waiting times of the rollout.

    Attributes:
        min_ready: How long a static pod must have been ready before the next step.
        first_retry: Base of the wait after a failure; grows by half with each.
        longest_retry: Its limit.
    """

    min_ready: timedelta
    first_retry: timedelta
    longest_retry: timedelta

    def backoff(self, failures: int) -> timedelta:
        """Return the wait after this many failures."""
        factor = 1.5 ** min(failures, _LONGEST_EXPONENT)
        return min(self.first_retry * factor, self.longest_retry)


@dataclass(frozen=True, slots=True)
class InstallerPod:
    """What is known of an installer pod.

    Attributes:
        name: Its name.
        phase: `Pending`, `Running`, `Succeeded`, `Failed`.
        errors: What it said when it failed.
    """

    name: str
    phase: str
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rollout:
    """Everything that a step is decided from.

    Attributes:
        nodes: `nodeStatuses`, in their order.
        latest: `latestAvailableRevision`.
        static_pods: By node.
        installer_pods: By pod name.
    """

    nodes: Sequence[NodeStatus]
    latest: int
    static_pods: Mapping[str, StaticPod]
    installer_pods: Mapping[str, InstallerPod]


@dataclass(frozen=True, slots=True)
class Done:
    """Every node is where it should be."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Something must happen first; look again when it does, or after `delay` if that is given."""

    why: str
    delay: timedelta | None = None


@dataclass(frozen=True, slots=True)
class CreateInstaller:
    """Create the installer pod of this node."""

    node: str
    revision: int
    attempt: int

    @property
    def pod_name(self) -> str:
        """Name of the pod."""
        return installer_name(self.node, self.revision, self.attempt)


@dataclass(frozen=True, slots=True)
class UpdateNode:
    """Write a new status of a node.

    Attributes:
        before: What it was.
        after: What it is to be.
        reason: Why, for the event.
        delete_pod: Installer pod that is to be deleted first, or empty.
    """

    before: NodeStatus
    after: NodeStatus
    reason: str
    delete_pod: str = ""


Step: TypeAlias = Done | Wait | CreateInstaller | UpdateNode


def installer_name(node: str, revision: int, attempt: int) -> str:
    """Return the name of an installer pod; attempts are counted from 0."""
    retry = f"retry-{attempt}-" if attempt else ""
    return f"installer-{revision}-{retry}{node}"


def min_ready_wait(
    static_pods: Mapping[str, StaticPod], timing: InstallerTiming, now: datetime
) -> timedelta:
    """Return how long to wait before doing or writing anything (rule 1); 0 if not at all."""
    since = [one.ready_since for one in static_pods.values() if one.ready and one.ready_since]
    if not since:
        return timedelta(0)
    return _left(max(since), timing.min_ready, now)


def _left(since: datetime, span: timedelta, now: datetime) -> timedelta:
    """Return what is left of a span.

    That is nothing if it begins later than it is long: the clock was set back since.
    """
    left = since + span - now
    return left if timedelta(0) < left <= 2 * span else timedelta(0)


def decide_step(rollout: Rollout, timing: InstallerTiming, now: datetime) -> Step:
    """Return the one thing to do now."""
    if not rollout.nodes:
        return Done()
    start = choose_start(rollout.nodes, rollout.static_pods)
    node = rollout.nodes[start.index]
    if node.target_revision:
        return _continue_node(node, rollout, timing, now)
    chosen = next_target(rollout.nodes, rollout.latest, start)
    if chosen is None:
        return Done()
    choice, revision = chosen
    node = rollout.nodes[choice.index]
    if node.last_failed_revision == revision and node.last_failed_time is not None:
        left = _left(node.last_failed_time, timing.backoff(node.last_failed_count), now)
        if left:
            return Wait(f"node {node.name} failed at revision {revision}", left)
    return UpdateNode(node, replace(node, target_revision=revision), choice.reason)


def _continue_node(
    node: NodeStatus, rollout: Rollout, timing: InstallerTiming, now: datetime
) -> Step:
    target = node.target_revision
    name = installer_name(node.name, target, node.attempt)
    pod = rollout.installer_pods.get(name)
    if rollout.latest > target:  # 3
        unfinished = pod is not None and pod.phase in ("Pending", "Running")
        after = replace(node, target_revision=rollout.latest)
        return UpdateNode(node, after, "new revision pending", name if unfinished else "")
    static = rollout.static_pods.get(node.name)
    arrived = static is not None and static.revision == target and static.ready
    if pod is None:
        if arrived:  # its installer pod did its work, and was deleted since
            return _arrived(node)
        return _begin(node, timing, now)
    if pod.phase == "Failed":
        return _installer_failed(node, pod, now)
    if pod.phase != "Succeeded":
        return Wait(f"installer is not finished, but in {pod.phase} phase")
    if arrived:
        return _arrived(node)
    if static is None:
        return Wait("waiting for static pod")
    if static.revision != target:
        found = static.label or static.revision
        return Wait(f"waiting for static pod of revision {target}, found {found}")
    if static.failed:
        return UpdateNode(
            node,
            replace(
                node,
                target_revision=0,
                last_failed_revision=target,
                last_failed_time=now,
                last_failed_reason=OPERAND_FAILED,
                last_failed_count=node.attempt + 1,
                last_failed_errors=(f"static pod of revision {target} failed",),
            ),
            "static pod failed",
        )
    return Wait("static pod is pending")  # 5


def _arrived(node: NodeStatus) -> UpdateNode:
    after = replace(node, current_revision=node.target_revision, target_revision=0)  # 6
    return UpdateNode(node, after, "static pod is ready")


def _begin(node: NodeStatus, timing: InstallerTiming, now: datetime) -> Step:
    """Create the installer pod, after a failure not before its time (rule 4)."""
    if node.attempt and node.last_failed_time is not None:
        left = _left(node.last_failed_time, timing.backoff(node.last_failed_count), now)
        if left:
            return Wait(f"the installer of node {node.name} failed", left)
    return CreateInstaller(node.name, node.target_revision, node.attempt)


def _installer_failed(node: NodeStatus, pod: InstallerPod, now: datetime) -> UpdateNode:
    return UpdateNode(
        node,
        replace(
            node,
            last_failed_revision=node.target_revision,
            last_failed_time=now,
            last_failed_reason=INSTALLER_FAILED,
            last_failed_count=node.attempt + 1,
            last_failed_errors=pod.errors,
        ),
        "installer pod failed",
    )
