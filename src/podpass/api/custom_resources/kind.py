"""The rules of one custom kind in one version: what is read, stored, kept and refused.

1. What a client sends is pruned and gets its defaults; so is what was stored under an older schema.
2. Stored is the storage version; other versions differ from it in `apiVersion` only.
3. Without the subresource `status` the status is a field like others. With it, it changes only
   there, and `generation` counts all changes but those of metadata and status.
4. An update may leave as it is what a newer schema would refuse.

Source: kubernetes.io "Custom Resource Definition", "Versions in CustomResourceDefinitions";
apiextensions-apiserver `registry/customresource/strategy.go`, KEP-4008 (rule 4).
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

import orjson

from podpass.api.custom_resources.columns import printer
from podpass.api.custom_resources.defaulting import fill_in, has_defaults
from podpass.api.custom_resources.instance_rules import violations
from podpass.api.custom_resources.pruning import prune
from podpass.api.field_errors import FieldError
from podpass.api.resources import Object
from podpass.api.tables.columns import Printer

_TYPE_AND_METADATA: Final = frozenset({"apiVersion", "kind", "metadata"})


class CustomKind:
    """One version of a definition.

    Args:
        definition: The CustomResourceDefinition.
        version: One of its `spec.versions`.

    Attributes:
        deprecation: A text for clients of this version; empty if it is not deprecated.
        scale: `subresources.scale`, or None.
        has_status: Whether there is a subresource `status`.
        schema: The structural schema.
    """

    def __init__(self, definition: Object, version: Object, *, deprecation: str = "") -> None:
        spec = definition["spec"]
        stored = next(one["name"] for one in spec["versions"] if one.get("storage"))
        self._kind: str = spec["names"]["kind"]
        self._api_version = f"{spec['group']}/{version['name']}"
        self._stored_api_version = f"{spec['group']}/{stored}"
        self._version = version
        subresources: Object = version.get("subresources") or {}
        self.schema: Object = (version.get("schema") or {}).get("openAPIV3Schema") or {}
        self.has_status = "status" in subresources
        self.scale: Object | None = subresources.get("scale")
        self.deprecation = deprecation

    @cached_property
    def printer(self) -> Printer:
        """What shows the kind as a table."""
        return printer(self._version.get("additionalPrinterColumns") or ())

    @property
    def selectable_fields(self) -> tuple[str, ...]:
        """The fields of the schema that a field selector may name."""
        fields = self._version.get("selectableFields") or ()
        return tuple(one["jsonPath"].removeprefix(".") for one in fields)

    @cached_property
    def _has_defaults(self) -> bool:
        return has_defaults(self.schema)

    def prune(self, obj: Object, unknown: list[str]) -> Object:
        """Return a copy without unknown fields, whose paths are added to `unknown`."""
        pruned: Object = prune(obj, self.schema, unknown)
        return pruned

    def fill_in(self, obj: Object) -> None:
        """Fill in the defaults, in place."""
        if self._has_defaults:
            inner = {key: value for key, value in obj.items() if key not in _TYPE_AND_METADATA}
            fill_in(inner, _without_metadata(self.schema))
            obj.update(inner)

    def from_storage(self, value: bytes) -> bytes:
        """Return a stored value as an object of this version (rules 1 and 2)."""
        head = b'{"apiVersion":"%b",' % self._api_version.encode()
        if not self._has_defaults:
            if value.startswith(head):
                return value
            return head + value[value.index(b",") + 1 :]
        obj: Object = orjson.loads(value)
        obj["apiVersion"] = self._api_version
        self.fill_in(obj)
        return orjson.dumps(obj)

    def to_storage(self, obj: Object) -> Object:
        """Return an object of this version as it is stored."""
        if obj["apiVersion"] == self._stored_api_version:
            return obj
        return obj | {"apiVersion": self._stored_api_version}

    def create_errors(self, obj: Object) -> list[FieldError]:
        """Return what is wrong with a new object, beside its metadata."""
        inner = {**obj, "metadata": _named(obj["metadata"])}
        return violations(inner, self.schema)

    def update_errors(self, new: Object, old: Object) -> list[FieldError]:
        """Return what is wrong with a change, beside its metadata (rule 4)."""
        errors = self.create_errors(new)
        if errors:
            former = set(self.create_errors(old))
            errors = [one for one in errors if one not in former]
        return errors

    def prepare_for_create(self, obj: Object) -> None:
        """Drop what a client may not set."""
        obj["metadata"]["generation"] = 1
        if self.has_status:
            obj.pop("status", None)

    def prepare_for_update(self, new: Object, old: Object, subresource: str) -> None:
        """Keep, in place, what this request may not change (rule 3)."""
        if subresource == "status":
            for key in (old.keys() | new.keys()) - {"apiVersion", "kind", "status"}:
                _keep(new, old, key)
            return
        if self.has_status:
            _keep(new, old, "status")
        if self._content(new) != self._content(old):
            new["metadata"]["generation"] = int(old["metadata"].get("generation") or 0) + 1

    def _content(self, obj: Object) -> Object:
        apart = _TYPE_AND_METADATA | ({"status"} if self.has_status else set())
        return {key: value for key, value in obj.items() if key not in apart}


def _without_metadata(schema: Object) -> Object:
    properties = schema.get("properties") or {}
    kept = {name: one for name, one in properties.items() if name not in _TYPE_AND_METADATA}
    return schema | {"properties": kept}


def _named(metadata: Object) -> Object:
    """Return what a schema may say something about."""
    return {key: metadata[key] for key in ("name", "generateName") if key in metadata}


def _keep(new: dict[str, Any], old: dict[str, Any], key: str) -> None:
    if key in old:
        new[key] = old[key]
    else:
        new.pop(key, None)
