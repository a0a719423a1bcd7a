"""What is to be allowed: who wants to do what with which object or path."""

from __future__ import annotations

from dataclasses import dataclass

from podpass.api.meta import UserInfo


@dataclass(frozen=True, slots=True)
class Attributes:
    """One request, as authorization sees it.

    Attributes:
        user: Who asks.
        verb: API verb, or the HTTP method in lower case for a path.
        group: API group, empty for core.
        version: API version.
        resource: Plural, e.g. `pods`; empty for a path.
        subresource: e.g. `log`.
        namespace: Empty for cluster scoped objects and for lists over all namespaces.
        name: Object name; empty where the request names none.
        path: URL path of a request that is for no resource; not empty exactly for these.
    """

    user: UserInfo
    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def full_resource(self) -> str:
        """`pods` or `pods/log`."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a request is allowed, and why (not)."""

    allowed: bool
    reason: str = ""
