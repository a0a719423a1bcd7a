"""Rules of numbers that may also be percentages, e.g. `maxSurge`.

Source: Kubernetes `pkg/apis/apps/validation` (`ValidatePositiveIntOrPercent`).
"""

from __future__ import annotations

import re
from typing import Any, Final

from podpass.api.field_errors import FieldError, invalid
from podpass.api.validation.pod_templates import NOT_NEGATIVE

_PERCENT: Final = re.compile(r"[0-9]+%", re.ASCII)
_PERCENT_TEXT: Final = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or "
    "'93%', regex used for validation is '[0-9]+%')"
)
_MAXIMUM_PERCENT: Final = 100


def share_errors(value: Any, path: str) -> list[FieldError]:
    """Return a complaint unless the value is a count or a percentage; None is fine."""
    if isinstance(value, str):
        return [] if _PERCENT.fullmatch(value) else [invalid(path, value, _PERCENT_TEXT)]
    return [invalid(path, value, NOT_NEGATIVE)] if value is not None and value < 0 else []


def limit_errors(value: Any, path: str) -> list[FieldError]:
    """Return a complaint when the value is a percentage over 100."""
    if not isinstance(value, str) or not _PERCENT.fullmatch(value):
        return []
    if int(value[:-1]) <= _MAXIMUM_PERCENT:
        return []
    return [invalid(path, value, "must not be greater than 100%")]


def is_zero(value: Any) -> bool:
    """Tell whether a value that passed `share_errors` is zero, absent or a percentage of zero."""
    return int(str(value or 0).removesuffix("%")) == 0
