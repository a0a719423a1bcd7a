"""Signs a kubelet's client or serving certificate with the cluster's CA.

1. The subject and the key are those of the request; everything else is decided here.
2. It is a certificate of a leaf, for a client or for a server as its usages say; of the extensions
   that were asked for a server's names are taken over, and nothing else.
3. It lasts as long as was asked for, at most `longest`, and never longer than the CA; it begins a
   few minutes earlier, for clocks that are behind, and a short one less: a kubelet counts the share
   of the life after which it renews from there.

Source: Kubernetes `pkg/controller/certificates/authority`.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from podpass.controllers.node_request import KEY_ENCIPHERMENT, other_names

BACKDATED = timedelta(minutes=5)
_BACKDATED_SHARE = 0.1

_SMALLEST_RSA = 2048


class UnusableAuthority(Exception):
    """The CA's certificate or key cannot be used."""


class UnusableRequest(Exception):
    """The request's key is not one that is signed; the message says why."""


def lifetime(asked_seconds: int | None, longest: timedelta) -> timedelta:
    """Return how long a certificate lasts (rule 3, without the CA's end)."""
    return longest if asked_seconds is None else min(timedelta(seconds=asked_seconds), longest)


def sign_certificate(
    request: x509.CertificateSigningRequest,
    *,
    usages: Collection[str],
    ca_certificate: bytes,
    ca_key: bytes,
    now: datetime,
    life: timedelta,
) -> bytes:
    """Return the certificate as PEM.

    Args:
        request: Whose subject and key are wanted; its rules were checked before.
        usages: What for: `client auth` or `server auth`, and maybe `key encipherment`.
        ca_certificate: PEM of the CA.
        ca_key: PEM of the CA's key.
        now: Time of signing.
        life: How long the certificate is good from now on.

    Raises:
        UnusableAuthority: The CA cannot sign.
        UnusableRequest: The key is too weak, or of no kind that is signed.
    """
    key = request.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < _SMALLEST_RSA:
            raise UnusableRequest(f"an RSA key must have {_SMALLEST_RSA} bits or more")
    elif not isinstance(key, ec.EllipticCurvePublicKey):
        raise UnusableRequest("the key must be RSA or ECDSA")
    try:
        issuer = x509.load_pem_x509_certificate(ca_certificate)
        signer = serialization.load_pem_private_key(ca_key, None)
    except (ValueError, TypeError) as error:
        raise UnusableAuthority("the CA's certificate or key is damaged") from error
    if not isinstance(signer, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)):
        raise UnusableAuthority("the CA's key must be RSA or ECDSA")
    serves = "server auth" in usages
    purpose = ExtendedKeyUsageOID.SERVER_AUTH if serves else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = (
        x509.CertificateBuilder()
        .subject_name(request.subject)
        .issuer_name(issuer.subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - min(BACKDATED, _BACKDATED_SHARE * life))
        .not_valid_after(min(now + life, issuer.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(enciphers=KEY_ENCIPHERMENT in usages), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if serves and (names := other_names(request)):
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _key_usage(*, enciphers: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=enciphers,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
