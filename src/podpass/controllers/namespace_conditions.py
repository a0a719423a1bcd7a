"""What the conditions of a namespace say about its deletion. Pure.

Source: Kubernetes, `pkg/controller/namespace/deletion/status_condition_utils.go`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from podpass.api.meta import set_condition
from podpass.api.resources import Object, Resource


@dataclass(slots=True)
class Remains:
    """What is still in a namespace.

    Attributes:
        counts: Objects by qualified resource name.
        finalizers: Objects by finalizer that keeps them.
        failures: Messages of deletions that were refused.
    """

    counts: Counter[str] = field(default_factory=Counter)
    finalizers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def add(self, resource: Resource, obj: Object) -> None:
        """Note an object that is still there."""
        self.counts[f"{resource.plural}.{resource.group}"] += 1
        self.finalizers.update(obj.get("metadata", {}).get("finalizers") or ())


def deletion_conditions(
    former: Iterable[Object], remains: Remains, *, now: datetime
) -> list[Object]:
    """Return the conditions of a namespace that is being deleted."""
    conditions = [dict(one) for one in former]
    set_condition(
        conditions, "NamespaceDeletionDiscoveryFailure", "False", now=now,
        reason="ResourcesDiscovered", message="All resources successfully discovered",
    )  # fmt: skip
    set_condition(
        conditions, "NamespaceDeletionGroupVersionParsingFailure", "False", now=now,
        reason="ParsedGroupVersions", message="All legacy kube types successfully parsed",
    )  # fmt: skip
    if remains.failures:
        set_condition(
            conditions, "NamespaceDeletionContentFailure", "True", now=now,
            reason="ContentDeletionFailed",
            message="Failed to delete all resource types, "
            f"{len(remains.failures)} remaining: {', '.join(sorted(remains.failures))}",
        )  # fmt: skip
    else:
        set_condition(
            conditions, "NamespaceDeletionContentFailure", "False", now=now,
            reason="ContentDeleted",
            message="All content successfully deleted, may be waiting on finalization",
        )  # fmt: skip
    if remains.counts:
        listed = [
            f"{name} has {count} resource instances" for name, count in _sorted(remains.counts)
        ]
        set_condition(
            conditions, "NamespaceContentRemaining", "True", now=now,
            reason="SomeResourcesRemain",
            message=f"Some resources are remaining: {', '.join(listed)}",
        )  # fmt: skip
    else:
        set_condition(
            conditions, "NamespaceContentRemaining", "False", now=now,
            reason="ContentRemoved", message="All content successfully removed",
        )  # fmt: skip
    if remains.finalizers:
        listed = [
            f"{name} in {count} resource instances" for name, count in _sorted(remains.finalizers)
        ]
        set_condition(
            conditions, "NamespaceFinalizersRemaining", "True", now=now,
            reason="SomeFinalizersRemain",
            message=f"Some content in the namespace has finalizers remaining: {', '.join(listed)}",
        )  # fmt: skip
    else:
        set_condition(
            conditions, "NamespaceFinalizersRemaining", "False", now=now,
            reason="ContentHasNoFinalizers", message="All content-preserving finalizers finished",
        )  # fmt: skip
    return conditions


def _sorted(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items())
