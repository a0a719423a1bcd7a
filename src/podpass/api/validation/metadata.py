"""Rules of `metadata`, for all kinds.

Source: apimachinery `api/validation/objectmeta.go`, Kubernetes `pkg/apis/core/validation`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from podpass.api import names
from podpass.api.field_errors import FieldError, forbidden, invalid, required, too_long
from podpass.api.resources import RBAC, Object, Resource

MAX_ANNOTATIONS_BYTES: Final = 256 * 1024
STANDARD_FINALIZERS: Final = frozenset({"kubernetes", "orphan", "foregroundDeletion"})
IMMUTABLE: Final = "field is immutable"

_LABEL_NAMED: Final = frozenset({"Namespace"})
_IMMUTABLE_FIELDS: Final = (
    "name", "namespace", "uid", "creationTimestamp", "deletionTimestamp",
    "deletionGracePeriodSeconds",
)  # fmt: skip


def metadata_errors(resource: Resource, obj: Object) -> list[FieldError]:
    """Return what is wrong with the metadata of an object."""
    metadata = obj.get("metadata") or {}
    problems = name_rule(resource)
    errors: list[FieldError] = []
    base = metadata.get("generateName")
    if base:
        # A base may end in a dash: the suffix follows.
        masked = f"{base[:-1]}a" if base.endswith("-") and len(base) > 1 else base
        errors += [invalid("metadata.generateName", base, one) for one in problems(masked)]
    name = metadata.get("name")
    if not name:
        errors.append(required("metadata.name", "name or generateName is required"))
    else:
        errors += [invalid("metadata.name", name, one) for one in problems(name)]
    errors += _namespace_errors(resource, metadata.get("namespace") or "")
    errors += label_errors(metadata.get("labels") or {}, "metadata.labels")
    errors += annotation_errors(metadata.get("annotations") or {}, "metadata.annotations")
    errors += _owner_errors(metadata.get("ownerReferences") or ())
    return errors + finalizer_errors(metadata.get("finalizers") or (), "metadata.finalizers")


def metadata_update_errors(new: Object, old: Object) -> list[FieldError]:
    """Return what may not change in metadata and does."""
    now, before = new.get("metadata") or {}, old.get("metadata") or {}
    errors = [
        invalid(f"metadata.{key}", now.get(key), IMMUTABLE)
        for key in _IMMUTABLE_FIELDS
        if now.get(key) != before.get(key)
    ]
    if before.get("deletionTimestamp"):
        kept = before.get("finalizers") or ()
        added = [one for one in now.get("finalizers") or () if one not in kept]
        if added:
            shown = ", ".join(f'"{one}"' for one in added)
            errors.append(
                forbidden(
                    "metadata.finalizers",
                    "no new finalizers can be added if the object is being deleted, found new "
                    f"finalizers []string{{{shown}}}",
                )
            )
    return errors


def name_rule(resource: Resource) -> Callable[[str], list[str]]:
    """Return the function that finds the problems of a name of this kind."""
    if resource.group == RBAC:
        return names.path_segment_problems
    if resource.kind in _LABEL_NAMED:
        return names.dns_label_problems
    return names.dns_subdomain_problems


def label_errors(labels: Mapping[str, Any], path: str) -> list[FieldError]:
    """Return what is wrong with labels or a node selector."""
    errors = []
    for key, value in labels.items():
        errors += [invalid(path, key, one) for one in names.label_key_problems(key)]
        errors += [invalid(path, value, one) for one in names.label_value_problems(value)]
    return errors


def annotation_errors(annotations: Mapping[str, str], path: str) -> list[FieldError]:
    """Return what is wrong with annotations; keys may have capitals, values are free."""
    errors = [
        invalid(path, key, one)
        for key in annotations
        for one in names.qualified_name_problems(key.lower())
    ]
    size = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
    if size > MAX_ANNOTATIONS_BYTES:
        errors.append(too_long(path, MAX_ANNOTATIONS_BYTES))
    return errors


def finalizer_errors(finalizers: Iterable[str], path: str) -> list[FieldError]:
    """Return what is wrong with finalizers."""
    found = list(finalizers)
    errors = []
    for one in found:
        errors += [invalid(path, one, text) for text in names.qualified_name_problems(one)]
        if "/" not in one and one not in STANDARD_FINALIZERS:
            errors.append(
                invalid(
                    path,
                    one,
                    "name is neither a standard finalizer name nor is it fully qualified",
                )
            )
    if {"orphan", "foregroundDeletion"} <= set(found):
        text = "finalizer orphan and foregroundDeletion cannot be both set"
        errors.append(invalid(path, found, text))
    return errors


def _namespace_errors(resource: Resource, namespace: str) -> list[FieldError]:
    path = "metadata.namespace"
    if not resource.namespaced:
        return [forbidden(path, "not allowed on this type")] if namespace else []
    if not namespace:
        return [required(path)]
    return [invalid(path, namespace, one) for one in names.dns_label_problems(namespace)]


def _owner_errors(owners: Iterable[Object]) -> list[FieldError]:
    errors = []
    controllers = []
    for index, owner in enumerate(owners):
        path = f"metadata.ownerReferences[{index}]"
        api_version = owner.get("apiVersion") or ""
        if not api_version.rpartition("/")[2]:
            text = "version must not be empty"
            errors.append(invalid(f"{path}.apiVersion", api_version, text))
        errors += [
            invalid(f"{path}.{key}", "", "must not be empty")
            for key in ("kind", "name", "uid")
            if not owner.get(key)
        ]
        if owner.get("controller"):
            controllers.append(owner.get("name", ""))
    if len(controllers) > 1:
        text = (
            'Only one reference can have Controller set to true. Found "true" in references for '
            + " and ".join(controllers[:2])
        )
        errors.append(invalid("metadata.ownerReferences", controllers, text))
    return errors
