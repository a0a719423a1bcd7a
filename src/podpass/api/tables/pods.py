"""Pods in a table: one word of status from phase, reasons and container states.

Source: Kubernetes `pkg/printers/internalversion/printers.go`, `printPod`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from podpass.api.meta import find_condition, is_terminating, name_of
from podpass.api.resources import Object
from podpass.api.tables.columns import NONE, Column, Printer, age, since


@dataclass(slots=True)
class _Restarts:
    count: int = 0
    last: str = ""

    def add(self, status: Object) -> None:
        self.count += status.get("restartCount", 0)
        ended = status.get("lastState", {}).get("terminated", {}).get("finishedAt") or ""
        self.last = max(self.last, ended)


def _cells(pod: Object, now: datetime) -> list[Any]:
    ready, status, restarts = _summary(pod)
    restarted = str(restarts.count)
    if restarts.count and restarts.last:
        restarted += f" ({since(restarts.last, now)} ago)"
    spec, state = pod.get("spec", {}), pod.get("status", {})
    addresses = [one.get("ip") for one in state.get("podIPs") or ()]
    return [
        name_of(pod),
        f"{ready}/{_total(spec)}",
        status,
        restarted,
        age(pod, now),
        (addresses[0] if addresses else state.get("podIP")) or NONE,
        spec.get("nodeName") or NONE,
        state.get("nominatedNodeName") or NONE,
        _readiness_gates(spec, state),
    ]


def pod_status(pod: Object) -> str:
    """Return what `kubectl get` shows as STATUS, e.g. `Running` or `CrashLoopBackOff`."""
    return _summary(pod)[1]


def _total(spec: Object) -> int:
    sidecars = sum(_is_sidecar(one) for one in spec.get("initContainers") or ())
    return len(spec.get("containers") or ()) + sidecars


def _is_sidecar(container: Object) -> bool:
    return bool(container.get("restartPolicy") == "Always")


def _summary(pod: Object) -> tuple[int, str, _Restarts]:
    """Return ready containers, the status word and the restarts."""
    state = pod.get("status", {})
    conditions = state.get("conditions") or ()
    phase = state.get("phase", "")
    word = state.get("reason") or phase
    scheduled = find_condition(conditions, "PodScheduled")
    if scheduled is not None and scheduled.get("reason") == "SchedulingGated":
        word = "SchedulingGated"
    ready, waiting_for, restarts, sidecar_restarts = _initialization(pod)
    if waiting_for:
        word = waiting_for
    if not waiting_for or _is_true(conditions, "Initialized"):
        restarts = sidecar_restarts
        more, word = _main_containers(state.get("containerStatuses") or (), word, restarts)
        ready += more
        if word == "Completed" and more:
            word = "Running" if _is_true(conditions, "Ready") else "NotReady"
    if is_terminating(pod):
        if state.get("reason") == "NodeLost":
            word = "Unknown"
        elif phase not in {"Succeeded", "Failed"}:
            word = "Terminating"
    return ready, word, restarts


def _is_true(conditions: Iterable[Object], type_: str) -> bool:
    condition = find_condition(conditions, type_)
    return condition is not None and condition.get("status") == "True"


def _initialization(pod: Object) -> tuple[int, str, _Restarts, _Restarts]:
    """Return ready sidecars, what the pod waits for if anything, and restarts: all, of sidecars."""
    containers = pod.get("spec", {}).get("initContainers") or ()
    sidecars = {one.get("name") for one in containers if _is_sidecar(one)}
    restarts, of_sidecars = _Restarts(), _Restarts()
    ready = 0
    for index, status in enumerate(pod.get("status", {}).get("initContainerStatuses") or ()):
        restarts.add(status)
        is_sidecar = status.get("name") in sidecars
        if is_sidecar:
            of_sidecars.add(status)
        state = status.get("state", {})
        ended = state.get("terminated")
        if ended is not None and not ended.get("exitCode"):
            continue
        if is_sidecar and status.get("started"):
            ready += bool(status.get("ready"))
            continue
        reason = state.get("waiting", {}).get("reason", "")
        if ended is not None:
            word = _ended(ended)
        elif reason and reason != "PodInitializing":
            word = reason
        else:
            word = f"{index}/{len(containers)}"
        return ready, f"Init:{word}", restarts, of_sidecars
    return ready, "", restarts, of_sidecars


def _main_containers(statuses: Iterable[Object], word: str, restarts: _Restarts) -> tuple[int, str]:
    ready = 0
    for status in reversed(list(statuses)):
        restarts.add(status)
        state = status.get("state", {})
        ended = state.get("terminated")
        if state.get("waiting", {}).get("reason"):
            word = state["waiting"]["reason"]
        elif ended is not None:
            word = _ended(ended)
        elif status.get("ready") and state.get("running") is not None:
            ready += 1
    return ready, word


def _ended(state: Object) -> str:
    if state.get("reason"):
        return str(state["reason"])
    if state.get("signal"):
        return f"Signal:{state['signal']}"
    return f"ExitCode:{state.get('exitCode', 0)}"


def _readiness_gates(spec: Object, state: Object) -> str:
    gates = spec.get("readinessGates") or ()
    if not gates:
        return NONE
    conditions = state.get("conditions") or ()
    met = sum(_is_true(conditions, gate.get("conditionType", "")) for gate in gates)
    return f"{met}/{len(gates)}"


PODS = Printer(
    (
        Column("Name"),
        Column("Ready"),
        Column("Status"),
        Column("Restarts"),
        Column("Age"),
        Column("IP", wide=True),
        Column("Node", wide=True),
        Column("Nominated Node", wide=True),
        Column("Readiness Gates", wide=True),
    ),
    _cells,
)
