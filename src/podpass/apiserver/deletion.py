"""What a DELETE does to an object: nothing, mark it, or remove it. Pure.

1. A pod gets a grace period: its own unless the request names one; none if it has no node or is
   finished. A later request can shorten it, never lengthen it.
2. Finalizers keep an object; orphan and foreground deletion are finalizers of the garbage
   collector. Without a policy the object's own finalizers decide.
3. A namespace is marked first and goes when its `spec.finalizers` are gone.
4. A definition of a custom kind is marked first and goes when its instances are gone.
5. An update that takes the last finalizer of a marked object removes it.
Source: apiserver `registry/rest/delete.go`, `registry/generic/registry/store.go`; Kubernetes
`registry/core/namespace/storage`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from podpass.api import errors, field_errors
from podpass.api.meta import format_time, is_terminating, parse_time
from podpass.api.resources import (
    CUSTOM_RESOURCE_DEFINITIONS,
    NAMESPACES,
    PODS,
    Object,
    Resource,
)

CLEANUP_FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
"""Holds a definition until its instances are gone."""
ORPHAN_FINALIZER = "orphan"
FOREGROUND_FINALIZER = "foregroundDeletion"
_COLLECTOR_FINALIZERS = (ORPHAN_FINALIZER, FOREGROUND_FINALIZER)
_DEFAULT_GRACE_SECONDS = 30
_FINISHED = frozenset({"Succeeded", "Failed"})
_POLICIES = ("Background", "Foreground", "Orphan")

Action = Literal["keep", "mark", "remove"]


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """`metav1.DeleteOptions`.

    Attributes:
        grace_period_seconds: None for the object's own.
        policy: `Background`, `Foreground`, `Orphan`, or empty.
        uid: Refuse if the object has another one.
        resource_version: Refuse if the object has another one.
        dry_run: Whether nothing may be written.
    """

    grace_period_seconds: int | None = None
    policy: str = ""
    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Deletion:
    """What is to be done; `object` is the new state when the action is `mark`."""

    action: Action
    object: Object


def read_delete_options(body: Object) -> DeleteOptions:
    """Read a decoded body.

    Raises:
        StatusError: 422, a value is not allowed.
    """
    problems: list[field_errors.FieldError] = []
    policy = body.get("propagationPolicy") or ""
    orphan = body.get("orphanDependents")
    if policy and policy not in _POLICIES:
        problems.append(field_errors.not_supported("propagationPolicy", policy, _POLICIES))
    if policy and orphan is not None:
        problems.append(
            field_errors.invalid(
                "propagationPolicy", policy, "orphanDependents and deletionPropagation cannot be "
                "both set",
            )
        )  # fmt: skip
    dry_run = body.get("dryRun") or []
    if any(one != "All" for one in dry_run):
        problems.append(field_errors.not_supported("dryRun", dry_run, ("All",)))
    if problems:
        raise errors.invalid("DeleteOptions", "", problems, "meta.k8s.io")
    if orphan is not None:
        policy = "Orphan" if orphan else "Background"
    preconditions = body.get("preconditions") or {}
    return DeleteOptions(
        grace_period_seconds=body.get("gracePeriodSeconds"),
        policy=policy,
        uid=preconditions.get("uid") or "",
        resource_version=preconditions.get("resourceVersion") or "",
        dry_run=bool(dry_run),
    )


def plan_deletion(
    resource: Resource, obj: Object, options: DeleteOptions, *, now: datetime
) -> Deletion:
    """Decide what a DELETE does to `obj`, which stays as it is."""
    new = obj | {"metadata": dict(obj["metadata"])}
    metadata: dict[str, Any] = new["metadata"]
    finalizers = _finalizers(metadata.get("finalizers") or [], options.policy)
    if resource == CUSTOM_RESOURCE_DEFINITIONS and not is_terminating(obj):
        finalizers = [*finalizers, CLEANUP_FINALIZER]
    if finalizers:
        metadata["finalizers"] = finalizers
    else:
        metadata.pop("finalizers", None)
    grace = _grace_seconds(resource, obj, options)
    held = bool(finalizers) or _namespace_is_held(resource, obj)
    if grace == 0 and not held:
        return Deletion("remove", obj)
    if not is_terminating(obj):
        metadata["deletionTimestamp"] = format_time(now + timedelta(seconds=grace))
        metadata["deletionGracePeriodSeconds"] = grace
        if metadata.get("generation"):
            metadata["generation"] += 1
        if resource == NAMESPACES:
            # 3.
            new["status"] = {**(obj.get("status") or {}), "phase": "Terminating"}
        return Deletion("mark", new)
    given = metadata.get("deletionGracePeriodSeconds") or 0
    if grace < given:
        # 1. The end moves by as much as the grace is shorter, but not into the past.
        end = parse_time(metadata["deletionTimestamp"]) - timedelta(seconds=given - grace)
        metadata["deletionTimestamp"] = format_time(max(end, now))
        metadata["deletionGracePeriodSeconds"] = grace
        return Deletion("mark", new)
    if finalizers != (obj["metadata"].get("finalizers") or []):
        return Deletion("mark", new)
    return Deletion("keep", obj)


def is_released(resource: Resource, obj: Object) -> bool:
    """Tell whether nothing holds a marked object any more (rule 5)."""
    metadata = obj["metadata"]
    return (
        is_terminating(obj)
        and not metadata.get("finalizers")
        and not metadata.get("deletionGracePeriodSeconds")
        and not _namespace_is_held(resource, obj)
    )


def _namespace_is_held(resource: Resource, obj: Object) -> bool:
    return resource == NAMESPACES and bool((obj.get("spec") or {}).get("finalizers"))


def _finalizers(present: list[str], policy: str) -> list[str]:
    if not policy:
        return present
    kept = [one for one in present if one not in _COLLECTOR_FINALIZERS]
    if policy == "Orphan":
        return [*kept, ORPHAN_FINALIZER]
    if policy == "Foreground":
        return [*kept, FOREGROUND_FINALIZER]
    return kept


def _grace_seconds(resource: Resource, obj: Object, options: DeleteOptions) -> int:
    if resource != PODS:
        return 0
    spec = obj.get("spec") or {}
    if not spec.get("nodeName") or (obj.get("status") or {}).get("phase") in _FINISHED:
        return 0
    grace = options.grace_period_seconds
    if grace is None:
        given = obj["metadata"].get("deletionGracePeriodSeconds")
        grace = given if given is not None else spec.get("terminationGracePeriodSeconds")
    if grace is None:
        return _DEFAULT_GRACE_SECONDS
    # A negative period has no meaning; Kubernetes reads it as one second.
    return 1 if grace < 0 else int(grace)
