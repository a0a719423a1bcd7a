"""`kubectl --as`: act as somebody else, if RBAC grants the verb `impersonate` on them.

1. Every part of the identity (user or service account, UID, each group, each extra) is authorized
   alone; one refusal refuses the request.
2. An impersonated service account gets its groups; everybody but the anonymous user gets
   `system:authenticated`.
3. Groups, UID or extras without a user are refused, never ignored.
Source: apiserver `endpoints/filters/impersonation`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import unquote

from multidict import CIMultiDictProxy

from podpass.api import errors
from podpass.api.meta import UserInfo
from podpass.api.resources import AUTHENTICATION
from podpass.apiserver.authentication import AUTHENTICATED, UNAUTHENTICATED
from podpass.apiserver.authorization import Attributes, Authorizer, forbidden_error

_PREFIX = "impersonate-"
_USER = "Impersonate-User"
_GROUP = "Impersonate-Group"
_UID = "Impersonate-Uid"
_EXTRA = "impersonate-extra-"
_ACCOUNT_PREFIX = "system:serviceaccount:"
_ANONYMOUS = "system:anonymous"


def requested_user(headers: CIMultiDictProxy[str]) -> UserInfo | None:
    """Return whom the headers ask to be, as they say it, or None.

    Raises:
        StatusError: 400, there is more than one user, or none beside other parts (rule 3).
    """
    if _PREFIX not in " ".join(headers).lower():  # in passing: nearly no request does
        return None
    if not any(name[: len(_PREFIX)].lower() == _PREFIX for name in headers):
        return None
    names = headers.getall(_USER, [])
    if len(names) != 1 or not names[0]:
        raise errors.bad_request("requested impersonation without exactly one Impersonate-User")
    extra: dict[str, tuple[str, ...]] = {}
    for header in dict.fromkeys(name.lower() for name in headers):
        if header.startswith(_EXTRA):
            key = unquote(header.removeprefix(_EXTRA))
            extra[key] = tuple(headers.getall(header))
    return UserInfo(names[0], headers.get(_UID, ""), tuple(headers.getall(_GROUP, [])), extra)


def _account(name: str) -> tuple[str, str] | None:
    """Return namespace and name of a service account's user name."""
    parts = name.removeprefix(_ACCOUNT_PREFIX).split(":")
    if not name.startswith(_ACCOUNT_PREFIX) or len(parts) != 2 or not all(parts):  # noqa: PLR2004
        return None
    return parts[0], parts[1]


def _questions(user: UserInfo, wanted: UserInfo) -> Iterator[Attributes]:
    base = Attributes(user, "impersonate", version="v1")
    account = _account(wanted.name)
    if account is not None:
        yield replace(base, resource="serviceaccounts", namespace=account[0], name=account[1])
    else:
        yield replace(base, resource="users", name=wanted.name)
    for group in wanted.groups:
        yield replace(base, resource="groups", name=group)
    in_group = replace(base, group=AUTHENTICATION)
    if wanted.uid:
        yield replace(in_group, resource="uids", name=wanted.uid)
    for key, values in wanted.extra.items():
        for value in values:
            yield replace(in_group, resource="userextras", subresource=key, name=value)


def impersonate(headers: CIMultiDictProxy[str], user: UserInfo, authorizer: Authorizer) -> UserInfo:
    """Return who the request is to be judged as.

    Args:
        headers: Of the request.
        user: Who sent it.
        authorizer: Decides about each part.

    Raises:
        StatusError: 400 (rule 3); 403, a part is not granted (rule 1).
    """
    wanted = requested_user(headers)
    if wanted is None:
        return user
    for attributes in _questions(user, wanted):
        decision = authorizer.authorize(attributes)
        if not decision.allowed:
            raise forbidden_error(attributes, decision.reason)
    groups = wanted.groups
    account = _account(wanted.name)
    if account is not None and not groups:
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{account[0]}")
    mark = UNAUTHENTICATED if wanted.name == _ANONYMOUS else AUTHENTICATED
    if mark not in groups and UNAUTHENTICATED not in groups:
        groups = (*groups, mark)
    return replace(wanted, groups=groups)
