"""How long a token may be asked for, the same in a request and in a projected volume.

Source: Kubernetes `pkg/apis/authentication/validation`, `pkg/apis/core/validation`.
"""

from __future__ import annotations

from typing import Final

from podpass.api.field_errors import FieldError, invalid

MINIMUM_SECONDS: Final = 600
MAXIMUM_SECONDS: Final = 1 << 32


def expiration_errors(
    seconds: int, path: str, *, minimum_seconds: int = MINIMUM_SECONDS
) -> list[FieldError]:
    """Return what is wrong with a requested life.

    Args:
        seconds: The requested life.
        path: Path of the field.
        minimum_seconds: The shortest life that is granted; tests of rotation lower it.
    """
    if seconds < minimum_seconds:
        least = _duration_text(minimum_seconds)
        return [invalid(path, seconds, f"may not specify a duration less than {least}")]
    if seconds > MAXIMUM_SECONDS:
        return [invalid(path, seconds, "may not specify a duration larger than 2^32 seconds")]
    return []


def _duration_text(seconds: int) -> str:
    count, unit = (seconds, "second") if seconds % 60 else (seconds // 60, "minute")
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
