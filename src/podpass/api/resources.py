"""The one table of what is served: group, version, names, scope, verbs and subresources.

Everything that must know a kind asks here: routing, discovery, RBAC, storage keys, the client.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from podpass.api.custom_resources.kind import CustomKind

Object: TypeAlias = dict[str, Any]
"""An API object as JSON: str keys, JSON values."""

STANDARD_VERBS = (
    "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Subresource:
    """A path below an object, e.g. `status`, `log`, `token`.

    Attributes:
        name: Path element.
        kind: Kind of the body; of the parent's group and version unless given below.
        verbs: API verbs.
        group: Group of the kind if it is not the parent's.
        version: Version of the kind if it is not the parent's.
    """

    name: str
    kind: str
    verbs: tuple[str, ...]
    group: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Resource:
    """One served kind.

    Attributes:
        group: API group, empty for core.
        version: API version, e.g. `v1`.
        plural: Path element, e.g. `pods`.
        kind: e.g. `Pod`.
        singular: e.g. `pod`.
        namespaced: Whether objects live in a namespace.
        short_names: What kubectl users may type instead.
        categories: e.g. `all`.
        verbs: API verbs of the resource itself.
        subresources: What is below an object.
        stored: Whether objects are kept; a TokenReview is answered and forgotten.
        custom: The rules of a kind that was defined at run time; None for all in this table.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = STANDARD_VERBS
    subresources: tuple[Subresource, ...] = field(default=())
    stored: bool = True
    custom: CustomKind | None = field(default=None, compare=False, repr=False)

    def __hash__(self) -> int:
        # Resources are keys of tables that every request looks into; all fields would take 2 us.
        return hash((self.group, self.plural))

    @property
    def api_version(self) -> str:
        """`v1` or `group/version`, as objects carry it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular_name(self) -> str:
        """The singular, by default the lower case kind."""
        return self.singular or self.kind.lower()

    @property
    def qualified(self) -> str:
        """`pods` or `roles.rbac.authorization.k8s.io`, as error messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def subresource(self, name: str) -> Subresource | None:
        """Return the subresource of this name, if it is served."""
        return next((one for one in self.subresources if one.name == name), None)

    def path(self, namespace: str | None = None, name: str = "", subresource: str = "") -> str:
        """Return the URL path of the collection, an object or a subresource."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        parts = [root]
        if self.namespaced and namespace:
            parts.append(f"namespaces/{namespace}")
        parts.append(self.plural)
        if name:
            parts.append(name)
        if subresource:
            parts.append(subresource)
        return "/".join(parts)


def _status(kind: str) -> Subresource:
    return Subresource("status", kind, ("get", "patch", "update"))


def _scale() -> Subresource:
    return Subresource("scale", "Scale", ("get", "patch", "update"), AUTOSCALING, "v1")


APIEXTENSIONS = "apiextensions.k8s.io"
APPS = "apps"
AUTOSCALING = "autoscaling"
BATCH = "batch"
CERTIFICATES = "certificates.k8s.io"
POLICY = "policy"
RBAC = "rbac.authorization.k8s.io"
AUTHENTICATION = "authentication.k8s.io"
AUTHORIZATION = "authorization.k8s.io"
COORDINATION = "coordination.k8s.io"
CONFIG_OPENSHIFT = "config.openshift.io"
OPERATOR_OPENSHIFT = "operator.openshift.io"
_CREATE_ONLY = ("create",)

NAMESPACES = Resource(
    "", "v1", "namespaces", "Namespace", namespaced=False, short_names=("ns",),
    verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
    subresources=(Subresource("finalize", "Namespace", ("update",)), _status("Namespace")),
)  # fmt: skip
SERVICE_ACCOUNTS = Resource(
    "", "v1", "serviceaccounts", "ServiceAccount", namespaced=True, short_names=("sa",),
    subresources=(Subresource("token", "TokenRequest", _CREATE_ONLY, AUTHENTICATION, "v1"),),
)  # fmt: skip
SECRETS = Resource("", "v1", "secrets", "Secret", namespaced=True)
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", namespaced=True, short_names=("cm",))
PODS = Resource(
    "", "v1", "pods", "Pod", namespaced=True, short_names=("po",), categories=("all",),
    subresources=(
        Subresource("attach", "PodAttachOptions", ("create", "get")),
        Subresource("binding", "Binding", _CREATE_ONLY),
        Subresource("eviction", "Eviction", _CREATE_ONLY, POLICY, "v1"),
        Subresource("exec", "PodExecOptions", ("create", "get")),
        Subresource("log", "Pod", ("get",)),
        Subresource("portforward", "PodPortForwardOptions", ("create", "get")),
        _status("Pod"),
    ),
)  # fmt: skip
NODES = Resource(
    "", "v1", "nodes", "Node", namespaced=False, short_names=("no",),
    subresources=(_status("Node"),),
)  # fmt: skip
EVENTS = Resource("", "v1", "events", "Event", namespaced=True, short_names=("ev",))
LEASES = Resource(COORDINATION, "v1", "leases", "Lease", namespaced=True)
ROLES = Resource(RBAC, "v1", "roles", "Role", namespaced=True)
ROLE_BINDINGS = Resource(RBAC, "v1", "rolebindings", "RoleBinding", namespaced=True)
CLUSTER_ROLES = Resource(RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False)
CLUSTER_ROLE_BINDINGS = Resource(
    RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False
)
DEPLOYMENTS = Resource(
    APPS, "v1", "deployments", "Deployment", namespaced=True, short_names=("deploy",),
    categories=("all",), subresources=(_scale(), _status("Deployment")),
)  # fmt: skip
REPLICA_SETS = Resource(
    APPS, "v1", "replicasets", "ReplicaSet", namespaced=True, short_names=("rs",),
    categories=("all",), subresources=(_scale(), _status("ReplicaSet")),
)  # fmt: skip
STATEFUL_SETS = Resource(
    APPS, "v1", "statefulsets", "StatefulSet", namespaced=True, short_names=("sts",),
    categories=("all",), subresources=(_scale(), _status("StatefulSet")),
)  # fmt: skip
DAEMON_SETS = Resource(
    APPS, "v1", "daemonsets", "DaemonSet", namespaced=True, short_names=("ds",),
    categories=("all",), subresources=(_status("DaemonSet"),),
)  # fmt: skip
CONTROLLER_REVISIONS = Resource(
    APPS, "v1", "controllerrevisions", "ControllerRevision", namespaced=True
)
JOBS = Resource(
    BATCH, "v1", "jobs", "Job", namespaced=True, categories=("all",),
    subresources=(_status("Job"),),
)  # fmt: skip
POD_DISRUPTION_BUDGETS = Resource(
    POLICY, "v1", "poddisruptionbudgets", "PodDisruptionBudget", namespaced=True,
    short_names=("pdb",), subresources=(_status("PodDisruptionBudget"),),
)  # fmt: skip
CERTIFICATE_SIGNING_REQUESTS = Resource(
    CERTIFICATES, "v1", "certificatesigningrequests", "CertificateSigningRequest",
    namespaced=False, short_names=("csr",),
    subresources=(
        Subresource("approval", "CertificateSigningRequest", ("get", "patch", "update")),
        _status("CertificateSigningRequest"),
    ),
)  # fmt: skip
TOKEN_REVIEWS = Resource(
    AUTHENTICATION, "v1", "tokenreviews", "TokenReview", namespaced=False,
    verbs=_CREATE_ONLY, stored=False,
)  # fmt: skip
SELF_SUBJECT_REVIEWS = Resource(
    AUTHENTICATION, "v1", "selfsubjectreviews", "SelfSubjectReview", namespaced=False,
    verbs=_CREATE_ONLY, stored=False,
)  # fmt: skip
SUBJECT_ACCESS_REVIEWS = Resource(
    AUTHORIZATION, "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False,
    verbs=_CREATE_ONLY, stored=False,
)  # fmt: skip
SELF_SUBJECT_ACCESS_REVIEWS = Resource(
    AUTHORIZATION, "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False,
    verbs=_CREATE_ONLY, stored=False,
)  # fmt: skip
LOCAL_SUBJECT_ACCESS_REVIEWS = Resource(
    AUTHORIZATION, "v1", "localsubjectaccessreviews", "LocalSubjectAccessReview", namespaced=True,
    verbs=_CREATE_ONLY, stored=False,
)  # fmt: skip
SELF_SUBJECT_RULES_REVIEWS = Resource(
    AUTHORIZATION, "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview", namespaced=False,
    verbs=_CREATE_ONLY, stored=False,
)  # fmt: skip
CUSTOM_RESOURCE_DEFINITIONS = Resource(
    APIEXTENSIONS, "v1", "customresourcedefinitions", "CustomResourceDefinition",
    namespaced=False, short_names=("crd", "crds"), categories=("api-extensions",),
    subresources=(_status("CustomResourceDefinition"),),
)  # fmt: skip
AUTHENTICATIONS = Resource(
    CONFIG_OPENSHIFT, "v1", "authentications", "Authentication", namespaced=False,
    subresources=(_status("Authentication"),),
)  # fmt: skip
CLUSTER_OPERATORS = Resource(
    CONFIG_OPENSHIFT, "v1", "clusteroperators", "ClusterOperator", namespaced=False,
    short_names=("co",), subresources=(_status("ClusterOperator"),),
)  # fmt: skip
INFRASTRUCTURES = Resource(
    CONFIG_OPENSHIFT, "v1", "infrastructures", "Infrastructure", namespaced=False,
    subresources=(_status("Infrastructure"),),
)  # fmt: skip
KUBE_API_SERVERS = Resource(
    OPERATOR_OPENSHIFT, "v1", "kubeapiservers", "KubeAPIServer", namespaced=False,
    categories=("coreoperators",), subresources=(_status("KubeAPIServer"),),
)  # fmt: skip

RESOURCES: tuple[Resource, ...] = (
    NAMESPACES, SERVICE_ACCOUNTS, SECRETS, CONFIG_MAPS, PODS, NODES, EVENTS, LEASES,
    ROLES, ROLE_BINDINGS, CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS,
    DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS, DAEMON_SETS, CONTROLLER_REVISIONS, JOBS,
    POD_DISRUPTION_BUDGETS, CERTIFICATE_SIGNING_REQUESTS,
    TOKEN_REVIEWS, SELF_SUBJECT_REVIEWS, SUBJECT_ACCESS_REVIEWS, SELF_SUBJECT_ACCESS_REVIEWS,
    LOCAL_SUBJECT_ACCESS_REVIEWS, SELF_SUBJECT_RULES_REVIEWS,
    CUSTOM_RESOURCE_DEFINITIONS,
    AUTHENTICATIONS, CLUSTER_OPERATORS, INFRASTRUCTURES, KUBE_API_SERVERS,
)  # fmt: skip

_BY_PLURAL = {(one.group, one.version, one.plural): one for one in RESOURCES}
_BY_KIND = {(one.api_version, one.kind): one for one in RESOURCES}


def find_resource(group: str, version: str, plural: str) -> Resource | None:
    """Return the resource at this path, or None if it is not served."""
    return _BY_PLURAL.get((group, version, plural))


def find_kind(api_version: str, kind: str) -> Resource | None:
    """Return the resource of an object's `apiVersion` and `kind`, or None."""
    return _BY_KIND.get((api_version, kind))


def stored_resources() -> Iterator[Resource]:
    """Iterate over the kinds that are kept in the store."""
    return (one for one in RESOURCES if one.stored)
