"""What a kubelet may do; whatever is not decided here is left to RBAC.

1. A node is a user `system:node:<name>` in the group `system:nodes`.
2. Secrets and ConfigMaps: get, and list or watch of one by name, if a pod on the node refers to it.
3. ServiceAccounts: create a token, and get, if a pod on the node runs as it.
4. Leases: its own in kube-node-lease.
5. Everything else: the rules of the ClusterRole system:node, which admission narrows down
   (`admission.node_restriction`).

Source: Kubernetes `plugin/pkg/auth/authorizer/node/node_authorizer.go`.
"""

from __future__ import annotations

from podpass.api.meta import UserInfo
from podpass.api.resources import CONFIG_MAPS, COORDINATION, LEASES, SECRETS, SERVICE_ACCOUNTS
from podpass.apiserver.bootstrap_roles import NODE_RULES
from podpass.apiserver.node_graph import NodeGraph
from podpass.rbac.attributes import Attributes, Decision
from podpass.rbac.rules import Rule

NODES_GROUP = "system:nodes"
NODE_USER_PREFIX = "system:node:"
LEASE_NAMESPACE = "kube-node-lease"

_LEASE_VERBS = frozenset({"get", "create", "update", "patch", "delete"})
_THROUGH_PODS = {one.plural: one for one in (SECRETS, CONFIG_MAPS)}


def node_name(user: UserInfo) -> str:
    """Return the name of the node that a user is, empty if it is none (rule 1)."""
    if NODES_GROUP in user.groups and user.name.startswith(NODE_USER_PREFIX):
        return user.name.removeprefix(NODE_USER_PREFIX)
    return ""


def _no(reason: str) -> Decision:
    return Decision(allowed=False, reason=reason)


class NodeAuthorizer:
    """Decides for nodes."""

    def __init__(self, graph: NodeGraph) -> None:
        self._graph = graph
        self._rules = tuple(Rule.from_json(rule) for rule in NODE_RULES)

    def decide(self, request: Attributes) -> Decision:
        """Return whether a node may do this; not allowed means only that RBAC decides."""
        node = node_name(request.user)
        if not node:
            return _no("")
        if request.resource in _THROUGH_PODS and not request.group:
            return self._through_pods(node, request)
        if request.resource == SERVICE_ACCOUNTS.plural and not request.group:
            return self._service_account(node, request)
        if request.resource == LEASES.plural and request.group == COORDINATION:
            return self._lease(node, request)
        return Decision(any(rule.allows(request) for rule in self._rules))  # 5

    def _related(self, node: str, request: Attributes) -> Decision:
        resource = _THROUGH_PODS.get(request.resource, SERVICE_ACCOUNTS)
        if self._graph.connects(node, resource, request.namespace, request.name):
            return Decision(allowed=True)
        return _no(f"no relationship found between node '{node}' and this object")

    def _through_pods(self, node: str, request: Attributes) -> Decision:
        if request.verb not in ("get", "list", "watch"):
            return _no("can only read resources of this type")
        if request.subresource:
            return _no("cannot read subresource")
        if not request.name:
            return _no("No Object name found")
        if not request.namespace:
            return _no("can only read namespaced object of this type")
        return self._related(node, request)

    def _service_account(self, node: str, request: Attributes) -> Decision:
        if request.verb == "get" and not request.subresource and request.name:
            return self._related(node, request)
        if request.verb != "create" or not request.name:
            return _no("can only create tokens for individual service accounts")
        if request.subresource != "token":
            return _no("can only create token subresource of serviceaccount")
        return self._related(node, request)

    def _lease(self, node: str, request: Attributes) -> Decision:
        if request.verb not in _LEASE_VERBS:
            return _no("can only get, create, update, patch, or delete a node lease")
        if request.namespace != LEASE_NAMESPACE:
            return _no(f'can only access leases in the "{LEASE_NAMESPACE}" system namespace')
        if request.name != node and not (request.verb == "create" and not request.name):
            return _no("can only access node lease with the same name as the requesting node")
        return Decision(allowed=True)
