"""The one schema: which fields a message has, on the protobuf wire and as JSON shows them.

Strict decoding, protobuf bodies, strategic patches and the OpenAPI documents all read it here.

1. A message is named as in the `.proto` files, e.g. `k8s.io.api.core.v1.Pod`.
2. JSON flattens some embedded messages (`Volume.volumeSource`): `fields` is the flattened view,
   `wire_fields` the one of the bytes.
3. `apiVersion` and `kind` are no fields: on the wire they stand in the envelope.
4. The tables are read at the first question and kept.

Source: the `.proto` files and the struct tags of Kubernetes 1.36.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import orjson

Label: TypeAlias = Literal["optional", "repeated", "map"]

CORE: Final = "k8s.io.api.core.v1."
META: Final = "k8s.io.apimachinery.pkg.apis.meta.v1."
TIME: Final = META + "Time"
MICRO_TIME: Final = META + "MicroTime"
FIELDS_V1: Final = META + "FieldsV1"
RAW_EXTENSION: Final = "k8s.io.apimachinery.pkg.runtime.RawExtension"
QUANTITY: Final = "k8s.io.apimachinery.pkg.api.resource.Quantity"
INT_OR_STRING: Final = "k8s.io.apimachinery.pkg.util.intstr.IntOrString"
OPENSHIFT: Final = "com.github.openshift.api."
"""Messages of custom resources: JSON only, and what a user sets to zero stays."""
APIEXTENSIONS: Final = "k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1."
"""Messages of definitions of custom resources: JSON only, and a set zero stays."""
JSON_SCHEMA: Final = APIEXTENSIONS + "JSONSchemaProps"
SCHEMA_OR_BOOL: Final = JSON_SCHEMA + "OrBool"
"""JSON shows it as `true`, `false` or a schema."""

STRING_LISTS: Final = frozenset(
    {
        "k8s.io.api.authentication.v1.ExtraValue",
        "k8s.io.api.authorization.v1.ExtraValue",
        "k8s.io.api.certificates.v1.ExtraValue",
        META + "Verbs",
    }
)
"""Messages that JSON shows as a plain list of strings."""

TEXT_SHAPED: Final = frozenset({TIME, MICRO_TIME})
"""Messages that JSON shows as text."""

ANY_JSON: Final = frozenset({FIELDS_V1, RAW_EXTENSION})
"""Messages that carry JSON of any shape."""

OPTIONS_KINDS: Final = frozenset(
    {"CreateOptions", "DeleteOptions", "GetOptions", "ListOptions", "PatchOptions", "UpdateOptions"}
)
"""Kinds of package meta that every group version accepts as its own."""

_PACKAGES: Final = {
    "v1": CORE,
    "apps/v1": "k8s.io.api.apps.v1.",
    "authentication.k8s.io/v1": "k8s.io.api.authentication.v1.",
    "authorization.k8s.io/v1": "k8s.io.api.authorization.v1.",
    "autoscaling/v1": "k8s.io.api.autoscaling.v1.",
    "batch/v1": "k8s.io.api.batch.v1.",
    "certificates.k8s.io/v1": "k8s.io.api.certificates.v1.",
    "coordination.k8s.io/v1": "k8s.io.api.coordination.v1.",
    "events.k8s.io/v1": "k8s.io.api.events.v1.",
    "meta.k8s.io/v1": META,
    "policy/v1": "k8s.io.api.policy.v1.",
    "rbac.authorization.k8s.io/v1": "k8s.io.api.rbac.v1.",
    "config.openshift.io/v1": OPENSHIFT + "config.v1.",
    "operator.openshift.io/v1": OPENSHIFT + "operator.v1.",
    "apiextensions.k8s.io/v1": APIEXTENSIONS,
}
_DEFINITIONS: Final = "apiextensions-fields.json"
# The struct tags of this one carry no protobuf hint, so that the extracted facts miss it.
_ALSO_INLINE: Final = frozenset({CORE + "EphemeralContainer.ephemeralContainerCommon"})


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message.

    Attributes:
        number: Number on the wire, within `owner`.
        name: Name in JSON.
        type: Scalar (`string`, `bytes`, `bool`, `int32`, `int64`) or message; of a map, its values.
        label: `optional`, `repeated` or `map`; keys of maps are strings.
        owner: The message that declares it; differs from the one asked for where JSON flattens.
        inline: JSON shows the fields of `type` in place of this one.
        strategies: Of a strategic patch: `merge`, `replace`, `retainKeys`.
        merge_key: What tells the items of a merged list apart; empty for lists of scalars.
        nullable: A set zero value differs from no value (a pointer in the Go types).
        always: Shown even when empty (no `omitempty`).
    """

    number: int
    name: str
    type: str
    label: Label
    owner: str
    inline: bool = False
    strategies: tuple[str, ...] = ()
    merge_key: str = ""
    nullable: bool = False
    always: bool = False

    @property
    def is_message(self) -> bool:
        """Whether `type` is a message rather than a scalar."""
        return "." in self.type


