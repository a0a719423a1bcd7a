"""Admission: plugins that change a request, then plugins that refuse it.

A plugin sees every write and decides by itself what concerns it. Objects that have not changed may
be shared with the cache: only `object` may be written to, and only in `mutate`. Source: apiserver
`admission/chain.go`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from podpass.api import errors
from podpass.api.errors import StatusError
from podpass.api.meta import UserInfo
from podpass.api.resources import Object, Resource
from podpass.apiserver.admission.plugin import PassivePlugin

Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]


@dataclass(slots=True, kw_only=True)
class AdmissionRequest:
    """One write, before it is stored.

    Attributes:
        operation: What is done.
        resource: Kind of the object in the URL.
        subresource: e.g. `status`, `token`, `binding`.
        namespace: Of the URL.
        name: Of the URL; empty on create.
        object: The new object, or the body of a subresource; None on delete.
        old_object: What is stored now; None on create.
        user: Who asks.
        dry_run: Whether nothing will be stored.
        warnings: Texts for `Warning` headers; plugins append.
        audit_annotations: Facts for the audit log; plugins add.
    """

    operation: Operation
    resource: Resource
    user: UserInfo
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    object: Object | None = None
    old_object: Object | None = None
    dry_run: bool = False
    warnings: list[str] = field(default_factory=list)
    audit_annotations: dict[str, str] = field(default_factory=dict)

    def forbidden(self, why: str) -> StatusError:
        """Return the 403 of a plugin; the name falls back to the object's own."""
        metadata = (self.object or {}).get("metadata") or {}
        name = self.name or metadata.get("name") or metadata.get("generateName") or "Unknown"
        return errors.forbidden(self.resource.plural, str(name), why, self.resource.group)


class Plugin(Protocol):
    """One admission plugin."""

    async def mutate(self, request: AdmissionRequest) -> None:
        """Change `request.object` in place, or refuse.

        Raises:
            StatusError: The request is refused.
        """
        ...

    async def validate(self, request: AdmissionRequest) -> None:
        """Refuse, or do nothing.

        Raises:
            StatusError: The request is refused.
        """
        ...


class AdmissionChain:
    """Plugins in their order."""

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self._mutating = [one for one in plugins if type(one).mutate is not PassivePlugin.mutate]
        self._validating = [
            one for one in plugins if type(one).validate is not PassivePlugin.validate
        ]

    async def mutate(self, request: AdmissionRequest) -> None:
        """Let every plugin change the object.

        Raises:
            StatusError: A plugin refused.
        """
        for plugin in self._mutating:
            await plugin.mutate(request)

    async def validate(self, request: AdmissionRequest) -> None:
        """Let every plugin judge the object.

        Raises:
            StatusError: A plugin refused.
        """
        for plugin in self._validating:
            await plugin.validate(request)
