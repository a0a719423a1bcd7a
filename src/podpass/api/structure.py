"""Bring decoded JSON into the shape of its message, as a decode into Go structs would.

1. Fields the message does not have are dropped and reported.
2. A value of another JSON type is refused with the path and the type that is wanted.
3. Nulls, empty lists and maps and zero scalars are dropped where the Go type omits them, so that
   two objects that mean the same are equal. Empty messages (`emptyDir: {}`) stay.
4. Times, quantities and base64 come out in their canonical form.

Source: sigs.k8s.io/json and the struct tags of the API types.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from podpass.api import schema
from podpass.api.meta import format_micro_time, format_time, parse_time
from podpass.api.quantity import canonical_quantity
from podpass.api.resources import Object
from podpass.api.schema import Field

_Path: TypeAlias = "tuple[_Path, str | int] | None"

MAX_REPORTED: Final = 100
"""How many unknown fields are reported at most."""

_INT_RANGES: Final = {"int32": 1 << 31, "int64": 1 << 63}
_RFC3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)\Z", re.ASCII
)
_MAX_PADDING: Final = 2
_NOT_BASE64: Final = re.compile(r"[^A-Za-z0-9+/\r\n]")


class StructureError(ValueError):
    """A value has another type than its field, or cannot be read as it."""


def conform(value: Any, message: str, unknown: list[str] | None = None) -> Object:
    """Return a copy of `value` in the shape of `message`, without `apiVersion` and `kind`.

    Args:
        value: Decoded JSON.
        message: A message of the schema.
        unknown: Paths of dropped fields are added here, e.g. `spec.containers[0].foo`.

    Raises:
        StructureError: A value is of the wrong type; the text names the field.
    """
    if not isinstance(value, dict):
        raise StructureError(
            f"json: cannot unmarshal {_kind(value)} into Go value of type {_go_type(message)}"
        )
    rest = {key: item for key, item in value.items() if key not in {"apiVersion", "kind"}}
    return _message(rest, message, None, unknown)


def _message(value: Object, message: str, path: _Path, unknown: list[str] | None) -> Object:
    known = schema.fields(message)
    out: Object = {}
    for key, item in value.items():
        field = known.get(key)
        if field is None:
            if unknown is not None and len(unknown) < MAX_REPORTED:
                unknown.append(_indexed((path, key)))
        elif item is not None:
            kept = _field(item, field, (path, key), unknown)
            if _is_kept(kept, field):
                out[key] = kept
    return out


def _is_kept(value: Any, field: Field) -> bool:
    if value or field.always:
        return True
    if isinstance(value, dict):
        return field.label != "map"
    if isinstance(value, list):
        return field.nullable and field.type in schema.ANY_JSON and field.label == "optional"
    return field.nullable or field.type == schema.INT_OR_STRING


def _field(value: Any, field: Field, path: _Path, unknown: list[str] | None) -> Any:
    if field.label == "repeated":
        if not isinstance(value, list):
            raise _mismatch(value, field, path)
        return [_single(item, field, (path, index), unknown) for index, item in enumerate(value)]
    if field.label == "map":
        if not isinstance(value, dict):
            raise _mismatch(value, field, path)
        return {key: _single(item, field, (path, key), unknown) for key, item in value.items()}
    return _single(value, field, path, unknown)


def _single(value: Any, field: Field, path: _Path, unknown: list[str] | None) -> Any:
    if value is None:
        return _zero(field)
    reader = _READERS.get(field.type)
    if reader is not None:
        return reader(value, field, path)
    if field.type in schema.STRING_LISTS:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise _mismatch(value, field, path)
        return value
    wanted = field.type
    if wanted == schema.SCHEMA_OR_BOOL:
        if isinstance(value, bool):
            return value
        wanted = schema.JSON_SCHEMA
    if not isinstance(value, dict):
        raise _mismatch(value, field, path)
    return _message(value, wanted, path, unknown)


def _zero(field: Field) -> Any:
    if field.type in _INT_RANGES:
        return 0
    if field.type == schema.QUANTITY:
        return "0"
    if field.type in schema.STRING_LISTS:
        return []
    if field.type in schema.ANY_JSON or field.type in schema.TEXT_SHAPED:
        return None
    return {} if field.is_message else ""


def _string(value: Any, field: Field, path: _Path) -> str:
    if not isinstance(value, str):
        raise _mismatch(value, field, path)
    return value


def _boolean(value: Any, field: Field, path: _Path) -> bool:
    if not isinstance(value, bool):
        raise _mismatch(value, field, path)
    return value


def _integer(value: Any, field: Field, path: _Path) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _mismatch(value, field, path)
    limit = _INT_RANGES[field.type]
    if not -limit <= value < limit:
        raise _mismatch(value, field, path)
    return value


def _double(value: Any, field: Field, path: _Path) -> int | float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _mismatch(value, field, path)
    return value


def _bytes(value: Any, field: Field, path: _Path) -> str:
    text = _string(value, field, path)
    compact = text.replace("\r", "").replace("\n", "")
    body = compact.rstrip("=")
    wrong = _NOT_BASE64.search(body)
    padding = len(compact) - len(body)
    if wrong or len(compact) % 4 or padding > _MAX_PADDING:
        end = len(body) if padding > _MAX_PADDING else len(body) // 4 * 4
        at = wrong.start() if wrong else end
        raise StructureError(f"illegal base64 data at input byte {at}")
    return base64.b64encode(base64.b64decode(compact)).decode()


def _time(value: Any, field: Field, path: _Path) -> str:
    text = _string(value, field, path)
    if not _RFC3339.match(text):
        raise StructureError(f"{_indexed(path)}: time {text!r} is not RFC 3339")
    try:
        moment = parse_time(text.upper())
    except (ValueError, OverflowError) as error:
        raise StructureError(f"{_indexed(path)}: {error}") from error
    return format_micro_time(moment) if field.type == schema.MICRO_TIME else format_time(moment)


def _quantity(value: Any, field: Field, path: _Path) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise _mismatch(value, field, path)
    try:
        return canonical_quantity(str(value))
    except ValueError as error:
        raise StructureError(f"{_indexed(path)}: {error}") from error


def _int_or_string(value: Any, field: Field, path: _Path) -> int | str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise _mismatch(value, field, path)
    if isinstance(value, int) and not -(1 << 31) <= value < 1 << 31:
        raise _mismatch(value, field, path)
    return value


def _anything(value: Any, _field: Field, _path: _Path) -> Any:
    return value


_READERS: Final[dict[str, Callable[[Any, Field, _Path], Any]]] = {
    "string": _string,
    "bool": _boolean,
    "int32": _integer,
    "int64": _integer,
    "bytes": _bytes,
    "double": _double,
    schema.TIME: _time,
    schema.MICRO_TIME: _time,
    schema.QUANTITY: _quantity,
    schema.INT_OR_STRING: _int_or_string,
    schema.FIELDS_V1: _anything,
    schema.RAW_EXTENSION: _anything,
}


def _steps(path: _Path) -> list[str | int]:
    steps: list[str | int] = []
    while path is not None:
        path, step = path
        steps.append(step)
    return steps[::-1]


def _indexed(path: _Path) -> str:
    text = ""
    for step in _steps(path):
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number" if isinstance(value, int) and abs(value) < 1 << 31 else f"number {value}"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _go_type(name: str) -> str:
    if "." not in name:
        return "[]uint8" if name == "bytes" else name
    package, _, message = name.rpartition(".")
    return f"{package.rpartition('.')[2]}.{message}"


def _mismatch(value: Any, field: Field, path: _Path) -> StructureError:
    names = [step for step in _steps(path) if isinstance(step, str)]
    wanted = _go_type(field.type)
    inside = isinstance(path, tuple) and (
        isinstance(path[1], int) or (field.label == "map" and names[-1] != field.name)
    )
    if field.label != "optional" and not inside:
        wanted = f"[]{wanted}" if field.label == "repeated" else f"map[string]{wanted}"
    owner = field.owner.rpartition(".")[2]
    return StructureError(
        f"json: cannot unmarshal {_kind(value)} into Go struct field "
        f"{owner}.{'.'.join(names)} of type {wanted}"
    )
