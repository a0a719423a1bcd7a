"""Which form of an object the client accepts: as it is, as a Table, or its metadata only.

1. Clauses of `Accept` are tried in order; the first that is served wins.
2. JSON is what is served; protobuf is not, and clients that ask for both get JSON.
3. No header and `*/*` mean the object as JSON.
Source: apiserver `endpoints/handlers/negotiation`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from podpass.api import errors

ACCEPTED = ("application/json",)
Form = Literal["object", "table", "metadata"]

_FORMS: dict[tuple[str, str, str], Form] = {
    ("", "", ""): "object",
    ("meta.k8s.io", "v1", "Table"): "table",
    ("meta.k8s.io", "v1", "PartialObjectMetadata"): "metadata",
    ("meta.k8s.io", "v1", "PartialObjectMetadataList"): "metadata",
}
_WILDCARDS = frozenset({"*/*", "application/*", "application/json"})


@dataclass(frozen=True, slots=True)
class Representation:
    """What the response carries."""

    form: Form = "object"


@lru_cache(maxsize=256)
def negotiate(accept: str) -> Representation:
    """Choose the representation for an `Accept` header.

    Raises:
        StatusError: 406, none of the clauses is served.
    """
    if not accept.strip():
        return Representation()
    for clause in accept.split(","):
        media_type, *pairs = (part.strip() for part in clause.split(";"))
        if media_type not in _WILDCARDS:
            continue
        parameters = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        wanted = tuple(parameters.get(key, "") for key in ("g", "v", "as"))
        form = _FORMS.get((wanted[0], wanted[1], wanted[2]))
        if form is not None:
            return Representation(form)
    raise errors.not_acceptable(ACCEPTED)
