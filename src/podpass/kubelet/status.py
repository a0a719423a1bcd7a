"""A pod's status as users see it, computed from what the runtime has and what went wrong.

Pure: everything comes in as arguments, `previous` among them, whose times of transition and whose
conditions of others are kept.

Source: Kubernetes v1.36, `pkg/kubelet/kubelet_pods.go` (`getPhase`) and
`pkg/kubelet/status/generate.go`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from podpass.api.meta import format_time, set_condition
from podpass.api.resources import Object
from podpass.kubelet.container_status import Waiting, container_status
from podpass.kubelet.pod_spec import (
    containers_of,
    init_containers_of,
    is_sidecar,
    restart_policy,
    spec_of,
    status_of,
    uses_host_network,
)
from podpass.kubelet.pod_worker import Plan, PodRuntime, Stage
from podpass.kubelet.runtime.interface import ContainerID
from podpass.kubelet.termination_message import limit_messages

PENDING, RUNNING, SUCCEEDED, FAILED = "Pending", "Running", "Succeeded", "Failed"

_Condition: TypeAlias = tuple[bool, str | None, str | None]
"""Whether it holds, reason, message."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What is known about a pod beside its object.

    Attributes:
        runtime: Its sandboxes and containers.
        plan: What was decided last; None before the first decision.
        waiting: Container name to why it is not started.
        ready: Names of running containers that pass their readiness probe, or have none.
        started: Names of running containers that passed their startup probe, or have none.
        node_ip: Address of the node.
        volumes_ready: Whether the volumes were set up.
        messages: What is to be said about the ends of containers.
    """

    runtime: PodRuntime
    plan: Plan | None
    node_ip: str
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    ready: frozenset[str] = frozenset()
    started: frozenset[str] = frozenset()
    volumes_ready: bool = False
    messages: Mapping[ContainerID, str] = field(default_factory=dict)


def pod_status(pod: Object, previous: Object, seen: Observation, now: datetime) -> Object:
    """Return the status to show.

    Args:
        pod: The pod as wanted.
        previous: The status shown last, e.g. the API's.
        seen: What is known.
        now: Time of the observation.
    """
    init = [_one_status(pod, one, previous, seen) for one in init_containers_of(pod)]
    regular = [_one_status(pod, one, previous, seen) for one in containers_of(pod)]
    limit_messages([*init, *regular])
    phase = _phase(pod, init, regular, seen)
    status: Object = {
        "phase": phase,
        "conditions": copy.deepcopy(previous.get("conditions") or []),
        "hostIP": seen.node_ip,
        "hostIPs": [{"ip": seen.node_ip}],
        "startTime": previous.get("startTime") or format_time(_start(seen, now)),
        "containerStatuses": regular,
    }
    if init:
        status["initContainerStatuses"] = init
    if address := _pod_ip(pod, previous, seen):
        status |= {"podIP": address, "podIPs": [{"ip": address}]}
    reason = seen.plan.reason if seen.plan else ""
    if reason:
        status["reason"] = reason
        status["message"] = "Pod was active on the node longer than the specified deadline"
    elif previous.get("reason"):
        status |= {key: previous[key] for key in ("reason", "message") if previous.get(key)}
    _set_conditions(pod, status, seen, now)
    return status


def _start(seen: Observation, now: datetime) -> datetime:
    """Return when the pod began: after a restart of the kubelet its first sandbox tells."""
    return seen.runtime.sandboxes[-1].created_at if seen.runtime.sandboxes else now


def _one_status(pod: Object, container: Object, previous: Object, seen: Observation) -> Object:
    name = container["name"]
    initializing = container in init_containers_of(pod)
    past = "initContainerStatuses" if initializing else "containerStatuses"
    former = next((one for one in previous.get(past) or [] if one["name"] == name), None)
    return container_status(
        container,
        seen.runtime.containers.get(name, ()),
        former=former,
        waiting=seen.waiting.get(name),
        default_waiting="ContainerCreating"
        if initializing or not init_containers_of(pod) or seen.plan is None
        or seen.plan.stage is not Stage.INITIALIZING
        else "PodInitializing",
        ready=name in seen.ready,
        started=name in seen.started,
        initializing=initializing and not is_sidecar(container),
        messages=seen.messages,
    )  # fmt: skip


def _phase(pod: Object, init: list[Object], regular: list[Object], seen: Observation) -> str:
    settled = status_of(pod).get("phase")
    if settled in (SUCCEEDED, FAILED):
        return str(settled)  # it never goes back
    if seen.plan is not None and seen.plan.reason:
        return FAILED
    policy = restart_policy(pod)
    sidecars = {one["name"] for one in init_containers_of(pod) if is_sidecar(one)}
    for one in init:
        ended = one["state"].get("terminated")
        if one["name"] in sidecars:
            if not one.get("started") and not _any_began(regular):
                return PENDING
        elif ended is None or ended["exitCode"] != 0:
            if ended is not None and policy == "Never":
                return FAILED
            if not _any_began(regular):
                return PENDING
    running = sum("running" in one["state"] for one in regular)
    ended_codes = [
        state["exitCode"]
        for one in regular
        if "running" not in one["state"]
        and (
            state := one["state"].get("terminated")
            or (one.get("lastState") or {}).get("terminated")
        )
    ]
    if running + len(ended_codes) < len(regular):
        return PENDING
    if running or policy == "Always":
        return RUNNING
    if all(code == 0 for code in ended_codes):
        return SUCCEEDED
    return FAILED if policy == "Never" else RUNNING


def _any_began(statuses: Iterable[Object]) -> bool:
    return any(
        "running" in one["state"] or "terminated" in one["state"] or one.get("lastState")
        for one in statuses
    )


def _pod_ip(pod: Object, previous: Object, seen: Observation) -> str | None:
    if uses_host_network(pod):
        return seen.node_ip
    sandbox = seen.runtime.ready_sandbox
    if sandbox is not None:
        return sandbox.config.pod_ip
    address: str | None = previous.get("podIP")
    return address


def _set_conditions(pod: Object, status: Object, seen: Observation, now: datetime) -> None:
    conditions: list[Object] = status["conditions"]
    ready = _readiness(pod, status, conditions)
    containers_ready = ready if ready[1] != "ReadinessGatesNotReady" else (True, None, None)
    sandbox_ready = seen.runtime.ready_sandbox is not None and seen.volumes_ready
    for type_, (holds, reason, message) in {
        "PodReadyToStartContainers": (sandbox_ready, None, None),
        "Initialized": _initialized(status),
        "Ready": ready,
        "ContainersReady": containers_ready,
        "PodScheduled": (True, None, None),
    }.items():
        text = "True" if holds else "False"
        set_condition(conditions, type_, text, now=now, reason=reason, message=message)


def _initialized(status: Object) -> _Condition:
    if status["phase"] == SUCCEEDED:
        return True, "PodCompleted", None
    if _any_began(status["containerStatuses"]):
        return True, None, None
    names = [one["name"] for one in status.get("initContainerStatuses", []) if not one["ready"]]
    if not names:
        return True, None, None
    text = f"containers with incomplete status: [{' '.join(names)}]"
    return False, "ContainersNotInitialized", text


def _readiness(pod: Object, status: Object, conditions: list[Object]) -> _Condition:
    if status["phase"] in (SUCCEEDED, FAILED):
        return False, "PodCompleted" if status["phase"] == SUCCEEDED else "PodFailed", None
    unready = [one["name"] for one in status["containerStatuses"] if not one["ready"]]
    if unready:
        text = f"containers with unready status: [{' '.join(unready)}]"
        return False, "ContainersNotReady", text
    holding = {one["type"] for one in conditions if one.get("status") == "True"}
    gates = [one["conditionType"] for one in spec_of(pod).get("readinessGates") or []]
    missing = [
        f'the status of pod readiness gate "{gate}" is not "True"'
        for gate in gates
        if gate not in holding
    ]
    if missing:
        return False, "ReadinessGatesNotReady", "; ".join(missing)
    return True, None, None
