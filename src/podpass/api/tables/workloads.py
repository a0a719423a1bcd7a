"""Workloads in a table: deployments, sets, jobs, budgets.

Source: Kubernetes `pkg/printers/internalversion/printers.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from podpass.api.meta import find_condition, is_terminating, name_of, parse_time
from podpass.api.resources import Object
from podpass.api.selectors import label_selector_text
from podpass.api.tables.columns import NONE, Column, Printer, age, human_duration

_NOT_SET: Final = "N/A"


def _spec(obj: Object) -> Object:
    return obj.get("spec") or {}


def _status(obj: Object) -> Object:
    return obj.get("status") or {}


def _containers(obj: Object) -> list[str]:
    """Return the cells Containers and Images."""
    pod = (_spec(obj).get("template") or {}).get("spec") or {}
    containers = pod.get("containers") or ()
    return [",".join(str(one.get(key, "")) for one in containers) for key in ("name", "image")]


def _selector(obj: Object) -> str:
    return label_selector_text(_spec(obj).get("selector")) or NONE


def _count(part: Object, key: str) -> int:
    return int(part.get(key) or 0)


def _ready(obj: Object) -> str:
    return f"{_count(_status(obj), 'readyReplicas')}/{_count(_spec(obj), 'replicas')}"


def _deployment(obj: Object, now: datetime) -> list[Any]:
    status = _status(obj)
    return [
        name_of(obj), _ready(obj), _count(status, "updatedReplicas"),
        _count(status, "availableReplicas"), age(obj, now), *_containers(obj), _selector(obj),
    ]  # fmt: skip


def _replica_set(obj: Object, now: datetime) -> list[Any]:
    status = _status(obj)
    return [
        name_of(obj), _count(_spec(obj), "replicas"), _count(status, "replicas"),
        _count(status, "readyReplicas"), age(obj, now), *_containers(obj), _selector(obj),
    ]  # fmt: skip


def _stateful_set(obj: Object, now: datetime) -> list[Any]:
    return [name_of(obj), _ready(obj), age(obj, now), *_containers(obj)]


def _daemon_set(obj: Object, now: datetime) -> list[Any]:
    status = _status(obj)
    pod = (_spec(obj).get("template") or {}).get("spec") or {}
    nodes = sorted(f"{key}={value}" for key, value in (pod.get("nodeSelector") or {}).items())
    counts = (
        "desiredNumberScheduled", "currentNumberScheduled", "numberReady",
        "updatedNumberScheduled", "numberAvailable",
    )  # fmt: skip
    return [
        name_of(obj), *(_count(status, key) for key in counts), ",".join(nodes) or NONE,
        age(obj, now), *_containers(obj), _selector(obj),
    ]  # fmt: skip


def _job(obj: Object, now: datetime) -> list[Any]:
    spec, status = _spec(obj), _status(obj)
    succeeded, parallelism = _count(status, "succeeded"), _count(spec, "parallelism")
    if spec.get("completions") is not None:
        completions = f"{succeeded}/{spec['completions']}"
    elif parallelism > 1:
        completions = f"{succeeded}/1 of {parallelism}"
    else:
        completions = f"{succeeded}/1"
    return [
        name_of(obj), _job_status(obj), completions, _duration(status, now), age(obj, now),
        *_containers(obj), _selector(obj),
    ]  # fmt: skip


def _job_status(job: Object) -> str:
    conditions = _status(job).get("conditions") or ()

    def has(type_: str) -> bool:
        return (find_condition(conditions, type_) or {}).get("status") == "True"

    for type_ in ("Complete", "Failed"):
        if has(type_):
            return type_
    if is_terminating(job):
        return "Terminating"
    for type_ in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if has(type_):
            return type_
    return "Running"


def _duration(status: Object, now: datetime) -> str:
    if not status.get("startTime"):
        return ""
    end = parse_time(status["completionTime"]) if status.get("completionTime") else now
    return human_duration(end - parse_time(status["startTime"]))


def _budget(obj: Object, now: datetime) -> list[Any]:
    spec = _spec(obj)
    limits = [str(spec.get(key, _NOT_SET)) for key in ("minAvailable", "maxUnavailable")]
    return [name_of(obj), *limits, _count(_status(obj), "disruptionsAllowed"), age(obj, now)]


def _revision(obj: Object, now: datetime) -> list[Any]:
    owners = (obj.get("metadata") or {}).get("ownerReferences") or ()
    owner = next((one for one in owners if one.get("controller")), None)
    shown = NONE
    if owner is not None:
        group = str(owner.get("apiVersion", "")).rpartition("/")[0]
        shown = f"{owner.get('kind', '').lower()}{'.' if group else ''}{group}/{owner.get('name')}"
    return [name_of(obj), shown, _count(obj, "revision"), age(obj, now)]


def _printer(
    columns: Sequence[Column],
    cells: Callable[[Object, datetime], list[Any]],
    *wide: str,
) -> Printer:
    return Printer((*columns, *(Column(name, wide=True) for name in wide)), cells)


_PODS: Final = ("Containers", "Images", "Selector")
_NAME: Final = Column("Name")
_AGE: Final = Column("Age")


def _integers(*names: str) -> list[Column]:
    return [Column(name, "integer") for name in names]


PRINTERS: Final[dict[str, Printer]] = {
    "Deployment": _printer(
        (_NAME, Column("Ready"), *_integers("Up-to-date", "Available"), _AGE), _deployment, *_PODS
    ),
    "ReplicaSet": _printer(
        (_NAME, *_integers("Desired", "Current", "Ready"), _AGE), _replica_set, *_PODS
    ),
    "StatefulSet": _printer((_NAME, Column("Ready"), _AGE), _stateful_set, "Containers", "Images"),
    "DaemonSet": _printer(
        (
            _NAME,
            *_integers("Desired", "Current", "Ready", "Up-to-date", "Available"),
            Column("Node Selector"),
            _AGE,
        ),
        _daemon_set,
        *_PODS,
    ),
    "Job": _printer(
        (_NAME, Column("Status"), Column("Completions"), Column("Duration"), _AGE), _job, *_PODS
    ),
    "PodDisruptionBudget": _printer(
        (
            _NAME,
            Column("Min Available"),
            Column("Max Unavailable"),
            *_integers("Allowed Disruptions"),
            _AGE,
        ),
        _budget,
    ),
    "ControllerRevision": _printer(
        (_NAME, Column("Controller"), *_integers("Revision"), _AGE), _revision
    ),
}
"""By kind."""
