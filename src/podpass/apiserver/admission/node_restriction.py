"""A node writes only what is its own.

1. Pods: create mirror pods on itself, owned by its Node object; delete, and change the status of,
   pods on itself.
2. Nodes: its own object; labels that others rely on and taints are not its to change.
3. Leases: the one of its name in kube-node-lease.
4. Tokens: see `node_token_restriction`; certificates: see `node_certificate_restriction`.

What a kubelet may set of the labels under kubernetes.io and k8s.io follows Kubernetes, and
`node-role.kubernetes.io/*` at registration, as OpenShift lets its kubelets do. Source: Kubernetes
`plugin/pkg/admission/noderestriction/admission.go`.
"""

from __future__ import annotations

from podpass.api.meta import annotations_of, labels_of, name_of, uid_of
from podpass.api.resources import (
    CERTIFICATE_SIGNING_REQUESTS,
    CONFIG_MAPS,
    LEASES,
    NODES,
    PODS,
    SECRETS,
    SERVICE_ACCOUNTS,
    Object,
)
from podpass.apiserver.admission.chain import AdmissionRequest
from podpass.apiserver.admission.node_certificate_restriction import check_signing_request
from podpass.apiserver.admission.node_token_restriction import NodeTokenRestriction
from podpass.apiserver.admission.plugin import PassivePlugin
from podpass.apiserver.authorization import Authorizer
from podpass.apiserver.live_objects import LiveObjects
from podpass.apiserver.node_authorizer import (
    LEASE_NAMESPACE,
    NODE_USER_PREFIX,
    NODES_GROUP,
    node_name,
)
from podpass.apiserver.node_graph import MIRROR_ANNOTATION, references
from podpass.serviceaccount.issuance import node_of

_KUBELET_LABELS = frozenset(
    {
        "kubernetes.io/hostname",
        "kubernetes.io/arch",
        "kubernetes.io/os",
        "beta.kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/instance-type",
        "node.kubernetes.io/instance-type",
        "failure-domain.beta.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
    }
)
_KUBELET_NAMESPACES = ("kubelet.kubernetes.io", "node.kubernetes.io")
_SPOKEN = {
    SERVICE_ACCOUNTS.plural: "a service account",
    SECRETS.plural: "secrets",
    CONFIG_MAPS.plural: "configmaps",
}
_RESTRICTED_NAMESPACE = "node-restriction.kubernetes.io"
_ROLE_NAMESPACE = "node-role.kubernetes.io"


def _is_in(namespace: str, parent: str) -> bool:
    return namespace == parent or namespace.endswith(f".{parent}")


def _is_forbidden_label(label: str, *, registration: bool) -> bool:
    namespace, slash, _ = label.partition("/")
    if not slash or label in _KUBELET_LABELS:
        return False
    if _is_in(namespace, _RESTRICTED_NAMESPACE):
        return True
    if any(_is_in(namespace, one) for one in _KUBELET_NAMESPACES):
        return False
    if registration and namespace == _ROLE_NAMESPACE:
        return False
    return _is_in(namespace, "kubernetes.io") or _is_in(namespace, "k8s.io")


def forbidden_labels(new: Object, old: Object | None) -> list[str]:
    """Return the labels that differ and that a kubelet may not set, sorted (rule 2)."""
    after, before = labels_of(new), labels_of(old) if old is not None else {}
    changed = [key for key in after.keys() | before.keys() if after.get(key) != before.get(key)]
    return sorted(one for one in changed if _is_forbidden_label(one, registration=old is None))


