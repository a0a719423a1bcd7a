"""A certificate of the kubelet and its key: one PEM file, replaced whole, mode 0600.

Certificate and key are in one file so that no reader finds one of them without the other.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from podpass.base.files import write_file
from podpass.kubelet.certificate_rotation import CertificateLife

if TYPE_CHECKING:
    from cryptography import x509

FILE_NAME = "kubelet-client-current.pem"


class UnusableCertificate(Exception):
    """What the API server gave, or what is in the file, is no certificate for our key."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that has no certificate yet.

    Attributes:
        key_pem: The key; goes nowhere but into the file.
        request_pem: What is sent to be signed.
    """

    key_pem: bytes
    request_pem: bytes

    def __repr__(self) -> str:
        return "NewKey()"  # never the key


def new_key(node_name: str, *, serves: Sequence[str] = ()) -> NewKey:
    """Make a key and the request for the certificate of a node.

    Args:
        node_name: Of the node.
        serves: DNS names and IP addresses of a server; none for a client.
    """
    from cryptography import x509  # noqa: PLC0415 - most kubelets never need it
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{node_name}"),
        ]
    )
    request = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if serves:
        names = x509.SubjectAlternativeName([_general_name(one) for one in serves])
        request = request.add_extension(names, critical=False)
    return NewKey(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
        request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM),
    )


def _general_name(name: str) -> x509.GeneralName:
    from cryptography import x509  # noqa: PLC0415 - see new_key

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@dataclass(frozen=True, slots=True)
class CertificateFile:
    """The file of one node.

    Attributes:
        path: Where it is.
    """

    path: Path

    def life(self) -> CertificateLife | None:
        """Return how long the certificate is good, None if there is none that can be used."""
        try:
            return _life(self.path.read_bytes())
        except (OSError, UnusableCertificate):
            return None

    def names(self) -> frozenset[str]:
        """Return the DNS names and addresses of the certificate; none if it cannot be used."""
        from cryptography import x509  # noqa: PLC0415 - see new_key

        try:
            content = self.path.read_bytes()
            _life(content)
            extensions = x509.load_pem_x509_certificate(content).extensions
            found = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (OSError, ValueError, UnusableCertificate, x509.ExtensionNotFound):
            return frozenset()
        return frozenset(str(one.value) for one in found)

    def replace(self, key_pem: bytes, certificate_pem: bytes) -> CertificateLife:
        """Put a new certificate and its key in place of the present ones.

        Raises:
            UnusableCertificate: They do not fit; the file is as it was.
            OSError: The file cannot be written.
        """
        content = certificate_pem.rstrip() + b"\n" + key_pem
        life = _life(content)
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_file(self.path, content, mode=0o600)
        return life


def _life(content: bytes) -> CertificateLife:
    from cryptography import x509  # noqa: PLC0415 - most kubelets never need it
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    try:
        certificate = x509.load_pem_x509_certificate(content)
        start = content.index(b"-----BEGIN PRIVATE KEY-----")
        key = serialization.load_pem_private_key(content[start:], None)
    except (ValueError, TypeError):
        raise UnusableCertificate("it cannot be read") from None
    if certificate.public_key() != key.public_key():
        raise UnusableCertificate("certificate and key do not belong together")
    return CertificateLife(certificate.not_valid_before_utc, certificate.not_valid_after_utc)
