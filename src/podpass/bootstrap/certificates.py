"""The cluster's own CA and the certificates and keys that it makes.

TLS keys are ECDSA P-256; keys and certificates are written once and kept. Certificates name users
as Kubernetes reads them: common name is the user, organizations are the groups.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from podpass.base.files import write_file
from podpass.bootstrap.home import HomeError

CA_LIFETIME = timedelta(days=3650)
CERTIFICATE_LIFETIME = timedelta(days=825)
_BACKDATED = timedelta(days=1)
"""Certificates start earlier, for clocks that are behind or will be set back by hours."""

RSA_BITS = 2048


@dataclass(frozen=True, slots=True)
class Authority:
    """The certificate authority of a home."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def _private_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _name(common_name: str, organizations: Iterable[str] = ()) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, one) for one in organizations]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def ensure_authority(
    directory: Path, *, now: datetime, stem: str = "ca", common_name: str = "podpass-ca"
) -> Authority:
    """Load `STEM.crt` and `STEM.key`, or make them.

    Args:
        directory: Where they are.
        now: Start of the life.
        stem: File name without ending.
        common_name: Name of the CA.

    Raises:
        HomeError: One of the two is missing or damaged.
        OSError: The directory cannot be written.
    """
    certificate_file, key_file = directory / f"{stem}.crt", directory / f"{stem}.key"
    if not certificate_file.exists() and not key_file.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(common_name)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATED)
            .not_valid_after(now + CA_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        write_file(key_file, _private_pem(key))
        write_file(
            certificate_file, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644
        )
        return Authority(certificate, key)
    try:
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        loaded = serialization.load_pem_private_key(key_file.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise HomeError(f"the CA in {directory} is damaged: {error}") from error
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise HomeError(f"the CA key {key_file} is not an EC key")
    return Authority(certificate, loaded)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def ensure_certificate(
    authority: Authority,
    directory: Path,
    stem: str,
    common_name: str,
    *,
    now: datetime,
    organizations: Iterable[str] = (),
    addresses: Iterable[str] = (),
    names: Iterable[str] = (),
) -> None:
    """Make `STEM.crt` and `STEM.key` unless both are there and fit.

    Args:
        authority: Who signs.
        directory: Where the files go.
        stem: File name without ending.
        common_name: User name of a client, or name of a server.
        now: Start of the life.
        organizations: Groups of a client.
        addresses: IP addresses of a server; with none it is a client certificate.
        names: DNS names of a server.

    Raises:
        HomeError: The files are damaged.
        OSError: The directory cannot be written.
    """
    certificate_file, key_file = directory / f"{stem}.crt", directory / f"{stem}.key"
    sans: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    sans += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    if key_file.exists() and _fits(certificate_file, sans, now):
        return
    key = ec.generate_private_key(ec.SECP256R1())
    usage = ExtendedKeyUsageOID.SERVER_AUTH if sans else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(common_name, organizations))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now - _BACKDATED + CERTIFICATE_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()),
            critical=False,
        )
    )
    if sans:
        builder = builder.add_extension(x509.SubjectAlternativeName(sans), critical=False)
    certificate = builder.sign(authority.key, hashes.SHA256())
    write_file(key_file, _private_pem(key))
    write_file(certificate_file, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)


def _fits(certificate_file: Path, sans: list[x509.GeneralName], now: datetime) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        raise HomeError(
            f"{certificate_file} is damaged ({error}); delete it to have it made anew"
        ) from error
    if certificate.not_valid_after_utc - now < CERTIFICATE_LIFETIME / 5:
        return False
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return not sans
    return set(extension.value) == set(sans)


def ensure_signing_key(directory: Path, algorithm: str) -> None:
    """Make the service account signing key `sa.key` and its public half `sa.pub`, once.

    Raises:
        HomeError: The key that is there is damaged.
        OSError: The directory cannot be written.
    """
    key_file, public_file = directory / "sa.key", directory / "sa.pub"
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    if key_file.exists():
        try:
            loaded = serialization.load_pem_private_key(key_file.read_bytes(), None)
        except (OSError, ValueError, TypeError) as error:
            raise HomeError(f"the signing key {key_file} is damaged: {error}") from error
        if not isinstance(loaded, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)):
            raise HomeError(f"the signing key {key_file} is neither RSA nor EC")
        key = loaded
    else:
        if public_file.exists():
            raise HomeError(f"the signing key {key_file} is missing although {public_file} exists")
        key = (
            ec.generate_private_key(ec.SECP256R1())
            if algorithm == "ES256"
            else rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
        )
        write_file(key_file, _private_pem(key))
    public_pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    if not public_file.exists() or public_file.read_bytes() != public_pem:
        write_file(public_file, public_pem, mode=0o644)
