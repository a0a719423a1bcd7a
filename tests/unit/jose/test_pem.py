"""What `jose.pem` finds in PEM files."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from podpass.jose.keys import SigningKey, UnusableKey
from podpass.jose.pem import load_public_keys, load_signing_key

PARAMETERS = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
DAMAGED = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
DAMAGED_PUBLIC = DAMAGED.replace(b"PRIVATE", b"PUBLIC")


@pytest.mark.rule("config.signing-key")
def test_a_signing_key_survives_pem(rsa_key: SigningKey, elliptic_key: SigningKey) -> None:
    for key in (rsa_key, elliptic_key):
        assert load_signing_key(key.to_pem()).public.key_id == key.public.key_id


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(serialization.PrivateFormat.TraditionalOpenSSL, id="SEC 1"),
        pytest.param(serialization.PrivateFormat.PKCS8, id="PKCS 8"),
    ],
)
def test_parameters_before_the_key_are_passed_over(form: serialization.PrivateFormat) -> None:
    private = ec.derive_private_key(7, ec.SECP256R1())
    pem = private.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    key = load_signing_key(PARAMETERS + pem)
    assert key.public.key_id == SigningKey(private).public.key_id
    assert [one.key_id for one in load_public_keys(PARAMETERS + pem)] == [key.public.key_id]


@pytest.mark.rule("config.key-files")
def test_one_file_holds_several_keys_in_order(
    rsa_key: SigningKey, elliptic_key: SigningKey
) -> None:
    pem = b"a note\n" + elliptic_key.public.to_pem() + rsa_key.to_pem()
    assert [key.key_id for key in load_public_keys(pem)] == [
        elliptic_key.public.key_id,
        rsa_key.public.key_id,
    ]


def test_a_certificate_counts_as_its_key() -> None:
    private = ec.derive_private_key(7, ec.SECP256R1())
    name = x509.Name([])
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder(name, name, private.public_key(), 1, moment, moment)
        .sign(private, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    (key,) = load_public_keys(certificate)
    assert key.key_id == SigningKey(private).public.key_id


@pytest.mark.parametrize(
    "pem",
    [
        pytest.param(b"", id="an empty file"),
        pytest.param(b"-----BEGIN PRIVATE KEY-----\nAAAA", id="a block without end"),
        pytest.param(PARAMETERS, id="parameters alone"),
    ],
)
def test_a_file_without_keys_is_refused(pem: bytes) -> None:
    with pytest.raises(
        UnusableKey, match=r"^data does not contain any valid RSA or ECDSA public keys$"
    ):
        load_public_keys(pem)
    with pytest.raises(
        UnusableKey, match=r"^data does not contain a valid RSA or ECDSA private key$"
    ):
        load_signing_key(pem)


def test_a_public_key_alone_does_not_sign(rsa_key: SigningKey) -> None:
    with pytest.raises(
        UnusableKey, match=r"^data does not contain a valid RSA or ECDSA private key$"
    ):
        load_signing_key(rsa_key.public.to_pem())


def test_a_damaged_key_is_named_by_its_block() -> None:
    with pytest.raises(UnusableKey, match="the block PRIVATE KEY cannot be read"):
        load_signing_key(DAMAGED)
    with pytest.raises(UnusableKey, match="the block PUBLIC KEY cannot be read"):
        load_public_keys(DAMAGED_PUBLIC)


def test_an_encrypted_key_is_refused() -> None:
    pem = ec.derive_private_key(7, ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.BestAvailableEncryption(b"secret"),
    )
    with pytest.raises(UnusableKey, match="the block EC PRIVATE KEY cannot be read"):
        load_signing_key(pem)
