"""How a host that joins finds out whom it may trust.

1. The first host publishes its address and CA in the ConfigMap `cluster-info` of kube-public, for
   everybody to read.
2. Who joins reads it without trust, and believes it only if the CA's public key has the hash that
   it was given: SHA-256 over the DER SubjectPublicKeyInfo, as `sha256:HEX`.
3. Then it asks again, with that CA as its only trust.

Source: kubernetes.io "kubeadm join", token-based discovery with CA pinning (RFC 7469 for the hash).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import http.client
import json
import re
import ssl

from podpass.api.resources import (
    CONFIG_MAPS,
    RBAC,
    ROLE_BINDINGS,
    ROLES,
    Object,
)
from podpass.bootstrap.home import HomeError

CLUSTER_INFO = "cluster-info"
NAMESPACE = "kube-public"
PATH = CONFIG_MAPS.path(NAMESPACE, CLUSTER_INFO)
TIMEOUT = 10.0

_HASH = re.compile(r"sha256:[0-9a-f]{64}")


def ca_hash(certificate: bytes) -> str:
    """Return the hash of a CA's public key.

    Raises:
        ValueError: It is no PEM certificate.
    """
    from cryptography import x509  # noqa: PLC0415 - loaded late, as everywhere on the start's way
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    key = x509.load_pem_x509_certificate(certificate).public_key()
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return f"sha256:{hashlib.sha256(der).hexdigest()}"


def is_hash(text: str) -> bool:
    """Tell whether this is the form of a hash."""
    return _HASH.fullmatch(text) is not None


def cluster_info(server: str, ca_certificate: bytes) -> list[Object]:
    """Return what the first host publishes (rule 1)."""
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "",
                "cluster": {
                    "server": server,
                    "certificate-authority-data": base64.b64encode(ca_certificate).decode(),
                },
            }
        ],
    }
    metadata = {"name": CLUSTER_INFO, "namespace": NAMESPACE}
    rbac = f"{RBAC}/v1"
    return [
        {
            "apiVersion": "v1",
            "kind": CONFIG_MAPS.kind,
            "metadata": metadata,
            "data": {"kubeconfig": json.dumps(kubeconfig)},
        },
        {
            "apiVersion": rbac,
            "kind": ROLES.kind,
            "metadata": metadata,
            "rules": [
                {
                    "apiGroups": [""],
                    "resources": [CONFIG_MAPS.plural],
                    "resourceNames": [CLUSTER_INFO],
                    "verbs": ["get"],
                }
            ],
        },
        {
            "apiVersion": rbac,
            "kind": ROLE_BINDINGS.kind,
            "metadata": metadata,
            "roleRef": {"apiGroup": RBAC, "kind": ROLES.kind, "name": CLUSTER_INFO},
            "subjects": [{"apiGroup": RBAC, "kind": "User", "name": "system:anonymous"}],
        },
    ]


def trusted_ca(info: object, wanted: str) -> bytes:
    """Return the CA that a `cluster-info` carries, if its hash is the wanted one (rule 2).

    Raises:
        HomeError: It is another one, or none.
    """
    try:
        kubeconfig = json.loads(info["data"]["kubeconfig"])  # type: ignore[index]
        encoded = kubeconfig["clusters"][0]["cluster"]["certificate-authority-data"]
        certificate = base64.b64decode(encoded, validate=True)
        found = ca_hash(certificate)
    except (KeyError, IndexError, TypeError, ValueError, binascii.Error) as error:
        raise HomeError("what answers there is no control plane of podpass") from error
    if not hmac.compare_digest(found, wanted):
        raise HomeError(
            "the CA of the control plane is not the one that was given: its key has the hash "
            f"{found}; nothing was sent to it"
        )
    return certificate


def discover(host: str, port: int, wanted: str) -> bytes:
    """Return the CA of the control plane at HOST:PORT.

    Raises:
        HomeError: It is not there, or not the one that is wanted.
    """
    untrusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    untrusting.check_hostname = False
    untrusting.verify_mode = ssl.CERT_NONE
    certificate = trusted_ca(_get(host, port, untrusting), wanted)
    trusting = ssl.create_default_context(cadata=certificate.decode())
    trusted_ca(_get(host, port, trusting), wanted)  # 3
    return certificate


def _get(host: str, port: int, context: ssl.SSLContext) -> object:
    connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=context)
    try:
        connection.request("GET", PATH, headers={"Accept": "application/json"})
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise HomeError(f"no answer from https://{host}:{port}: {error}") from error
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK:
        raise HomeError(
            f"https://{host}:{port} does not say who it is ({response.status}); "
            "was it made with `podpass init`?"
        )
    try:
        return json.loads(body)
    except ValueError as error:
        raise HomeError(f"https://{host}:{port} is no API server") from error
