"""What an API server makes sure of when it starts: the first namespaces, roles and bindings.

1. What is missing is created; several servers may do so at the same time.
2. A role or binding that lost rules or subjects gets them back; what was added is kept. The
   annotation `rbac.authorization.kubernetes.io/autoupdate: "false"` turns that off for an object.

Source: Kubernetes `pkg/registry/rbac/rest/storage_rbac.go`, `ensureRBACPolicy`, and
`pkg/controlplane/controller/systemnamespaces`.
"""

from __future__ import annotations

import asyncio
from copy import deepcopy

from podpass.api.errors import StatusError
from podpass.api.meta import annotations_of, format_time, name_of
from podpass.api.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    NAMESPACES,
    Object,
    Resource,
)
from podpass.apiserver import bootstrap_roles
from podpass.base.clock import Clock
from podpass.base.tasks import new_uid
from podpass.rbac.policy import read_rules
from podpass.rbac.rules import uncovered
from podpass.storage.objects import ObjectStore

SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")

_AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
_CONFLICT = 409


def _namespace(name: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }


def _reconcile_role(current: Object, wanted: Object) -> Object:
    lost = uncovered(read_rules(current), read_rules(wanted))
    if lost:
        have = list(current.get("rules") or ())
        current["rules"] = have + [rule for rule in wanted["rules"] if rule not in have]
    if "aggregationRule" in wanted:
        current.setdefault("aggregationRule", wanted["aggregationRule"])
    return current


def _reconcile_binding(current: Object, wanted: Object) -> Object:
    have = list(current.get("subjects") or ())
    lost = [one for one in wanted["subjects"] if one not in have]
    if lost:
        current["subjects"] = have + lost
    return current


def reconcile(resource: Resource, current: Object, wanted: Object) -> Object:
    """Return `current`, changed in place, with what it lost of `wanted` (rule 2)."""
    if annotations_of(current).get(_AUTOUPDATE) == "false":
        return current
    if resource is CLUSTER_ROLES:
        return _reconcile_role(current, wanted)
    if resource is CLUSTER_ROLE_BINDINGS:
        return _reconcile_binding(current, wanted)
    return current


async def _ensure(
    objects: ObjectStore, resource: Resource, wanted: Object, present: Object | None, clock: Clock
) -> None:
    if present is None:
        created = deepcopy(wanted)
        created["metadata"] |= {"uid": new_uid(), "creationTimestamp": format_time(clock.now())}
        try:
            await objects.create(resource, created)
        except StatusError as error:
            if error.code != _CONFLICT:  # 1: another server was faster
                raise
        return
    if reconcile(resource, deepcopy(present), wanted) != present:
        await objects.update(
            resource, "", name_of(wanted), lambda current: reconcile(resource, current, wanted)
        )


async def ensure_bootstrap_policy(objects: ObjectStore, clock: Clock) -> None:
    """Create or complete the system namespaces, cluster roles and bindings.

    Raises:
        StatusError: The store does not answer.
    """
    wanted: dict[Resource, tuple[Object, ...]] = {
        NAMESPACES: tuple(_namespace(name) for name in SYSTEM_NAMESPACES),
        CLUSTER_ROLES: bootstrap_roles.CLUSTER_ROLES,
        CLUSTER_ROLE_BINDINGS: bootstrap_roles.CLUSTER_ROLE_BINDINGS,
    }
    pending = []
    for resource, wanted_objects in wanted.items():
        page = await objects.list(resource, None)
        present = {name_of(one.object): one.object for one in page.items}
        pending += [
            _ensure(objects, resource, one, present.get(name_of(one)), clock)
            for one in wanted_objects
        ]
    await asyncio.gather(*pending)
