"""Paths of files inside a volume or container, and their modes.

Source: Kubernetes `pkg/apis/core/validation/validation.go`.
"""

from __future__ import annotations

from typing import Any, Final

from podpass.api.field_errors import FieldError, invalid

MODE_TEXT: Final = "must be a number between 0 and 0777 (octal), both inclusive"


def local_path_errors(value: str, path: str) -> list[FieldError]:
    """Return what is wrong with a path that must stay below its directory."""
    errors = []
    if value.startswith("/"):
        errors.append(invalid(path, value, "must be a relative path"))
    return errors + backstep_errors(value, path)


def file_path_errors(value: str, path: str) -> list[FieldError]:
    """Return what is wrong with the path of a projected file; `..` names are the writer's own."""
    errors = local_path_errors(value, path)
    if value.startswith("..") and not value.startswith("../"):
        errors.append(invalid(path, value, "must not start with '..'"))
    return errors


def backstep_errors(value: str, path: str) -> list[FieldError]:
    """Return a complaint when an element of the path is `..`."""
    if ".." in value.split("/"):
        return [invalid(path, value, "must not contain '..'")]
    return []


def mode_errors(mode: Any, path: str) -> list[FieldError]:
    """Return a complaint when the mode of a file is out of range; None is fine."""
    if mode is None or 0 <= mode <= 0o777:  # noqa: PLR2004 - permission bits
        return []
    return [invalid(path, mode, MODE_TEXT)]
