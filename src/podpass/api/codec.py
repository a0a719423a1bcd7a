"""Request bodies to API objects, by media type, and the words of a refusal.

1. JSON, YAML and protobuf give the same object: `apiVersion`, `kind`, then the fields.
2. `Strict` refuses unknown and repeated fields, `Warn` reports them, `Ignore` drops them silently.
3. An absent `apiVersion` or `kind` is that of the endpoint; another one is refused.

Source: apiserver `endpoints/handlers/create.go`, `rest.go` (`transformDecodeError`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from podpass.api import schema
from podpass.api.errors import StatusError, bad_request, unsupported_media_type
from podpass.api.json_codec import MalformedBody, duplicate_keys, parse_json
from podpass.api.protobuf import decode_envelope, decode_message, encode_envelope, encode_message
from podpass.api.resources import Object, Resource
from podpass.api.structure import StructureError, conform

FieldValidation: TypeAlias = Literal["Strict", "Warn", "Ignore"]

JSON: Final = "application/json"
YAML: Final = "application/yaml"
PROTOBUF: Final = "application/vnd.kubernetes.protobuf"
MEDIA_TYPES: Final = (JSON, YAML, PROTOBUF)
_JSON_ONLY: Final = frozenset({"apiextensions.k8s.io/v1"})


@dataclass(frozen=True, slots=True)
class Decoded:
    """A body that was read.

    Attributes:
        object: The object, `apiVersion` and `kind` first, then `metadata`.
        warnings: What the client should hear of, e.g. `unknown field "spec.foo"`.
    """

    object: Object
    warnings: list[str] = field(default_factory=list)


def decode_body(
    body: bytes,
    content_type: str,
    *,
    field_validation: FieldValidation,
    default_gvk: tuple[str, str],
    custom: Resource | None = None,
) -> Decoded:
    """Read a request body.

    Args:
        body: The bytes; their number was limited by the caller.
        content_type: Value of the header; empty means JSON, parameters are ignored.
        field_validation: What to do about unknown and repeated fields.
        default_gvk: apiVersion and kind that the endpoint takes.
        custom: The resource, if its kind is a custom one.

    Raises:
        StatusError: 400 when the body cannot be read as that kind, 415 for other media types.
    """
    media_type = content_type.partition(";")[0].strip().lower() or JSON
    repeated: list[str] = []
    try:
        if media_type == PROTOBUF and (custom or default_gvk[0] in _JSON_ONLY):
            raise unsupported_media_type(content_type, MEDIA_TYPES[:2])
        if media_type == PROTOBUF:
            return _decode_protobuf(body, field_validation, default_gvk)
        if media_type == JSON:
            value = parse_json(body)
            if field_validation != "Ignore":
                repeated = [f'duplicate field "{path}"' for path in duplicate_keys(body, value)]
        elif media_type == YAML:
            from podpass.api.yaml_codec import parse_yaml  # noqa: PLC0415 - rare, and 20 ms to load

            value = parse_yaml(
                body,
                lambda key, line: repeated.append(
                    f'yaml: unmarshal errors:\n  line {line}: key "{key}" already set in map'
                ),
            )
        else:
            raise unsupported_media_type(content_type, MEDIA_TYPES)
    except MalformedBody as error:
        raise bad_request(
            f"the object provided is unrecognized (must be of type {default_gvk[1]}): "
            f"couldn't get version/kind; {error}"
        ) from error
    return decode_value(
        value,
        field_validation=field_validation,
        default_gvk=default_gvk,
        complaints=repeated,
        custom=custom,
    )


def decode_value(
    value: Any,
    *,
    field_validation: FieldValidation,
    default_gvk: tuple[str, str],
    complaints: Sequence[str] = (),
    custom: Resource | None = None,
) -> Decoded:
    """Read a JSON value as an object: the end of `decode_body`, and of a patch.

    Args:
        value: The value.
        field_validation: What to do about unknown fields.
        default_gvk: apiVersion and kind that the endpoint takes.
        complaints: What is known to be wrong, treated like unknown fields.
        custom: The resource, if its kind is a custom one.

    Raises:
        StatusError: 400 when it is not of that kind or, with `Strict`, has complaints.
    """
    api_version, kind = default_gvk
    unknown: list[str] = []
    if custom is not None:
        from podpass.api.custom_resources.decoding import read_custom_object  # noqa: PLC0415 - rare

        shaped = read_custom_object(value, custom, unknown)
    else:
        if isinstance(value, dict):
            api_version, kind = _type_of(value, default_gvk)
        try:
            shaped = conform(value, _message(default_gvk), unknown)
        except StructureError as error:
            raise _cannot_handle(api_version, kind, default_gvk[1], str(error)) from error
    warnings = [*complaints, *(f'unknown field "{path}"' for path in unknown)]
    if warnings and field_validation == "Strict":
        raise _cannot_handle(
            api_version, kind, default_gvk[1], "strict decoding error: " + ", ".join(warnings)
        )
    return Decoded(
        _ordered(api_version, kind, shaped), warnings if field_validation == "Warn" else []
    )


def decode_protobuf(body: bytes, *, default_gvk: tuple[str, str]) -> Object:
    """Read a protobuf body; see `decode_body`.

    Raises:
        StatusError: 400 when it is not of that kind.
    """
    return decode_body(body, PROTOBUF, field_validation="Ignore", default_gvk=default_gvk).object


def encode_protobuf(obj: Object) -> bytes:
    """Return an object as a protobuf body.

    Raises:
        KeyError: The schema does not know its kind.
        ValueError: A value has not the form of its field.
    """
    api_version, kind = str(obj["apiVersion"]), str(obj["kind"])
    message = schema.message_for(api_version, kind)
    if message is None:
        raise KeyError(f"no schema for {api_version} {kind}")
    return encode_envelope(api_version, kind, encode_message(obj, message))


def _decode_protobuf(
    body: bytes, field_validation: FieldValidation, default_gvk: tuple[str, str]
) -> Decoded:
    api_version, kind, raw = decode_envelope(body)
    api_version, kind = _type_of({"apiVersion": api_version, "kind": kind}, default_gvk)
    value = decode_message(raw, _message(default_gvk))
    return decode_value(
        {"apiVersion": api_version, "kind": kind} | value,
        field_validation=field_validation,
        default_gvk=default_gvk,
    )


def _message(gvk: tuple[str, str]) -> str:
    message = schema.message_for(*gvk)
    if message is None:
        raise bad_request(f'no kind "{gvk[1]}" is registered for version "{gvk[0]}"')
    return message


def _type_of(value: Object, default: tuple[str, str]) -> tuple[str, str]:
    """Return apiVersion and kind, checked against those of the endpoint."""
    given = value.get("apiVersion"), value.get("kind")
    if not all(part is None or isinstance(part, str) for part in given):
        raise bad_request(
            f"the object provided is unrecognized (must be of type {default[1]}): couldn't get "
            "version/kind; json parse error: apiVersion and kind must be strings"
        )
    api_version, kind = given[0] or default[0], given[1] or default[1]
    if kind in schema.OPTIONS_KINDS and kind == default[1]:
        return default
    if kind != default[1] and schema.message_for(api_version, kind) is None:
        raise _unregistered(api_version, kind, default)
    if api_version != default[0]:
        raise bad_request(
            f"the API version in the data ({api_version}) does not match the expected API version "
            f"({default[0]})"
        )
    if kind != default[1]:
        raise _cannot_handle(
            api_version, kind, default[1], f"converting a {kind} to a {default[1]}: not possible"
        )
    return api_version, kind


def _unregistered(api_version: str, kind: str, default: tuple[str, str]) -> StatusError:
    return _cannot_handle(
        api_version,
        kind,
        default[1],
        f'no kind "{kind}" is registered for version "{api_version}"',
    )


def _cannot_handle(api_version: str, kind: str, wanted: str, cause: str) -> StatusError:
    version = api_version.rpartition("/")[2]
    return bad_request(f'{kind} in version "{version}" cannot be handled as a {wanted}: {cause}')


def _ordered(api_version: str, kind: str, shaped: Object) -> Object:
    out: Object = {"apiVersion": api_version, "kind": kind}
    if "metadata" in shaped:
        out["metadata"] = shaped["metadata"]
    return out | shaped
