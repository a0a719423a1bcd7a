"""The OpenAPI documents of a server with its custom kinds in them.

A document is rendered at the first question, and again when its kinds have changed.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING

import orjson

from podpass.api import openapi
from podpass.api.resources import Resource
from podpass.storage.defined_kinds import DefinedKinds

if TYPE_CHECKING:
    from podpass.api.custom_resources.kind import CustomKind


class OpenApiDocuments:
    """Documents of all group versions."""

    def __init__(self, kinds: DefinedKinds) -> None:
        self._kinds = kinds
        self._rendered: dict[str, tuple[list[CustomKind | None], bytes]] = {}

    def index(self) -> bytes:
        """Return the document at `/openapi/v3`."""
        names = dict.fromkeys(_name(one) for one in self._kinds)
        if not names:
            return _built_in_index()
        index = orjson.loads(_built_in_index())
        for name in names:
            digest = hashlib.sha512(self.document(name) or b"").hexdigest().upper()
            url = f"/openapi/v3/{name}?hash={digest}"
            index["paths"][name] = {"serverRelativeURL": url}
        return orjson.dumps(index)

    def document(self, name: str) -> bytes | None:
        """Return the document of `api/v1` or `apis/<group>/<version>`, or None."""
        built_in = openapi.document(name)
        custom = [one for one in self._kinds if _name(one) == name]
        if not custom:
            self._rendered.pop(name, None)
            return built_in
        rules = [one.custom for one in custom]
        known = self._rendered.get(name)
        if known is None or known[0] != rules:
            from podpass.api.custom_resources.openapi import (  # noqa: PLC0415 - rare
                custom_document,
            )

            known = rules, custom_document(custom, built_in)
            self._rendered[name] = known
        return known[1]


@cache
def _built_in_index() -> bytes:
    return orjson.dumps(openapi.index())


def _name(resource: Resource) -> str:
    return f"apis/{resource.group}/{resource.version}"
