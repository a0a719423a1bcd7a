"""Defaults of workloads: deployments, sets and jobs, and the pod templates in them.

Source: Kubernetes `pkg/apis/apps/v1/defaults.go`, `pkg/apis/batch/v1/defaults.go`,
`pkg/registry/batch/job/strategy.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from podpass.api import resources
from podpass.api.meta import name_of, uid_of
from podpass.api.pod_defaults import apply_pod_defaults
from podpass.api.resources import Object

REVISION_HISTORY_LIMIT: Final = 10
PROGRESS_DEADLINE_SECONDS: Final = 600
BACKOFF_LIMIT: Final = 6
JOB_NAME_LABEL: Final = "batch.kubernetes.io/job-name"
CONTROLLER_UID_LABEL: Final = "batch.kubernetes.io/controller-uid"
_OLD_JOB_NAME_LABEL: Final = "job-name"
_OLD_CONTROLLER_UID_LABEL: Final = "controller-uid"


def select_by_uid(job: Object) -> None:
    """Give a job that chose no selector one of its own, and its pods the labels for it."""
    spec = job["spec"]
    if spec.get("manualSelector"):
        return
    template = spec.setdefault("template", {}).setdefault("metadata", {})
    uid = uid_of(job)
    template["labels"] = {
        **(template.get("labels") or {}),
        _OLD_CONTROLLER_UID_LABEL: uid,
        CONTROLLER_UID_LABEL: uid,
        _OLD_JOB_NAME_LABEL: name_of(job),
        JOB_NAME_LABEL: name_of(job),
    }
    spec["selector"] = {"matchLabels": {CONTROLLER_UID_LABEL: uid}}


def _template(obj: Object) -> dict[str, Any]:
    """Fill in the pod template, and return the spec around it."""
    spec: dict[str, Any] = obj.setdefault("spec", {})
    apply_pod_defaults(spec.setdefault("template", {}))
    return spec


def _deployment(obj: Object) -> None:
    spec = _template(obj)
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", REVISION_HISTORY_LIMIT)
    spec.setdefault("progressDeadlineSeconds", PROGRESS_DEADLINE_SECONDS)
    strategy = spec.setdefault("strategy", {})
    strategy["type"] = strategy.get("type") or "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling = _rolling(strategy)
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")


def _rolling(strategy: dict[str, Any]) -> dict[str, Any]:
    rolling = strategy.get("rollingUpdate")
    if not isinstance(rolling, dict):
        rolling = strategy["rollingUpdate"] = {}
    return rolling


def _replica_set(obj: Object) -> None:
    _template(obj).setdefault("replicas", 1)


def _stateful_set(obj: Object) -> None:
    spec = _template(obj)
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", REVISION_HISTORY_LIMIT)
    spec["podManagementPolicy"] = spec.get("podManagementPolicy") or "OrderedReady"
    strategy = spec.setdefault("updateStrategy", {})
    strategy["type"] = strategy.get("type") or "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        _rolling(strategy).setdefault("partition", 0)
    retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    retention.setdefault("whenDeleted", "Retain")
    retention.setdefault("whenScaled", "Retain")


def _daemon_set(obj: Object) -> None:
    spec = _template(obj)
    spec.setdefault("revisionHistoryLimit", REVISION_HISTORY_LIMIT)
    strategy = spec.setdefault("updateStrategy", {})
    strategy["type"] = strategy.get("type") or "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling = _rolling(strategy)
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)


def _job(obj: Object) -> None:
    spec = _template(obj)
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", BACKOFF_LIMIT)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault("manualSelector", False)
    spec.setdefault("podReplacementPolicy", "TerminatingOrFailed")
    labels = (spec["template"].get("metadata") or {}).get("labels")
    metadata = obj.setdefault("metadata", {})
    if labels and not metadata.get("labels"):
        metadata["labels"] = dict(labels)


WORKLOAD_DEFAULTS: Final[Mapping[str, Callable[[Object], None]]] = {
    resources.DEPLOYMENTS.kind: _deployment,
    resources.REPLICA_SETS.kind: _replica_set,
    resources.STATEFUL_SETS.kind: _stateful_set,
    resources.DAEMON_SETS.kind: _daemon_set,
    resources.JOBS.kind: _job,
}
"""By kind."""