def _read(name: str) -> Any:
    return orjson.loads(Path(__file__).with_name("data").joinpath(name).read_bytes())


@dataclass(frozen=True, slots=True)
class _Facts:
    inline: frozenset[str]
    strategic: Mapping[str, list[list[str] | str]]
    list_map_keys: Mapping[str, list[str]]
    never_omitted: frozenset[str]
    nullable: frozenset[str]


@cache
def _facts() -> _Facts:
    raw = _read("json-facts.json")
    return _Facts(
        inline=frozenset(raw["inline_in_json"]) | _ALSO_INLINE,
        strategic=raw["strategic_merge"],
        list_map_keys=raw["list_map_keys"],
        never_omitted=frozenset(raw["never_omitted_in_json"]),
        nullable=frozenset(
            f"{package}.{message}.{field}"
            for package, messages in _read("nullable-scalars.json").items()
            for message, names in messages.items()
            for field in names
        ),
    )


@cache
def _messages() -> dict[str, Any]:
    tables = ("protobuf-fields.json", "scale-fields.json", "openshift-fields.json", _DEFINITIONS)
    return {name: found for table in tables for name, found in _read(table).items()}


def message_for(api_version: str, kind: str) -> str | None:
    """Return the message of a kind, or None when the schema does not know it."""
    if kind in OPTIONS_KINDS:
        return META + kind
    package = _PACKAGES.get(api_version)
    if kind == "Status" and api_version == "v1":
        package = META
    name = f"{package}{kind}"
    return name if package and name in _messages() else None


def has_message(message: str) -> bool:
    """Tell whether the schema has this message."""
    return message in _messages()


@cache
def wire_fields(message: str) -> Mapping[int, Field]:
    """Return the fields by number, as the protobuf bytes carry them.

    Raises:
        KeyError: There is no such message.
    """
    facts = _facts()
    found = {}
    for number, name, type_, label in _messages()[message]:
        path = f"{message}.{name}"
        strategy, *key = facts.strategic.get(path, [""])
        found[number] = Field(
            number=number,
            name=sys.intern(name),
            type=sys.intern(type_.partition(",")[2] if label == "map" else type_),
            label=label,
            owner=message,
            inline=path in facts.inline,
            strategies=tuple(str(strategy).split(",")) if strategy else (),
            merge_key=str(key[0]) if key else "",
            nullable=path in facts.nullable or message.startswith((OPENSHIFT, APIEXTENSIONS)),
            always=path in facts.never_omitted,
        )
    return found


@cache
def fields(message: str) -> Mapping[str, Field]:
    """Return the fields by name, as JSON shows them: inlined messages flattened.

    Raises:
        KeyError: There is no such message.
    """
    found: dict[str, Field] = {}
    for field in wire_fields(message).values():
        if field.inline:
            found |= fields(field.type)
        else:
            found[field.name] = field
    return found


def list_map_keys(field: Field) -> tuple[str, ...]:
    """Return the keys that make an item of this list unique, or nothing for other lists."""
    return tuple(_facts().list_map_keys.get(f"{field.owner}.{field.name}", ()))
