"""What the certificate of a kubelet says, and how long."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import pytest
from controllers.certificate_samples import KEY, SERVING_USAGES, USAGES, dns, ip, request_pem
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from podpass.controllers.certificate_signing import (
    BACKDATED,
    UnusableAuthority,
    UnusableRequest,
    lifetime,
    sign_certificate,
)
from podpass.testing.api_server import TestPki

DAY = timedelta(days=1)
NOW = datetime.now(UTC).replace(microsecond=0)  # noqa: TID251 - within the life of a CA just made


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        pytest.param(None, DAY, id="nothing asked for is the longest"),
        pytest.param(600, timedelta(seconds=600), id="what is asked for"),
        pytest.param(86401, DAY, id="never more than the longest"),
    ],
)
def test_lifetime(asked: int | None, given: timedelta) -> None:
    assert lifetime(asked, DAY) == given


def signed(
    pki: TestPki, pem: bytes, life: timedelta = DAY, usages: Collection[str] = USAGES
) -> x509.Certificate:
    ca = pki.directory
    return x509.load_pem_x509_certificate(
        sign_certificate(
            x509.load_pem_x509_csr(pem),
            usages=usages,
            ca_certificate=(ca / "ca.crt").read_bytes(),
            ca_key=(ca / "ca.key").read_bytes(),
            now=NOW,
            life=life,
        )
    )


@pytest.mark.rule("csr.certificate")
def test_a_certificate_is_for_a_client_and_for_the_key_of_the_request(pki: TestPki) -> None:
    certificate = signed(pki, request_pem())
    certificate.verify_directly_issued_by(pki.authority.certificate)
    assert certificate.public_key() == KEY.public_key()
    assert certificate.subject.rfc4514_string() == "CN=system:node:n1,O=system:nodes"
    assert certificate.not_valid_before_utc == NOW - BACKDATED
    assert certificate.not_valid_after_utc == NOW + DAY
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert not constraints.ca
    with pytest.raises(x509.ExtensionNotFound):
        certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)


@pytest.mark.rule("csr.certificate")
@pytest.mark.parametrize(
    ("usages", "enciphers"),
    [
        pytest.param(SERVING_USAGES, False, id="as a kubelet with an EC key asks"),
        pytest.param((*SERVING_USAGES, "key encipherment"), True, id="as one with an RSA key asks"),
    ],
)
def test_a_serving_certificate_has_the_names_of_the_request_and_nothing_else(
    pki: TestPki, usages: tuple[str, ...], enciphers: bool
) -> None:
    names = [dns("n1"), ip("10.0.0.1")]
    certificate = signed(pki, request_pem(sans=names, ca=True), usages=usages)
    extensions = certificate.extensions
    asked = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(asked) == names
    purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.SERVER_AUTH]
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.digital_signature, usage.key_encipherment) == (True, enciphers)
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_a_short_life_is_backdated_by_less(pki: TestPki) -> None:
    certificate = signed(pki, request_pem(), timedelta(minutes=1))
    assert certificate.not_valid_before_utc == NOW - timedelta(seconds=6)


@pytest.mark.rule("csr.certificate")
def test_no_certificate_outlives_the_ca(pki: TestPki) -> None:
    certificate = signed(pki, request_pem(), timedelta(days=36500))
    assert certificate.not_valid_after_utc == pki.authority.certificate.not_valid_after_utc


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(rsa.generate_private_key(65537, 1024), id="short RSA key"),  # noqa: S505 - refused
        pytest.param(ed25519.Ed25519PrivateKey.generate(), id="Ed25519"),
    ],
)
def test_weak_and_unknown_keys_are_not_signed(
    pki: TestPki, key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
) -> None:
    with pytest.raises(UnusableRequest):
        signed(pki, request_pem(key=key))


def test_a_damaged_ca_signs_nothing() -> None:
    with pytest.raises(UnusableAuthority):
        sign_certificate(
            x509.load_pem_x509_csr(request_pem()),
            usages=USAGES,
            ca_certificate=b"",
            ca_key=b"",
            now=NOW,
            life=DAY,
        )
