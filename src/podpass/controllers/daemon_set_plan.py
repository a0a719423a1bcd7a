"""On which nodes the pods of a daemon set run, and which are replaced next. Pure.

1. A node gets a pod if the pod's node name, selector and affinity allow it and the pod tolerates
   the node's taints; a taint NoSchedule that came later leaves a running pod alone.
2. A pod that ended is deleted and made again; of several on one node the oldest stays.
3. A rolling update deletes as many old pods as may be unavailable; with a surge it creates the new
   pod first, and deletes the old one when the new is available.

Source: Kubernetes, `pkg/controller/daemon/{daemon_controller,update}.go`, `daemon/util`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from podpass.api.meta import is_terminating, labels_of, name_of
from podpass.api.resources import Object
from podpass.controllers.deployment_limits import share_of
from podpass.controllers.node_affinity import matches_required
from podpass.controllers.pods import created_at, is_available, is_finished, is_ready, node_name_of
from podpass.controllers.revision_history import POD_LABEL
from podpass.controllers.taints import first_untolerated, taints_of

_NODE_NAME: Final = "metadata.name"
_TOLERATED: Final = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)
_TOLERATED_ON_HOST_NETWORK: Final = ("node.kubernetes.io/network-unavailable", "NoSchedule")


@dataclass(slots=True)
class Steps:
    """What is to be done now.

    Attributes:
        create: Names of nodes that get a pod.
        delete: Pods.
        failed: Pods that ended with an error; to be deleted too, but not at full speed.
    """

    create: list[str] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)
    failed: list[Object] = field(default_factory=list)


def with_tolerations(spec: Object) -> Object:
    """Return the spec of a pod with what every daemon tolerates."""
    wanted = list(_TOLERATED)
    if spec.get("hostNetwork"):
        wanted.append(_TOLERATED_ON_HOST_NETWORK)
    given = list(spec.get("tolerations") or ())
    for key, effect in wanted:
        toleration = {"key": key, "operator": "Exists", "effect": effect}
        if toleration not in given:
            given.append(toleration)
    return spec | {"tolerations": given}


def pinned(spec: Object, node: str) -> Object:
    """Return the spec of a pod that the scheduler can bind to this node only."""
    affinity: dict[str, Any] = dict(spec.get("affinity") or {})
    node_affinity = dict(affinity.get("nodeAffinity") or {})
    field_ = {"key": _NODE_NAME, "operator": "In", "values": [node]}
    node_affinity["requiredDuringSchedulingIgnoredDuringExecution"] = {
        "nodeSelectorTerms": [{"matchFields": [field_]}]
    }
    return spec | {"affinity": affinity | {"nodeAffinity": node_affinity}}


def target_node(pod: Object) -> str:
    """Return the node that a pod is on or is pinned to, or an empty string."""
    if name := node_name_of(pod):
        return name
    affinity = ((pod.get("spec") or {}).get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for term in required.get("nodeSelectorTerms") or ():
        for one in term.get("matchFields") or ():
            if one.get("key") == _NODE_NAME and one.get("operator") == "In":
                return str((one.get("values") or [""])[0])
    return ""


def placement(daemon_set: Object, node: Object) -> tuple[bool, bool]:
    """Tell whether a pod shall run on the node, and whether one that runs may stay (rule 1)."""
    spec = with_tolerations(daemon_set["spec"]["template"].get("spec") or {})
    pod = {"spec": spec}
    if spec.get("nodeName") not in (None, "", name_of(node)) or not matches_required(pod, node):
        return False, False
    taints = taints_of(node)
    if first_untolerated(pod, taints, ("NoExecute",)) is not None:
        return False, False
    return first_untolerated(pod, taints, ("NoSchedule",)) is None, True


def by_node(pods: Sequence[Object]) -> dict[str, list[Object]]:
    """Return the pods by node, oldest first; without those that ended and are going."""
    found: dict[str, list[Object]] = {}
    for pod in sorted(pods, key=lambda one: (not node_name_of(one), created_at(one), name_of(one))):
        if not (is_finished(pod) and is_terminating(pod)):
            found.setdefault(target_node(pod), []).append(pod)
    return found


def next_steps(
    daemon_set: Object,
    nodes: Sequence[Object],
    pods: Mapping[str, Sequence[Object]],
    *,
    revision: str,
    now: datetime,
) -> Steps:
    """Return the next steps.

    Args:
        daemon_set: The set.
        nodes: All nodes.
        pods: Its pods by node, oldest first.
        revision: Hash of the revision of its template.
        now: Current time.
    """
    surge = _limit(daemon_set, "maxSurge", len(nodes))
    steps = Steps()
    for node in nodes:
        found = pods.get(name_of(node), ())
        should_run, may_stay = placement(daemon_set, node)
        if should_run and not found:
            steps.create.append(name_of(node))
        elif not may_stay:
            steps.delete += [pod for pod in found if not is_terminating(pod)]
        else:
            _tidy(steps, found, revision, surging=surge > 0)
    known = {name_of(node) for node in nodes}
    for name, found in pods.items():
        if name not in known:
            steps.delete += [pod for pod in found if not node_name_of(pod)]
    strategy = daemon_set["spec"].get("updateStrategy") or {}
    if steps.create or steps.delete or steps.failed or strategy.get("type") == "OnDelete":
        return steps
    return _rolled(daemon_set, nodes, pods, revision, surge, now)  # 3


def _tidy(steps: Steps, found: Sequence[Object], revision: str, *, surging: bool) -> None:
    """Rule 2; while surging one pod of the new revision and one older may share a node."""
    staying = [pod for pod in found if not is_terminating(pod)]
    for pod in staying:
        phase = (pod.get("status") or {}).get("phase")
        if phase == "Failed":
            steps.failed.append(pod)
        elif phase == "Succeeded":
            steps.delete.append(pod)
    running = [pod for pod in staying if not is_finished(pod)]
    if not surging:
        steps.delete += running[1:]
        return
    for wanted in (True, False):
        same = [pod for pod in running if (_revision(pod) == revision) is wanted]
        steps.delete += same[1:]


def _rolled(
    daemon_set: Object,
    nodes: Sequence[Object],
    pods: Mapping[str, Sequence[Object]],
    revision: str,
    surge: int,
    now: datetime,
) -> Steps:
    minimum = int(daemon_set["spec"].get("minReadySeconds") or 0)
    steps = Steps()
    free: list[Object] = []
    serving: list[Object] = []
    busy = 0
    eligible = [node for node in nodes if placement(daemon_set, node)[0]]
    for node in eligible:
        found = pods.get(name_of(node), ())
        new = next((pod for pod in found if _revision(pod) == revision), None)
        old = next((pod for pod in found if _revision(pod) != revision), None)
        if old is None:
            busy += not surge and not (new and is_available(new, minimum, now))
        elif new is not None:
            if surge and is_available(new, minimum, now) and not is_terminating(old):
                steps.delete.append(old)
            else:
                busy += 1
        elif is_terminating(old):
            busy += 1
        elif is_available(old, minimum, now):
            serving.append(old)
        else:
            busy += not surge
            free.append(old)
    room = max(0, (surge or _limit(daemon_set, "maxUnavailable", len(eligible)) or 1) - busy)
    chosen = [*free, *serving[:room]]
    if surge:
        steps.create += [target_node(pod) for pod in chosen]
    else:
        steps.delete += chosen
    return steps


def _limit(daemon_set: Object, key: str, total: int) -> int:
    strategy = daemon_set["spec"].get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return 0
    default = 1 if key == "maxUnavailable" else 0
    value = (strategy.get("rollingUpdate") or {}).get(key, default)
    return share_of(value, total, round_up=True)


def _revision(pod: Object) -> str:
    return labels_of(pod).get(POD_LABEL, "")


def daemon_set_status(
    daemon_set: Object,
    nodes: Sequence[Object],
    pods: Mapping[str, Sequence[Object]],
    *,
    revision: str,
    now: datetime,
) -> Object:
    """Return the status; the oldest pod of a node counts. Arguments as of `next_steps`."""
    minimum = int(daemon_set["spec"].get("minReadySeconds") or 0)
    counts = dict.fromkeys(
        ("desiredNumberScheduled", "currentNumberScheduled", "numberMisscheduled", "numberReady",
         "updatedNumberScheduled", "numberAvailable"), 0,
    )  # fmt: skip
    for node in nodes:
        found = pods.get(name_of(node), ())
        if not placement(daemon_set, node)[0]:
            counts["numberMisscheduled"] += bool(found)
            continue
        counts["desiredNumberScheduled"] += 1
        if found:
            counts["currentNumberScheduled"] += 1
            counts["numberReady"] += is_ready(found[0])
            counts["numberAvailable"] += is_available(found[0], minimum, now)
            counts["updatedNumberScheduled"] += _revision(found[0]) == revision
    return counts | {
        "numberUnavailable": counts["desiredNumberScheduled"] - counts["numberAvailable"],
        "observedGeneration": daemon_set["metadata"].get("generation", 0),
        "collisionCount": (daemon_set.get("status") or {}).get("collisionCount"),
    }
