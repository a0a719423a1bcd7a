"""A cluster as it is before anything was rolled out: everything at revision 1.

1. Objects, the files on the nodes and the status say the same, so that the operator finds nothing
   to do.
2. The order of the objects is that of their creation; the operator's Deployment comes last.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import podpass
from podpass.api.resources import (
    AUTHENTICATIONS,
    CLUSTER_OPERATORS,
    CLUSTER_ROLE_BINDINGS,
    CONFIG_MAPS,
    INFRASTRUCTURES,
    KUBE_API_SERVERS,
    NAMESPACES,
    RBAC,
    ROLE_BINDINGS,
    ROLES,
    SECRETS,
    SERVICE_ACCOUNTS,
    Object,
    Resource,
)
from podpass.operator import names
from podpass.operator.cert_sync import RECORD, certs_digest
from podpass.operator.cluster_operator import apply_summaries, summaries
from podpass.operator.conditions import apply_conditions, rollout_conditions
from podpass.operator.deployment import operator_deployment
from podpass.operator.node_files import Kind, NodeFiles
from podpass.operator.node_status import NodeStatus
from podpass.operator.pod_manifests import NodeAddress
from podpass.operator.service_account_issuer import IssuerEntry, observe_issuer
from podpass.operator.settings import OperatorSettings
from podpass.operator.static_pod_template import fill_in
from podpass.operator.target_config import render_config_maps

FIRST_REVISION: Final = 1
OPERATOR_USER: Final = "system:kube-apiserver-operator"
INSTALLER_USER: Final = "system:kube-apiserver-installer"
"""Common names of the client certificates in the two kubeconfigs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """What the objects are made of; certificates and keys in PEM.

    Attributes:
        nodes: In the order in which they are to be listed.
        server_url: `https://host:port` of the API.
        issuer: `spec.serviceAccountIssuer`; empty for the default.
        ca_certificate: Signs serving and client certificates.
        kubelet_serving_ca: Signs the certificates that kubelets of hosts that joined serve with;
            empty if there are none.
        serving_certificate: Of the API servers.
        serving_key: Its key.
        kubelet_client_certificate: With which API servers log in to kubelets.
        kubelet_client_key: Its key.
        signing_key: Private key of service account tokens.
        signing_public_key: Its public half.
        operator_kubeconfig: With a certificate of OPERATOR_USER.
        installer_kubeconfig: With a certificate of INSTALLER_USER.
    """

    nodes: Sequence[NodeAddress]
    server_url: str
    issuer: str = ""
    ca_certificate: bytes
    kubelet_serving_ca: bytes = b""
    serving_certificate: bytes
    serving_key: bytes = field(repr=False)
    kubelet_client_certificate: bytes
    kubelet_client_key: bytes = field(repr=False)
    signing_key: bytes = field(repr=False)
    signing_public_key: bytes
    operator_kubeconfig: bytes = field(repr=False)
    installer_kubeconfig: bytes = field(repr=False)


def initial_objects(seed: Seed, settings: OperatorSettings, *, now: datetime) -> list[Object]:
    """Return all objects of the operator at revision 1, in the order of creation (rule 2)."""
    return [
        *(_object(NAMESPACES, name) for name in names.NAMESPACES),
        *_access(),
        *_singletons(seed, settings, now),
        *_config_objects(seed, settings),
        operator_deployment(settings),
    ]


def seed_node(
    seed: Seed, settings: OperatorSettings, node: NodeAddress, resources: Path, manifests: Path
) -> None:
    """Write the files of revision 1 to a node (rule 1).

    Args:
        seed: What they are made of.
        settings: Of the operator.
        node: Which node.
        resources: Its directory of static pod resources.
        manifests: Its directory of manifests; both exist.

    Raises:
        InstallError: The disk refused.
    """
    revisioned = _input_data(seed, settings)
    contents: dict[tuple[Kind, str], dict[str, bytes]] = {
        ("configmaps", name): {key: _filled(text, node).encode() for key, text in data.items()}
        for name, data in revisioned.items()
    }
    manifest = _filled(revisioned[names.POD_CONFIG_MAP][names.POD_KEY], node)
    certs: dict[tuple[Kind, str], Mapping[str, bytes]] = {
        ("configmaps", names.CLIENT_CA): {"ca-bundle.crt": seed.ca_certificate}
    }
    for name, secret in _cert_secrets(seed).items():
        certs["secrets", name] = secret
    files = NodeFiles(resources, manifests)
    files.write_revision(FIRST_REVISION, contents, manifest)
    files.write_certs(certs)
    files.write_manifest(FIRST_REVISION, manifest)


