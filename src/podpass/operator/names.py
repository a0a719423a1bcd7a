"""Names that operator, installer and the seed of a cluster agree on.

They are those of OpenShift's cluster-kube-apiserver-operator, as far as podpass has the thing.
"""

from __future__ import annotations

from typing import Final

CLUSTER: Final = "cluster"
"""Name of the singletons."""

USER_CONFIG_NAMESPACE: Final = "openshift-config"
MACHINE_CONFIG_NAMESPACE: Final = "openshift-config-managed"
OPERATOR_NAMESPACE: Final = "openshift-kube-apiserver-operator"
OPERAND_NAMESPACE: Final = "openshift-kube-apiserver"
NAMESPACES: Final = (
    USER_CONFIG_NAMESPACE, MACHINE_CONFIG_NAMESPACE, OPERATOR_NAMESPACE, OPERAND_NAMESPACE,
)  # fmt: skip

OPERATOR: Final = "kube-apiserver-operator"
CLUSTER_OPERATOR: Final = "kube-apiserver"
STATIC_POD: Final = "kube-apiserver"
POD_CONFIG_MAP: Final = "kube-apiserver-pod"
POD_KEY: Final = "pod.yaml"
CONFIG_MAP: Final = "config"
CONFIG_KEY: Final = "config.yaml"
NEXT_SIGNING_KEY: Final = "next-bound-service-account-signing-key"
SIGNING_KEY: Final = "bound-service-account-signing-key"
PRIVATE_KEY: Final = "service-account.key"
PUBLIC_KEY: Final = "service-account.pub"
SIGNING_CERTS: Final = "bound-sa-token-signing-certs"
LEGACY_SIGNING_CERTS: Final = "sa-token-signing-certs"
SERVING_CERT: Final = "service-network-serving-certkey"
KUBELET_CLIENT: Final = "kubelet-client"
CLIENT_CA: Final = "client-ca"
KUBELET_SERVING_CA: Final = "kubelet-serving-ca"
ETCD_CA: Final = "ca.crt"
ETCD_CERT: Final = "client.crt"
ETCD_KEY: Final = "client.key"
INSTALLER_ACCOUNT: Final = "installer-sa"
INSTALLER_KUBECONFIG: Final = "installer-kubeconfig"
OPERATOR_KUBECONFIG: Final = "kube-apiserver-operator-kubeconfig"
KUBECONFIG_KEY: Final = "kubeconfig"
OPERATOR_LEASE: Final = "kube-apiserver-operator-lock"
MASTER_LABEL: Final = "node-role.kubernetes.io/master"

REVISION_STATUS: Final = "revision-status"
REVISION_READY: Final = "operator.openshift.io/revision-ready"
REVISION_LABEL: Final = "revision"
"""Label of the static pod and its mirror pod."""

REQUIRED_CONFIG_MAPS: Final = (POD_CONFIG_MAP, CONFIG_MAP, SIGNING_CERTS, KUBELET_SERVING_CA)
OPTIONAL_CONFIG_MAPS: Final = (LEGACY_SIGNING_CERTS, "oauth-metadata", "auth-config")
REQUIRED_SECRETS: Final[tuple[str, ...]] = ()
OPTIONAL_SECRETS: Final = ("encryption-config", "webhook-authenticator")
"""The revisioned inputs: a change of their data makes a new revision."""

CERT_CONFIG_MAPS: Final = (CLIENT_CA,)
CERT_SECRETS: Final = (SERVING_CERT, KUBELET_CLIENT, SIGNING_KEY)
"""The unrevisioned inputs: a change of their data reaches the nodes without a revision."""

DEFAULT_ISSUER: Final = "https://kubernetes.default.svc"


def revisioned(name: str, revision: int) -> str:
    """Return the name of the copy of an input, e.g. `config-12`."""
    return f"{name}-{revision}"
