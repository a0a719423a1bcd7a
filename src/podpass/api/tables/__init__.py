"""Objects as `kubectl get` asks for them: tables, and metadata alone.

Source: `meta.k8s.io/v1` Table, PartialObjectMetadata.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

from podpass.api.resources import Object, Resource
from podpass.api.tables import certificates, openshift, workloads
from podpass.api.tables.columns import Printer
from podpass.api.tables.kinds import PLAIN, PRINTERS
from podpass.api.tables.pods import PODS, pod_status

__all__ = (
    "IncludeObject",
    "partial_object_metadata",
    "partial_object_metadata_list",
    "pod_status",
    "table",
)

META_VERSION: Final = "meta.k8s.io/v1"
IncludeObject: TypeAlias = Literal["None", "Metadata", "Object"]


def table(
    resource: Resource,
    objects: Sequence[Object],
    *,
    now: datetime,
    include_object: IncludeObject = "Metadata",
    list_meta: Mapping[str, Any] | None = None,
    with_columns: bool = True,
) -> Object:
    """Return the objects as a Table with the columns of their kind.

    Args:
        resource: Kind of all objects.
        objects: The rows, in order.
        now: Time that ages are measured at.
        include_object: How much of the object goes with its row.
        list_meta: resourceVersion, continue and remainingItemCount of the list.
        with_columns: Whether the columns are described; a watch does so only in its first event.
    """
    printer = _printer(resource)
    return {
        "kind": "Table",
        "apiVersion": META_VERSION,
        "metadata": dict(list_meta or {}),
        "columnDefinitions": [column.to_json() for column in printer.columns]
        if with_columns
        else [],
        "rows": [_row(printer, obj, now, include_object) for obj in objects],
    }


def partial_object_metadata(obj: Object) -> Object:
    """Return the metadata of an object as an object of its own."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": META_VERSION,
        "metadata": obj.get("metadata", {}),
    }


def partial_object_metadata_list(
    objects: Sequence[Object], list_meta: Mapping[str, Any] | None = None
) -> Object:
    """Return the metadata of objects as a list."""
    return {
        "kind": "PartialObjectMetadataList",
        "apiVersion": META_VERSION,
        "metadata": dict(list_meta or {}),
        "items": [partial_object_metadata(obj) for obj in objects],
    }


def _printer(resource: Resource) -> Printer:
    if resource.custom is not None:
        return resource.custom.printer
    if resource.kind == "Pod":
        return PODS
    for printers in (PRINTERS, workloads.PRINTERS, openshift.PRINTERS, certificates.PRINTERS):
        if resource.kind in printers:
            return printers[resource.kind]
    return PLAIN


def _row(printer: Printer, obj: Object, now: datetime, include_object: IncludeObject) -> Object:
    row: Object = {"cells": printer.cells(obj, now)}
    if include_object == "Metadata":
        row["object"] = partial_object_metadata(obj)
    elif include_object == "Object":
        row["object"] = obj
    return row
