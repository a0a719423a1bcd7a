"""May this user do that: group system:masters, then the Node authorizer, then RBAC.

Answers come from memory, without waiting; whoever says yes first decides. Source: apiserver
`authorization/authorizerfactory`, `NewPrivilegedGroups`, and `endpoints/handlers/responsewriters`.
"""

from __future__ import annotations

import orjson

from podpass.api import errors
from podpass.api.errors import StatusError
from podpass.api.meta import name_of, namespace_of
from podpass.api.resources import Object, Resource
from podpass.apiserver.node_authorizer import NodeAuthorizer
from podpass.apiserver.node_graph import NodeGraph, ObserveAction
from podpass.apiserver.object_reader import ObjectCallback, ObjectReader
from podpass.rbac.attributes import Attributes, Decision
from podpass.rbac.policy import POLICY_RESOURCES, Policy

__all__ = ["MASTERS", "Attributes", "Authorizer", "Decision", "forbidden_error"]

MASTERS = "system:masters"


class Authorizer:
    """Decides from what the watch caches have shown so far.

    Attributes:
        policy: All roles and bindings.
    """

    def __init__(self, reader: ObjectReader, *, observe: ObserveAction | None = None) -> None:
        """Follow pods, roles and bindings through `reader`.

        Args:
            reader: Live objects.
            observe: Told how long each change of the node graph took.
        """
        graph = NodeGraph(observe)
        graph.follow(reader)
        self._node = NodeAuthorizer(graph)
        self.policy = Policy()
        for resource in POLICY_RESOURCES:
            reader.subscribe(resource, self._follow(resource))

    def _follow(self, resource: Resource) -> ObjectCallback:
        def changed(_key: str, old: Object | None, new: Object | None) -> None:
            if new is not None:
                self.policy.put(resource, new)
            elif old is not None:
                self.policy.remove(resource, namespace_of(old), name_of(old))

        return changed

    def authorize(self, attributes: Attributes) -> Decision:
        """Decide about one request; the reason of a refusal may be empty."""
        if MASTERS in attributes.user.groups:
            return Decision(allowed=True)
        by_node = self._node.decide(attributes)
        if by_node.allowed:
            return by_node
        by_role = self.policy.decide(attributes)
        if by_role.allowed:
            return by_role
        reasons = [reason for reason in (by_node.reason, by_role.reason) if reason]
        return Decision(allowed=False, reason="; ".join(reasons))


def _quoted(text: str) -> str:
    return orjson.dumps(text).decode()


def forbidden_error(attributes: Attributes, reason: str) -> StatusError:
    """Return the 403 that says who may not do what."""
    suffix = f": {reason}" if reason else ""
    who = f"User {_quoted(attributes.user.name)} cannot {attributes.verb}"
    if attributes.path:
        text = f"forbidden: {who} path {_quoted(attributes.path)}{suffix}"
        return StatusError(403, "Forbidden", text, {})
    where = (
        f"in the namespace {_quoted(attributes.namespace)}"
        if attributes.namespace
        else "at the cluster scope"
    )
    why = (
        f"{who} resource {_quoted(attributes.full_resource)} in API group "
        f"{_quoted(attributes.group)} {where}{suffix}"
    )
    return errors.forbidden(attributes.resource, attributes.name, why, attributes.group)