def _filled(text: str, node: NodeAddress) -> str:
    return fill_in(text, revision=FIRST_REVISION, node_name=node.name, node_ip=node.ip)


def _object(resource: Resource, name: str, namespace: str = "", **fields: Any) -> Object:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": metadata,
        **fields,
    }


def _infrastructure_status(seed: Seed) -> Object:
    topology = "HighlyAvailable" if len(seed.nodes) > 1 else "SingleReplica"
    return {
        "infrastructureName": "podpass",
        "platform": "None",
        "platformStatus": {"type": "None"},
        "apiServerURL": seed.server_url,
        "apiServerInternalURI": seed.server_url,
        "controlPlaneTopology": topology,
        "infrastructureTopology": topology,
    }


def _issuers(seed: Seed, settings: OperatorSettings) -> tuple[IssuerEntry, ...]:
    if settings.profile.trust is None:
        return ()
    return (IssuerEntry(seed.issuer or names.DEFAULT_ISSUER),)


def _operator_spec(seed: Seed, settings: OperatorSettings) -> Object:
    arguments = observe_issuer(
        seed.issuer, _issuers(seed, settings), _infrastructure_status(seed), settings.profile
    )
    return {
        "managementState": "Managed",
        "logLevel": "Normal",
        "operatorLogLevel": "Normal",
        "observedConfig": {"apiServerArguments": arguments},
    }


def _singletons(seed: Seed, settings: OperatorSettings, now: datetime) -> Iterator[Object]:
    nodes = [NodeStatus(one.name, current_revision=FIRST_REVISION) for one in seed.nodes]
    conditions: list[Object] = []
    rollout = rollout_conditions(nodes, FIRST_REVISION, settings.profile)
    apply_conditions(conditions, rollout, now=now, profile=settings.profile)
    status: Object = {
        "conditions": conditions,
        "latestAvailableRevision": FIRST_REVISION,
        "nodeStatuses": [node.to_json() for node in nodes],
        "readyReplicas": 0,
    }
    if issuers := _issuers(seed, settings):
        status["serviceAccountIssuers"] = [one.to_json() for one in issuers]
    summary: Object = {}
    inertia = settings.timing.degraded_inertia
    apply_summaries(summary, summaries(conditions, now=now, inertia=inertia), now=now)
    summary["versions"] = [
        {"name": name, "version": podpass.__version__}
        for name in ("raw-internal", "operator", "kube-apiserver")
    ]
    yield _object(
        INFRASTRUCTURES,
        names.CLUSTER,
        spec={"cloudConfig": {"name": ""}, "platformSpec": {"type": "None"}},
        status=_infrastructure_status(seed),
    )
    yield _object(
        AUTHENTICATIONS,
        names.CLUSTER,
        spec={
            "oauthMetadata": {"name": ""},
            "serviceAccountIssuer": seed.issuer,
            "type": "",
            "webhookTokenAuthenticator": {"kubeConfig": {"name": ""}},
        },
        status={"integratedOAuthMetadata": {"name": ""}},
    )
    operator = _object(
        KUBE_API_SERVERS, names.CLUSTER, spec=_operator_spec(seed, settings), status=status
    )
    operator["metadata"]["annotations"] = {"release.openshift.io/create-only": "true"}
    yield operator
    yield _object(CLUSTER_OPERATORS, names.CLUSTER_OPERATOR, spec={}, status=summary)


def _input_data(seed: Seed, settings: OperatorSettings) -> dict[str, dict[str, str]]:
    """Return the data of the revisioned ConfigMaps; there are no revisioned Secrets."""
    return {
        **render_config_maps(_operator_spec(seed, settings), settings),
        names.SIGNING_CERTS: {"service-account-001.pub": seed.signing_public_key.decode()},
        names.KUBELET_SERVING_CA: {
            "ca-bundle.crt": (seed.ca_certificate + seed.kubelet_serving_ca).decode()
        },
    }


