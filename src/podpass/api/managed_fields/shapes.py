"""Which parts of an object have an owner each: fields of structs, keys of maps, items of lists.

1. A list is owned as a whole, unless the schema names the keys of its items, or calls it a set.
2. A map or struct is owned by its parts, unless it is atomic: a selector, a reference.
3. JSON of any shape is owned as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from podpass.api import schema
from podpass.api.resources import Object, Resource
from podpass.api.schema import CORE, META, Field

KEY_DEFAULTS: Final = {"protocol": "TCP"}
"""What an item's key is where the item does not say it."""

_RBAC: Final = "k8s.io.api.rbac.v1."
ATOMIC_MESSAGES: Final = frozenset(
    {
        META + "LabelSelector",
        META + "OwnerReference",
        _RBAC + "RoleRef",
        _RBAC + "Subject",
        *(
            CORE + name
            for name in (
                "ConfigMapKeySelector", "FileKeySelector", "LocalObjectReference", "NodeSelector",
                "NodeSelectorTerm", "ObjectFieldSelector", "ObjectReference",
                "ResourceFieldSelector", "SecretKeySelector", "SecretReference",
                "TypedLocalObjectReference",
            )
        ),
    }
)  # fmt: skip
"""Structs with one owner (`x-kubernetes-map-type: atomic`)."""

ATOMIC_MAPS: Final = frozenset({CORE + "PodSpec.nodeSelector", CORE + "ServiceSpec.selector"})

_TEXT_LIKE: Final = schema.ANY_JSON | schema.TEXT_SHAPED | schema.STRING_LISTS


def _leaf(_name: str) -> Shape:
    return LEAF


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """How one value is owned.

    Attributes:
        kind: `leaf` as a whole; `struct` and `map` by name; `list` by `keys`; `set` by value.
        keys: Of a list, the fields that tell its items apart.
        child: Shape of a named part; of a list, of its items whatever the name.
    """

    kind: Literal["leaf", "struct", "map", "list", "set"]
    keys: tuple[str, ...] = ()
    child: Callable[[str], Shape] = _leaf


LEAF: Final[Shape] = Shape("leaf")
SET: Final[Shape] = Shape("set")


@cache
def message_shape(message: str) -> Shape:
    """Return the shape of a message of the schema."""
    if message in ATOMIC_MESSAGES or message in _TEXT_LIKE or not schema.has_message(message):
        return LEAF
    if message in {schema.QUANTITY, schema.INT_OR_STRING}:
        return LEAF
    fields = schema.fields(message)

    def child(name: str) -> Shape:
        field = fields.get(name)
        return _field_shape(field.owner, field.name) if field is not None else LEAF

    return Shape("struct", child=child)


@cache
def _field_shape(owner: str, name: str) -> Shape:
    field = schema.fields(owner)[name]
    item = message_shape(field.type) if field.is_message else LEAF
    if field.label == "map":
        atomic = f"{owner}.{name}" in ATOMIC_MAPS
        return LEAF if atomic else Shape("map", child=lambda _name: item)
    if field.label == "repeated":
        keys = schema.list_map_keys(field)
        if keys:
            return Shape("list", keys, lambda _name: item)
        return SET if _is_set(field) else LEAF
    return item


def _is_set(field: Field) -> bool:
    return "merge" in field.strategies and not field.merge_key


def _free(_name: str) -> Shape:
    return FREE


FREE: Final[Shape] = Shape("map", child=_free)
"""Whatever it is: maps by their keys, everything else as a whole."""


def resource_shape(resource: Resource) -> Shape:
    """Return the shape of the objects of a resource."""
    if resource.custom is not None:
        inner = structural_shape(resource.custom.schema)
        metadata = message_shape(META + "ObjectMeta")
        return Shape(
            "struct", child=lambda name: metadata if name == "metadata" else inner.child(name)
        )
    message = schema.message_for(resource.api_version, resource.kind)
    return FREE if message is None else message_shape(message)


def structural_shape(node: Object) -> Shape:
    """Return the shape of what a structural schema describes."""
    if node.get("x-kubernetes-map-type") == "atomic":
        return LEAF
    if node.get("type") == "array":
        kind = node.get("x-kubernetes-list-type")
        item = node.get("items") or {}
        if kind == "map":
            keys = tuple(node.get("x-kubernetes-list-map-keys") or ())
            return Shape("list", keys, lambda _name: structural_shape(item))
        return SET if kind == "set" else LEAF
    properties: Object = node.get("properties") or {}
    additional = node.get("additionalProperties")
    if isinstance(additional, dict):
        return Shape("map", child=lambda _name: structural_shape(additional))
    if properties:
        return Shape(
            "struct",
            child=lambda name: structural_shape(properties[name]) if name in properties else FREE,
        )
    return FREE
