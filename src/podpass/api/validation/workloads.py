"""Rules of workloads: deployments, the three kinds of sets, and revisions.

What this cluster does not do is refused by name rather than ignored. Source: Kubernetes
`pkg/apis/apps/validation`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from podpass.api import names
from podpass.api.field_errors import FieldError, forbidden, invalid, not_supported, required
from podpass.api.meta import name_of
from podpass.api.resources import Object
from podpass.api.validation import jobs
from podpass.api.validation.metadata import IMMUTABLE
from podpass.api.validation.pod_templates import (
    NOT_NEGATIVE,
    count_errors,
    running_pods_errors,
    spec_of,
)
from podpass.api.validation.shares import is_zero, limit_errors, share_errors

_Rules: TypeAlias = Callable[[Object, int], list[FieldError]]
_UpdateRules: TypeAlias = Callable[[Object, Object, int], list[FieldError]]

_STATEFUL_SET_MUTABLE: Final = (
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
)  # fmt: skip


def _deployment_errors(obj: Object, minimum_seconds: int) -> list[FieldError]:
    spec = spec_of(obj)
    errors = count_errors(spec, "replicas", "minReadySeconds", "revisionHistoryLimit")
    errors += running_pods_errors(spec, "ReplicaSet", "deployment", minimum_seconds)
    errors += _deployment_strategy_errors(spec.get("strategy") or {})
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None:
        errors += count_errors(spec, "progressDeadlineSeconds")
        if deadline <= spec.get("minReadySeconds", 0):
            text = "must be greater than minReadySeconds"
            errors.append(invalid("spec.progressDeadlineSeconds", deadline, text))
    return errors


def _deployment_strategy_errors(strategy: Object) -> list[FieldError]:
    at = "spec.strategy"
    rolling = strategy.get("rollingUpdate")
    if strategy.get("type") == "Recreate":
        if rolling is None:
            return []
        text = "may not be specified when strategy `type` is 'Recreate'"
        return [forbidden(f"{at}.rollingUpdate", text)]
    if strategy.get("type") != "RollingUpdate":
        return [not_supported(f"{at}.type", strategy.get("type"), ("Recreate", "RollingUpdate"))]
    unavailable, surge = (rolling or {}).get("maxUnavailable"), (rolling or {}).get("maxSurge")
    at += ".rollingUpdate"
    errors = share_errors(unavailable, f"{at}.maxUnavailable")
    errors += share_errors(surge, f"{at}.maxSurge")
    if not errors and is_zero(unavailable) and is_zero(surge):
        text = "may not be 0 when `maxSurge` is 0"
        errors.append(invalid(f"{at}.maxUnavailable", unavailable, text))
    return errors + limit_errors(unavailable, f"{at}.maxUnavailable")


def _replica_set_errors(obj: Object, minimum_seconds: int) -> list[FieldError]:
    spec = spec_of(obj)
    errors = count_errors(spec, "replicas", "minReadySeconds")
    return errors + running_pods_errors(spec, "ReplicaSet", "deployment", minimum_seconds)


def _stateful_set_errors(obj: Object, minimum_seconds: int) -> list[FieldError]:
    spec = spec_of(obj)
    problems = names.dns_label_problems(name_of(obj))
    errors = [invalid("metadata.name", name_of(obj), one) for one in problems]
    errors += count_errors(spec, "replicas", "minReadySeconds", "revisionHistoryLimit")
    errors += running_pods_errors(spec, "StatefulSet", "statefulset", minimum_seconds)
    policy = spec.get("podManagementPolicy")
    if policy not in {"OrderedReady", "Parallel"}:
        text = "must be 'OrderedReady' or 'Parallel'"
        errors.append(invalid("spec.podManagementPolicy", policy, text))
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") not in {"RollingUpdate", "OnDelete"}:
        text = "must be 'RollingUpdate' or 'OnDelete'"
        errors.append(invalid("spec.updateStrategy", strategy, text))
    rolling = strategy.get("rollingUpdate")
    if rolling is not None and strategy.get("type") == "OnDelete":
        text = "only allowed for updateStrategy 'RollingUpdate'"
        errors.append(invalid("spec.updateStrategy.rollingUpdate", rolling, text))
    if (rolling or {}).get("partition", 0) < 0:
        at = "spec.updateStrategy.rollingUpdate.partition"
        errors.append(invalid(at, (rolling or {})["partition"], NOT_NEGATIVE))
    if (spec.get("ordinals") or {}).get("start", 0) < 0:
        errors.append(invalid("spec.ordinals.start", spec["ordinals"]["start"], NOT_NEGATIVE))
    if spec.get("volumeClaimTemplates"):
        text = "this cluster has no persistent volumes"
        errors.append(forbidden("spec.volumeClaimTemplates", text))
    return errors


def _daemon_set_errors(obj: Object, minimum_seconds: int) -> list[FieldError]:
    spec = spec_of(obj)
    errors = count_errors(spec, "minReadySeconds", "revisionHistoryLimit")
    errors += running_pods_errors(spec, "DaemonSet", "daemonset", minimum_seconds)
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return errors
    at = "spec.updateStrategy"
    if strategy.get("type") != "RollingUpdate":
        allowed = ("OnDelete", "RollingUpdate")
        return [*errors, not_supported(f"{at}.type", strategy.get("type"), allowed)]
    rolling = strategy.get("rollingUpdate") or {}
    unavailable, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
    at += ".rollingUpdate"
    found = share_errors(unavailable, f"{at}.maxUnavailable")
    found += share_errors(surge, f"{at}.maxSurge")
    found += limit_errors(unavailable, f"{at}.maxUnavailable")
    found += limit_errors(surge, f"{at}.maxSurge")
    if found:
        return errors + found
    if not is_zero(unavailable) and not is_zero(surge):
        text = "may not be set when maxUnavailable is non-zero"
        errors.append(invalid(f"{at}.maxSurge", surge, text))
    elif is_zero(unavailable) and is_zero(surge):
        text = "cannot be 0 when maxSurge is 0"
        errors.append(invalid(f"{at}.maxUnavailable", unavailable, text))
    return errors


def _with_fixed_selector(rules: _Rules) -> _UpdateRules:
    def update(new: Object, old: Object, minimum_seconds: int) -> list[FieldError]:
        errors = rules(new, minimum_seconds)
        after, before = spec_of(new).get("selector"), spec_of(old).get("selector")
        if after != before:
            errors.append(invalid("spec.selector", after, IMMUTABLE))
        return errors

    return update


def _stateful_set_update_errors(new: Object, old: Object, minimum: int) -> list[FieldError]:
    errors = _stateful_set_errors(new, minimum)
    after, before = spec_of(new), spec_of(old)
    if _without(after, _STATEFUL_SET_MUTABLE) != _without(before, _STATEFUL_SET_MUTABLE):
        text = (
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', "
            "'template', 'updateStrategy', 'revisionHistoryLimit', "
            "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
        )
        errors.append(forbidden("spec", text))
    return errors


def _without(spec: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in spec.items() if key not in keys}


def _revision_update_errors(new: Object, old: Object, _: int) -> list[FieldError]:
    if new.get("data") == old.get("data"):
        return []
    return [invalid("data", new.get("data"), IMMUTABLE)]


def _revision_errors(revision: Object, _: int) -> list[FieldError]:
    number = revision.get("revision", 0)
    errors = [invalid("revision", number, NOT_NEGATIVE)] if number < 0 else []
    return errors if revision.get("data") else [*errors, required("data", "data is mandatory")]


RULES: Final[Mapping[str, _Rules]] = {
    "ControllerRevision": _revision_errors,
    "DaemonSet": _daemon_set_errors,
    "Deployment": _deployment_errors,
    "Job": jobs.job_errors,
    "ReplicaSet": _replica_set_errors,
    "StatefulSet": _stateful_set_errors,
}
"""Of a new object, by kind; they take the shortest life of a projected token in seconds."""

UPDATE_RULES: Final[Mapping[str, _UpdateRules]] = {
    "ControllerRevision": _revision_update_errors,
    "DaemonSet": _with_fixed_selector(_daemon_set_errors),
    "Deployment": _with_fixed_selector(_deployment_errors),
    "Job": jobs.job_update_errors,
    "ReplicaSet": _with_fixed_selector(_replica_set_errors),
    "StatefulSet": _stateful_set_update_errors,
}
"""Of a changed object, by kind."""
