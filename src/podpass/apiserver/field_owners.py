"""Who owns the fields of what is written: `metadata.managedFields` of ordinary writes.

1. A creation is recorded when its client names a `fieldManager`: then somebody will ask. What our
   own controllers and kubelets create carries no owners, and costs none.
2. Writes of an object that has owners are recorded, under the `fieldManager` or else the name of
   the program in `User-Agent`; a status that is written without a `fieldManager` only takes its
   fields from who owned them.
3. A client may write the list itself, and empties it with one empty entry.

Source: apimachinery `util/managedfields` (`skipNonAppliedManager`, `decodeLiveOrNew`); rule 2 on
status is our own, docs/adr/0040.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from podpass.api import errors, field_errors
from podpass.api.managed_fields.owners import (
    UPDATE,
    Owner,
    Owners,
    after_update,
    ownable,
    read_owners,
    write_owners,
)
from podpass.api.managed_fields.shapes import resource_shape
from podpass.api.resources import Object, Resource
from podpass.apiserver.request_context import RequestContext

MAX_MANAGER_BYTES: Final = 128

_KIND: Final = "PatchOptions"
_META: Final = "meta.k8s.io"


def field_manager(context: RequestContext) -> str:
    """Return the parameter `fieldManager`, or an empty string.

    Raises:
        StatusError: 422, it is too long or cannot be shown.
    """
    name = context.query.get("fieldManager", "")
    problems = []
    if len(name.encode()) > MAX_MANAGER_BYTES:
        problems.append(field_errors.too_long("fieldManager", MAX_MANAGER_BYTES))
    if not name.isprintable():
        text = "should only contain printable characters"
        problems.append(field_errors.invalid("fieldManager", name, text))
    if problems:
        raise errors.invalid(_KIND, "", problems, _META)
    return name


def ignored_fields(resource: Resource, subresource: str, obj: Object) -> tuple[str, ...]:
    """Return the fields of an object that a request cannot write."""
    if subresource == "status":
        return tuple(key for key in obj if key not in {"apiVersion", "kind", "metadata", "status"})
    return ("status",) if resource.subresource("status") is not None else ()


def own_created(context: RequestContext, resource: Resource, obj: Object, now: datetime) -> None:
    """Record, in place, who makes a new object (rule 1).

    Raises:
        StatusError: 422, the name of the manager cannot be used.
    """
    manager = field_manager(context)
    if not manager:
        return
    owner = Owner(manager, UPDATE, resource.api_version)
    fields = ownable(obj, resource_shape(resource), ignored_fields(resource, "", obj))
    _put(obj, after_update({}, {}, fields, owner, now=now))


def own_updated(
    context: RequestContext,
    resource: Resource,
    new: Object,
    old: Object,
    sent: Any,
    now: datetime,
) -> None:
    """Record, in place, who changes an object (rules 2 and 3).

    Args:
        context: The request.
        resource: Kind of the object.
        new: What is to be stored, without owners.
        old: What is stored.
        sent: The owners that the request's object came with.
        now: Time of the request.

    Raises:
        StatusError: 422, the name of the manager cannot be used.
    """
    manager = field_manager(context)
    stored = old["metadata"].get("managedFields")
    subresource = context.info.subresource
    if sent and not subresource:
        if all(not entry for entry in sent):  # 3
            return
        owners = read_owners(sent) or read_owners(stored)
    elif stored:
        owners = read_owners(stored)
    else:
        return
    if not owners:
        return
    owner: Owner | None = None
    if manager or subresource != "status":
        name = manager or _program(context)
        owner = Owner(name, UPDATE, resource.api_version, subresource)
    shape = resource_shape(resource)
    before, after = ownable(old, shape), ownable(new, shape)
    _put(new, after_update(owners, before, after, owner, now=now))


def _program(context: RequestContext) -> str:
    agent = context.http.headers.get("User-Agent", "").partition("/")[0]
    return "".join(one for one in agent if one.isprintable())[:MAX_MANAGER_BYTES] or "unknown"


def _put(obj: Object, owners: Owners) -> None:
    entries = write_owners(owners)
    if entries:
        obj["metadata"]["managedFields"] = entries
