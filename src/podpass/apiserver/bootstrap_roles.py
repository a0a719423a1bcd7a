"""The cluster roles that every cluster has, and who has them from the start.

`admin`, `edit` and `view` are aggregated: their own rules stand in the `system:aggregate-to-*`
roles, as in Kubernetes. Source: Kubernetes `plugin/pkg/auth/authorizer/rbac/bootstrappolicy`.
"""

from __future__ import annotations

from collections.abc import Sequence

from podpass.api.certificate_requests import API_CLIENT, KUBELET_CLIENT, KUBELET_SERVING
from podpass.api.resources import (
    APPS,
    AUTHENTICATION,
    AUTHORIZATION,
    BATCH,
    CERTIFICATES,
    COORDINATION,
    POLICY,
    RBAC,
    Object,
)

_READ = ("get", "list", "watch")
_WRITE = ("create", "delete", "deletecollection", "patch", "update")
_ALL = ("*",)
_AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"


def _rule(group: str, resources: Sequence[str], verbs: Sequence[str]) -> Object:
    return {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}


def _paths(*paths: str) -> Object:
    return {"nonResourceURLs": list(paths), "verbs": ["get"]}


_CREATE = ("create",)
_WORKLOADS = (
    "daemonsets", "deployments", "deployments/scale", "replicasets", "replicasets/scale",
    "statefulsets", "statefulsets/scale",
)  # fmt: skip
_JOBS = ("cronjobs", "jobs")

NODE_RULES: tuple[Object, ...] = (
    _rule(AUTHENTICATION, ["tokenreviews"], _CREATE),
    _rule(AUTHORIZATION, ["localsubjectaccessreviews", "subjectaccessreviews"], _CREATE),
    _rule("", ["services"], _READ),
    _rule("", ["nodes"], ("create", "get", "list", "watch", "patch", "update")),
    _rule("", ["nodes/status"], ("patch", "update")),
    _rule("", ["events"], ("create", "patch", "update")),
    _rule("", ["pods"], ("get", "list", "watch", "create", "delete")),
    _rule("", ["pods/status"], ("patch", "update")),
    _rule("", ["pods/eviction"], _CREATE),
    _rule("", ["configmaps", "secrets"], _READ),
    _rule("", ["serviceaccounts/token"], _CREATE),
    _rule("", ["serviceaccounts"], ("get",)),
    _rule("", ["persistentvolumeclaims", "persistentvolumes"], ("get",)),
    _rule("", ["endpoints"], ("get",)),
    _rule(COORDINATION, ["leases"], ("create", "delete", "get", "patch", "update")),
    _rule(CERTIFICATES, ["certificatesigningrequests"], ("create", *_READ)),
)
"""What a kubelet may do; the Node authorizer narrows down Secrets, ConfigMaps, accounts, Leases."""

_VIEW = (
    _rule(
        "",
        [
            "bindings", "configmaps", "endpoints", "events", "limitranges", "namespaces",
            "namespaces/status", "persistentvolumeclaims", "persistentvolumeclaims/status", "pods",
            "pods/log", "pods/status", "replicationcontrollers", "replicationcontrollers/scale",
            "replicationcontrollers/status", "resourcequotas", "resourcequotas/status",
            "serviceaccounts", "services", "services/status",
        ],
        _READ,
    ),
    _rule(APPS, (*_WORKLOADS, "controllerrevisions"), _READ),
    _rule(APPS, [f"{one}/status" for one in _WORKLOADS if "/" not in one], _READ),
    _rule(BATCH, [*_JOBS, *(f"{one}/status" for one in _JOBS)], _READ),
    _rule(POLICY, ["poddisruptionbudgets", "poddisruptionbudgets/status"], _READ),
)  # fmt: skip
_EDIT = (
    _rule(
        "", ["pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets",
             "services/proxy"], _READ,
    ),
    _rule("", ["serviceaccounts"], ("impersonate",)),
    _rule("", ["pods", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy"], _WRITE),
    _rule("", ["pods/eviction"], _CREATE),
    _rule(
        "",
        [
            "configmaps", "events", "persistentvolumeclaims", "replicationcontrollers",
            "replicationcontrollers/scale", "secrets", "serviceaccounts", "services",
            "services/proxy",
        ],
        _WRITE,
    ),
    _rule("", ["serviceaccounts/token"], _CREATE),
    _rule(APPS, _WORKLOADS, _WRITE),
    _rule(BATCH, _JOBS, _WRITE),
    _rule(POLICY, ["poddisruptionbudgets"], _WRITE),
    _rule(COORDINATION, ["leases"], (*_WRITE, *_READ)),
)  # fmt: skip
_ADMIN = (
    _rule(AUTHORIZATION, ["localsubjectaccessreviews"], _CREATE),
    _rule(RBAC, ["rolebindings", "roles"], (*_WRITE, *_READ)),
)

_CONTROLLER_MANAGER = (
    # The namespace controller deletes, and the garbage collector patches, whatever there is.
    _rule("*", _ALL, ("get", "list", "watch", "delete", "deletecollection", "patch", "update")),
    _rule(
        "",
        ["configmaps", "events", "pods", "pods/binding", "secrets", "serviceaccounts",
         "serviceaccounts/token"],
        _CREATE,
    ),
    _rule(APPS, ["controllerrevisions", "replicasets"], _CREATE),
    _rule(COORDINATION, ["leases"], _CREATE),
    _rule(RBAC, ["clusterroles"], ("escalate",)),  # the rules of roles that aggregate others
    _rule(AUTHENTICATION, ["tokenreviews"], _CREATE),
    _rule(AUTHORIZATION, ["subjectaccessreviews"], _CREATE),
    _rule(CERTIFICATES, ["signers"], ("approve", "sign"))
    | {"resourceNames": [KUBELET_CLIENT, KUBELET_SERVING]},
)  # fmt: skip
_CSR = "certificatesigningrequests"


def _metadata(name: str, labels: dict[str, str] | None = None) -> Object:
    return {
        "name": name,
        "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"} | (labels or {}),
        "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
    }


def _role(name: str, *rules: Object, aggregate_to: str = "") -> Object:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": _metadata(name, {_AGGREGATE + aggregate_to: "true"} if aggregate_to else None),
        "rules": list(rules),
    }