def _cert_secrets(seed: Seed) -> dict[str, Mapping[str, bytes]]:
    return {
        names.SERVING_CERT: {"tls.crt": seed.serving_certificate, "tls.key": seed.serving_key},
        names.KUBELET_CLIENT: {
            "tls.crt": seed.kubelet_client_certificate,
            "tls.key": seed.kubelet_client_key,
        },
        names.SIGNING_KEY: _signing_pair(seed),
    }


def _signing_pair(seed: Seed) -> Mapping[str, bytes]:
    return {names.PRIVATE_KEY: seed.signing_key, names.PUBLIC_KEY: seed.signing_public_key}


def _secret(name: str, namespace: str, data: Mapping[str, bytes]) -> Object:
    encoded = {key: base64.b64encode(one).decode() for key, one in data.items()}
    kind = "kubernetes.io/tls" if "tls.key" in data else "Opaque"
    return _object(SECRETS, name, namespace, type=kind, data=encoded)


def _config_objects(seed: Seed, settings: OperatorSettings) -> Iterator[Object]:
    operand = names.OPERAND_NAMESPACE
    record = _object(
        CONFIG_MAPS,
        names.revisioned(names.REVISION_STATUS, FIRST_REVISION),
        operand,
        data={"revision": str(FIRST_REVISION), "reason": "initial revision"},
    )
    record["metadata"]["annotations"] = {names.REVISION_READY: "true"}
    yield record
    for name, data in _input_data(seed, settings).items():
        yield _object(CONFIG_MAPS, name, operand, data=data)
        yield _object(CONFIG_MAPS, names.revisioned(name, FIRST_REVISION), operand, data=data)
        if name == names.SIGNING_CERTS:
            yield _object(CONFIG_MAPS, name, names.MACHINE_CONFIG_NAMESPACE, data=data)
    client_ca = {"ca-bundle.crt": seed.ca_certificate.decode()}
    certs = {names.CLIENT_CA: client_ca}
    yield _object(CONFIG_MAPS, names.CLIENT_CA, operand, data=client_ca)
    for name, content in _cert_secrets(seed).items():
        secret = _secret(name, operand, content)
        certs[name] = secret["data"]
        yield secret
    digest = certs_digest(certs)
    yield _object(
        CONFIG_MAPS,
        RECORD,
        names.OPERATOR_NAMESPACE,
        data={node.name: digest for node in seed.nodes},
    )
    yield _secret(names.NEXT_SIGNING_KEY, names.OPERATOR_NAMESPACE, _signing_pair(seed))
    yield _secret(
        names.INSTALLER_KUBECONFIG, operand, {names.KUBECONFIG_KEY: seed.installer_kubeconfig}
    )
    yield _secret(
        names.OPERATOR_KUBECONFIG,
        names.OPERATOR_NAMESPACE,
        {names.KUBECONFIG_KEY: seed.operator_kubeconfig},
    )


def _access() -> Iterator[Object]:
    operator, operand = names.OPERATOR_NAMESPACE, names.OPERAND_NAMESPACE
    yield _object(SERVICE_ACCOUNTS, names.OPERATOR, operator)
    yield _object(SERVICE_ACCOUNTS, names.INSTALLER_ACCOUNT, operand)
    yield _object(
        CLUSTER_ROLE_BINDINGS,
        "system:openshift:operator:cluster-kube-apiserver-operator",
        roleRef={"apiGroup": RBAC, "kind": "ClusterRole", "name": "cluster-admin"},
        subjects=[{"apiGroup": RBAC, "kind": "User", "name": OPERATOR_USER}],
    )
    role = "system:openshift:operator:openshift-kube-apiserver-installer"
    yield _object(
        ROLES,
        role,
        operand,
        rules=[
            {"apiGroups": [""], "resources": ["configmaps", "secrets"], "verbs": ["get"]},
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
            {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
        ],
    )
    yield _object(
        ROLE_BINDINGS,
        role,
        operand,
        roleRef={"apiGroup": RBAC, "kind": "Role", "name": role},
        subjects=[{"apiGroup": RBAC, "kind": "User", "name": INSTALLER_USER}],
    )
