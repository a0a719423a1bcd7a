"""Requests for certificates, good and bad."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from podpass.api.certificate_requests import KUBELET_CLIENT, KUBELET_SERVING
from podpass.api.resources import CERTIFICATE_SIGNING_REQUESTS, Object

SERVING_USAGES = ("digital signature", "server auth")
KEY = ec.generate_private_key(ec.SECP256R1())
USAGES = ("digital signature", "client auth")


def request_pem(
    name: str = "system:node:n1",
    groups: Sequence[str] = ("system:nodes",),
    *,
    sans: Sequence[x509.GeneralName] = (),
    more: Sequence[x509.NameAttribute[str]] = (),
    ca: bool = False,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey = KEY,
) -> bytes:
    subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, one) for one in groups]
    subject.append(x509.NameAttribute(NameOID.COMMON_NAME, name))
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([*subject, *more]))
    if sans:
        builder = builder.add_extension(x509.SubjectAlternativeName(sans), critical=False)
    if ca:
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        builder = builder.add_extension(constraints, critical=True)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.PEM)


def signing_request(
    pem: bytes | None = None,
    *,
    name: str = "csr-1",
    signer: str = KUBELET_CLIENT,
    usages: Sequence[str] = USAGES,
    username: str = "system:bootstrap:abcdef",
    groups: Sequence[str] = (),
    seconds: int | None = None,
) -> Object:
    spec: Object = {
        "request": base64.b64encode(request_pem() if pem is None else pem).decode(),
        "signerName": signer,
        "usages": list(usages),
        "username": username,
    }
    if groups:
        spec["groups"] = list(groups)
    if seconds is not None:
        spec["expirationSeconds"] = seconds
    return {
        "apiVersion": CERTIFICATE_SIGNING_REQUESTS.api_version,
        "kind": CERTIFICATE_SIGNING_REQUESTS.kind,
        "metadata": {"name": name},
        "spec": spec,
    }


def dns(name: str) -> x509.DNSName:
    return x509.DNSName(name)


def ip(address: str) -> x509.IPAddress:
    return x509.IPAddress(ipaddress.ip_address(address))


def serving_request(
    *sans: x509.GeneralName,
    pem: bytes | None = None,
    name: str = "csr-1",
    usages: Sequence[str] = SERVING_USAGES,
    username: str = "system:node:n1",
    groups: Sequence[str] = ("system:nodes", "system:authenticated"),
) -> Object:
    """Return the request of n1 for a serving certificate with these names."""
    return signing_request(
        request_pem(sans=sans) if pem is None else pem,
        name=name,
        signer=KUBELET_SERVING,
        usages=usages,
        username=username,
        groups=groups,
    )