def _aggregated(name: str, *rules: Object, aggregate_to: str = "") -> Object:
    selector = {"matchLabels": {_AGGREGATE + name: "true"}}
    return _role(name, *rules, aggregate_to=aggregate_to) | {
        "aggregationRule": {"clusterRoleSelectors": [selector]}
    }


_HEALTH = (
    "/healthz", "/livez", "/readyz", "/version", "/version/",
)  # fmt: skip

CLUSTER_ROLES: tuple[Object, ...] = (
    _role("cluster-admin", _rule("*", _ALL, _ALL), {"nonResourceURLs": ["*"], "verbs": ["*"]}),
    _aggregated("admin", *_ADMIN, *_EDIT, *_VIEW),
    _aggregated("edit", *_EDIT, *_VIEW, aggregate_to="admin"),
    _aggregated("view", *_VIEW, aggregate_to="edit"),
    _role("system:aggregate-to-admin", *_ADMIN, aggregate_to="admin"),
    _role("system:aggregate-to-edit", *_EDIT, aggregate_to="edit"),
    _role("system:aggregate-to-view", *_VIEW, aggregate_to="view"),
    _role("system:node", *NODE_RULES),
    _role(
        "system:discovery",
        _paths("/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", *_HEALTH),
    ),
    _role("system:public-info-viewer", _paths(*_HEALTH)),
    _role(
        "system:basic-user",
        _rule(AUTHORIZATION, ["selfsubjectaccessreviews", "selfsubjectrulesreviews"], _CREATE),
        _rule(AUTHENTICATION, ["selfsubjectreviews"], _CREATE),
    ),
    _role(
        "system:auth-delegator",
        _rule(AUTHENTICATION, ["tokenreviews"], _CREATE),
        _rule(AUTHORIZATION, ["subjectaccessreviews"], _CREATE),
    ),
    _role(
        "system:service-account-issuer-discovery",
        _paths(
            "/.well-known/openid-configuration",
            "/.well-known/openid-configuration/",
            "/openid/v1/jwks",
            "/openid/v1/jwks/",
        ),
    ),
    _role(
        "system:monitoring",
        _paths("/healthz/*", "/livez/*", "/metrics", "/metrics/slis", "/readyz/*", *_HEALTH),
    ),
    _role("system:kube-controller-manager", *_CONTROLLER_MANAGER),
    _role("system:node-bootstrapper", _rule(CERTIFICATES, [_CSR], ("create", *_READ))),
    *(
        _role(
            f"system:certificates.k8s.io:{_CSR}:{which}",
            _rule(CERTIFICATES, [f"{_CSR}/{which}"], _CREATE),
        )
        for which in ("nodeclient", "selfnodeclient")
    ),
    *(
        _role(
            f"system:certificates.k8s.io:{signer.partition('/')[2]}-approver",
            _rule(CERTIFICATES, ["signers"], ("approve",)) | {"resourceNames": [signer]},
        )
        for signer in (API_CLIENT, KUBELET_CLIENT, KUBELET_SERVING)
    ),
)


def _binding(role: str, *subjects: tuple[str, str]) -> Object:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": _metadata(role),
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": RBAC, "kind": kind, "name": name} for kind, name in subjects],
    }


_EVERYBODY_KNOWN = ("Group", "system:authenticated")

CLUSTER_ROLE_BINDINGS: tuple[Object, ...] = (
    _binding("cluster-admin", ("Group", "system:masters")),
    _binding("system:discovery", _EVERYBODY_KNOWN),
    _binding("system:public-info-viewer", _EVERYBODY_KNOWN, ("Group", "system:unauthenticated")),
    _binding("system:basic-user", _EVERYBODY_KNOWN),
    _binding("system:service-account-issuer-discovery", ("Group", "system:serviceaccounts")),
    _binding("system:monitoring", ("Group", "system:monitoring")),
    _binding("system:kube-controller-manager", ("User", "system:kube-controller-manager")),
    _binding("system:node"),
    _binding("system:node-bootstrapper", ("Group", "system:bootstrappers")),
    _binding(f"system:certificates.k8s.io:{_CSR}:nodeclient", ("Group", "system:bootstrappers")),
    _binding(f"system:certificates.k8s.io:{_CSR}:selfnodeclient", ("Group", "system:nodes")),
)