class NodeRestriction(PassivePlugin):
    """The plugin of this name."""

    def __init__(self, objects: LiveObjects, authorizer: Authorizer) -> None:
        self._objects = objects
        self._tokens = NodeTokenRestriction(objects, authorizer)

    async def mutate(self, request: AdmissionRequest) -> None:
        """Refuse what is not the node's own.

        Raises:
            StatusError: 403; 404, the pod of a token request does not exist.
        """
        user = request.user
        if NODES_GROUP not in user.groups or not user.name.startswith(NODE_USER_PREFIX):
            return
        node = node_name(user)
        if not node:
            raise request.forbidden(f'could not determine node from user "{user.name}"')
        if request.resource is PODS:
            await self._check_pod(node, request)
        elif request.resource is NODES:
            _check_node(node, request)
        elif request.resource is LEASES:
            _check_lease(node, request)
        elif request.resource is SERVICE_ACCOUNTS and request.subresource == "token":
            await self._tokens.check(node, request)
        elif request.resource is CERTIFICATE_SIGNING_REQUESTS:
            check_signing_request(node, request)

    async def _check_pod(self, node: str, request: AdmissionRequest) -> None:
        if request.subresource == "status":
            _check_pod_status(node, request)
        elif request.subresource:
            raise request.forbidden(
                f"unexpected pod subresource \"{request.subresource}\", only 'status' and "
                "'eviction' are allowed"
            )
        elif request.operation == "CREATE":
            _check_mirror_pod(node, request)
            await self._check_owner(node, request)
        elif request.operation == "DELETE":
            if node_of(request.old_object or {}) != node:
                raise request.forbidden(
                    f'node "{node}" can only delete pods with spec.nodeName set to itself'
                )
        else:
            raise request.forbidden(
                f'unexpected operation "{request.operation}", node "{node}" can only create and '
                "delete mirror pods"
            )

    async def _check_owner(self, node: str, request: AdmissionRequest) -> None:
        metadata = (request.object or {}).get("metadata") or {}
        owners = metadata.get("ownerReferences") or [{}]
        if len(owners) > 1:
            raise request.forbidden(
                f'node "{node}" can only create pods with a single owner reference set to itself'
            )
        (owner,) = owners
        if (owner.get("apiVersion"), owner.get("kind")) != (NODES.api_version, NODES.kind) or (
            owner.get("name") != node
        ):
            raise request.forbidden(
                f'node "{node}" can only create pods with an owner reference set to itself'
            )
        if not owner.get("controller"):
            raise request.forbidden(
                f'node "{node}" can only create pods with a controller owner reference set to '
                "itself"
            )
        if owner.get("blockOwnerDeletion"):
            raise request.forbidden(
                f'node "{node}" must not set blockOwnerDeletion on an owner reference'
            )
        uid = str(owner.get("uid") or "")
        live = await self._objects.get(NODES, "", node, uid)
        if uid_of(live) != uid:
            raise request.forbidden(f"node {node} UID mismatch: expected {uid_of(live)} got {uid}")


def _check_pod_status(node: str, request: AdmissionRequest) -> None:
    if request.operation != "UPDATE":
        raise request.forbidden(f'unexpected operation "{request.operation}"')
    new, old = request.object or {}, request.old_object or {}
    if node_of(old) != node:
        raise request.forbidden(
            f'node "{node}" can only update pod status for pods with spec.nodeName set to itself'  # noqa: S608 - no SQL
        )
    if labels_of(new) != labels_of(old):
        raise request.forbidden(f'node "{node}" can not update labels through pod status')


def _check_mirror_pod(node: str, request: AdmissionRequest) -> None:
    pod = request.object or {}
    if MIRROR_ANNOTATION not in annotations_of(pod):
        raise request.forbidden(
            f'pod does not have "{MIRROR_ANNOTATION}" annotation, node "{node}" can only create '
            "mirror pods"
        )
    if node_of(pod) != node:
        raise request.forbidden(
            f'node "{node}" can only create pods with spec.nodeName set to itself'
        )
    for resource, _ in references(pod.get("spec") or {}):
        raise request.forbidden(
            f'node "{node}" can not create pods that reference {_SPOKEN[resource.plural]}'
        )


def _check_node(node: str, request: AdmissionRequest) -> None:
    new = request.object or {}
    target = request.name or name_of(new)
    if target != node:
        raise request.forbidden(f'node "{node}" is not allowed to modify node "{target}"')
    if request.operation == "CREATE":
        labels = forbidden_labels(new, None)
        if labels:
            raise request.forbidden(
                f'node "{node}" is not allowed to set the following labels: {", ".join(labels)}'
            )
    if request.operation == "UPDATE":
        old = request.old_object or {}
        if _taints(new) != _taints(old):
            raise request.forbidden(f'node "{node}" is not allowed to modify taints')
        labels = forbidden_labels(new, old)
        if labels:
            raise request.forbidden(
                f'node "{node}" is not allowed to modify labels: {", ".join(labels)}'
            )


def _taints(node: Object) -> list[Object]:
    return (node.get("spec") or {}).get("taints") or []


def _check_lease(node: str, request: AdmissionRequest) -> None:
    if request.namespace != LEASE_NAMESPACE:
        raise request.forbidden(
            f'can only access leases in the "{LEASE_NAMESPACE}" system namespace'
        )
    if (request.name or name_of(request.object or {})) != node:
        raise request.forbidden(
            "can only access node lease with the same name as the requesting node"
        )
