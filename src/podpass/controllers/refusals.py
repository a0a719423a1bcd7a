"""Refusals of the API server that a controller expects and passes over."""

from __future__ import annotations

from podpass.api.errors import StatusError


def is_not_found(error: StatusError) -> bool:
    """Tell whether the object, or its namespace, is gone."""
    return error.code == 404  # noqa: PLR2004 - NotFound


def is_conflict(error: StatusError) -> bool:
    """Tell whether the object changed, or is another of the same name."""
    return error.reason == "Conflict"


def is_namespace_terminating(error: StatusError) -> bool:
    """Tell whether nothing can be created because the namespace is being deleted."""
    causes = (error.details or {}).get("causes") or ()
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes) or (
        error.reason == "Forbidden" and "is being terminated" in error.message
    )


def is_creation_pointless(error: StatusError) -> bool:
    """Tell whether a create need not be repeated: it is there, or has nowhere to be."""
    return error.reason == "AlreadyExists" or is_not_found(error) or is_namespace_terminating(error)
