"""Algorithms, key ids and JWKs of `jose.keys`."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from podpass.jose.keys import (
    ALGORITHMS,
    ES256,
    RS256,
    Algorithm,
    PublicKey,
    SigningKey,
    UnusableKey,
    generate_signing_key,
    load_der_public_key,
)

# Key ids and coordinates of the keys with the private scalar 7.
P256_ID = "EQhmSc0-XRiSIApCALFlu-pcn5tHyoN5LU-aHvDciSE"
P384_ID = "vabqP1Njraef8oGdJxq_0KdGpuP-ieynTgwZyF_qDHs"
P521_ID = "PkGhTDXkNgfQcQ5r_fAHa-iC1jHPVfIfshVG7p2_BoU"


def seven(curve: ec.EllipticCurve) -> SigningKey:
    return SigningKey(ec.derive_private_key(7, curve))


@pytest.mark.rule("jwt.key-id", "jwt.key-id-vectors")
@pytest.mark.parametrize(
    ("curve", "key_id", "algorithm"),
    [
        pytest.param(ec.SECP256R1(), P256_ID, "ES256", id="P-256 signs ES256"),
        pytest.param(ec.SECP384R1(), P384_ID, "ES384", id="P-384 signs ES384"),
        pytest.param(ec.SECP521R1(), P521_ID, "ES512", id="P-521 signs ES512"),
    ],
)
def test_the_key_id_never_changes(curve: ec.EllipticCurve, key_id: str, algorithm: str) -> None:
    key = seven(curve).public
    assert key.key_id == key_id
    assert key.algorithm.name == algorithm


@pytest.mark.rule("discovery.jwk-fields")
def test_an_elliptic_jwk_has_its_point_in_the_documented_order() -> None:
    assert list(seven(ec.SECP256R1()).public.to_jwk().items()) == [
        ("use", "sig"),
        ("kty", "EC"),
        ("kid", P256_ID),
        ("crv", "P-256"),
        ("alg", "ES256"),
        ("x", "jlM7b6C_e0YluzBmfAH7YH75-LioD-9bMAYocDGHsqM"),
        ("y", "c-sdveAzGDZtBp-DpvWQAFPHNjPLBBshxV4ahsH0ALQ"),
    ]


@pytest.mark.rule("discovery.jwk-fields")
def test_coordinates_are_padded_to_the_curve() -> None:
    jwk = seven(ec.SECP521R1()).public.to_jwk()
    assert [len(jwk["x"]), len(jwk["y"])] == [88, 88]  # 66 bytes
    assert jwk["x"].startswith("AF")


@pytest.mark.rule("discovery.jwk-fields")
def test_an_rsa_jwk_has_modulus_and_exponent(rsa_key: SigningKey) -> None:
    jwk = rsa_key.public.to_jwk()
    assert list(jwk) == ["use", "kty", "kid", "alg", "n", "e"]
    assert (jwk["kty"], jwk["alg"], jwk["e"], len(jwk["n"])) == ("RSA", "RS256", "AQAB", 342)


@pytest.mark.rule("jwt.algorithms")
@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=ALGORITHMS)
def test_a_generated_key_verifies_what_it_signed(algorithm: Algorithm) -> None:
    key = generate_signing_key(algorithm)
    signature = key.sign(b"input")
    assert key.public.algorithm is algorithm
    assert key.public.verify(b"input", signature)
    assert not key.public.verify(b"other", signature)
    assert not key.public.verify(b"input", signature[:-1])
    assert not generate_signing_key(algorithm).public.verify(b"input", signature)


def test_an_elliptic_signature_is_two_padded_numbers() -> None:
    assert len(seven(ec.SECP521R1()).sign(b"input")) == 132


@pytest.mark.rule("jwt.other-keys")
def test_other_curves_are_refused() -> None:
    with pytest.raises(UnusableKey, match=r"^unknown private key curve, must be 256, 384, or 521$"):
        SigningKey(ec.derive_private_key(7, ec.SECP256K1()))


@pytest.mark.rule("jwt.other-keys")
def test_other_types_are_refused() -> None:
    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
    words = r"^keys of type Ed25519{}Key cannot be used, take RSA or EC$"
    with pytest.raises(UnusableKey, match=words.format("Private")):
        SigningKey(key)
    with pytest.raises(UnusableKey, match=words.format("Public")):
        PublicKey(key.public_key())


def test_the_two_halves_are_not_mixed_up() -> None:
    private = ec.derive_private_key(7, ec.SECP256R1())
    with pytest.raises(UnusableKey, match=r"^expected a private key, got a public one$"):
        SigningKey(private.public_key())
    with pytest.raises(UnusableKey, match=r"^expected a public key, got a private one$"):
        PublicKey(private)


def test_a_signing_key_does_not_show_itself(rsa_key: SigningKey) -> None:
    assert repr(rsa_key) == f"SigningKey(RS256, {rsa_key.public.key_id})"


def test_generated_rsa_keys_have_2048_bits(rsa_key: SigningKey) -> None:
    assert rsa_key.public.algorithm is RS256
    assert isinstance(rsa_key._numbers, rsa.RSAPrivateKey)
    assert rsa_key._numbers.key_size == 2048


@pytest.mark.parametrize("algorithm", [RS256, ES256], ids=["RSA", "EC"])
def test_a_public_key_survives_der(algorithm: Algorithm) -> None:
    key = generate_signing_key(algorithm)
    read = load_der_public_key(key.public.to_der())
    assert read.key_id == key.public.key_id
    assert read.verify(b"input", key.sign(b"input"))


def test_a_public_key_is_called_what_its_owner_says() -> None:
    key = load_der_public_key(seven(ec.SECP256R1()).public.to_der(), "k1")
    assert key.key_id == "k1"
    assert key.to_jwk()["kid"] == "k1"


@pytest.mark.parametrize(
    ("der", "why"),
    [
        pytest.param(b"", "data is not a DER public key", id="nothing"),
        pytest.param(b"junk", "data is not a DER public key", id="junk"),
        pytest.param(
            ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
            .public_key()
            .public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            ),
            "keys of type Ed25519PublicKey cannot be used, take RSA or EC",
            id="another type",
        ),
    ],
)
def test_der_that_is_no_key_of_ours_is_refused(der: bytes, why: str) -> None:
    with pytest.raises(UnusableKey) as caught:
        load_der_public_key(der)
    assert str(caught.value) == why


def test_a_public_key_survives_pem() -> None:
    assert b"BEGIN PUBLIC KEY" in seven(ec.SECP256R1()).public.to_pem()
    assert generate_signing_key(ES256).to_pem().startswith(b"-----BEGIN PRIVATE KEY-----")


@pytest.mark.rule("case.keys.stable", "jwt.key-id")
def test_the_id_of_an_rsa_key_never_changes() -> None:
    modulus = (1 << 2047) + 0x5EED + 0x10
    key = PublicKey(rsa.RSAPublicNumbers(65537, modulus).public_key())
    assert key.key_id == "VvDyhKX5F6WtJzvMK7070qDR0eADyoh7oIoPb2oMuOE"
