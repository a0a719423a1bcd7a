"""The JSON value of a request as an object of a custom kind."""

from __future__ import annotations

from typing import Any

from podpass.api import schema
from podpass.api.errors import bad_request, invalid
from podpass.api.field_errors import invalid as invalid_field
from podpass.api.json_codec import MalformedBody, check_depth
from podpass.api.resources import Object, Resource
from podpass.api.structure import StructureError, conform


def read_custom_object(value: Any, resource: Resource, unknown: list[str]) -> Object:
    """Return a copy of `value` as an object of the kind: pruned, its metadata in shape.

    Args:
        value: Decoded JSON.
        resource: A custom kind.
        unknown: Paths of dropped fields are added here.

    Raises:
        StatusError: 400 for another version or what is no object, 422 for another kind.
    """
    kind = resource.custom
    if kind is None:
        raise TypeError(f"{resource.qualified} is no custom kind")
    if not isinstance(value, dict):
        raise bad_request("couldn't get version/kind; json parse error: the body is no object")
    given = value.get("apiVersion"), value.get("kind")
    if not given[1]:
        raise bad_request("Object 'Kind' is missing")
    if not all(part is None or isinstance(part, str) for part in given):
        raise bad_request("json parse error: apiVersion and kind must be strings")
    if (given[0] or resource.api_version) != resource.api_version:
        raise bad_request(
            f"the API version in the data ({given[0]}) does not match the expected API version "
            f"({resource.api_version})"
        )
    if given[1] != resource.kind:
        problem = invalid_field("kind", given[1], f"must be {resource.kind}")
        raise invalid(resource.kind, "", [problem], resource.group)
    try:
        check_depth(value)
        outside: list[str] = []
        metadata = conform(value.get("metadata") or {}, f"{schema.META}ObjectMeta", outside)
    except (StructureError, MalformedBody) as error:
        raise bad_request(
            f'{resource.kind} in version "{resource.version}" cannot be handled as a '
            f"{resource.kind}: {error}"
        ) from error
    unknown += [f"metadata.{path}" for path in outside]
    pruned = kind.prune(value, unknown)
    rest = {key: one for key, one in pruned.items() if key not in {"apiVersion", "kind"}}
    head = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}
    return head | {key: one for key, one in rest.items() if key != "metadata"}
