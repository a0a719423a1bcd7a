"""Field errors of validation, worded as Kubernetes words them.

A path is plain text: `spec.volumes[0].name`. Source: apimachinery `util/validation/field`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class FieldError:
    """One complaint about one field.

    Attributes:
        reason: Machine readable cause, e.g. `FieldValueInvalid`.
        path: Where, e.g. `spec.containers[0].name`.
        body: The message without the path, e.g. `Required value: must be set`.
    """

    reason: str
    path: str
    body: str

    def __str__(self) -> str:
        return f"{self.path}: {self.body}" if self.path else self.body


def shown(value: Any) -> str:
    """Return a value as messages quote it."""
    if isinstance(value, str):
        return orjson.dumps(value).decode()
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, (dict, list)):
        return orjson.dumps(value).decode()
    return str(value)


def _with_detail(head: str, detail: str) -> str:
    return f"{head}: {detail}" if detail else head


def required(path: str, detail: str = "") -> FieldError:
    """`path` must be set and is not."""
    return FieldError("FieldValueRequired", path, _with_detail("Required value", detail))


def invalid(path: str, value: Any, detail: str) -> FieldError:
    """`value` at `path` breaks the rule that `detail` names."""
    return FieldError("FieldValueInvalid", path, f"Invalid value: {shown(value)}: {detail}")


def forbidden(path: str, detail: str) -> FieldError:
    """`path` may not be set (here)."""
    return FieldError("FieldValueForbidden", path, _with_detail("Forbidden", detail))


def duplicate(path: str, value: Any) -> FieldError:
    """`value` stands in its list already."""
    return FieldError("FieldValueDuplicate", path, f"Duplicate value: {shown(value)}")


def not_found(path: str, value: Any) -> FieldError:
    """`value` names something that is not there."""
    return FieldError("FieldValueNotFound", path, f"Not found: {shown(value)}")


def not_supported(path: str, value: Any, supported: Iterable[str]) -> FieldError:
    """`value` is none of the `supported` ones."""
    values = ", ".join(shown(item) for item in sorted(supported))
    return FieldError(
        "FieldValueNotSupported",
        path,
        f"Unsupported value: {shown(value)}: supported values: {values}",
    )


def too_long(path: str, maximum: int) -> FieldError:
    """The value at `path` has more than `maximum` bytes."""
    return FieldError("FieldValueTooLong", path, f"Too long: may not be more than {maximum} bytes")


def join_messages(errors: Sequence[FieldError]) -> str:
    """Return the errors as one text: alone, or in brackets, without repeats."""
    texts = list(dict.fromkeys(str(error) for error in errors))
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
