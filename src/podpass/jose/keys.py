"""Signing and verification keys: algorithm, key id and JWK.

1. The key decides the algorithm: RSA -> RS256; P-256, P-384, P-521 -> ES256, ES384, ES512. A
   token that names another algorithm is not verified with it.
2. The key id is the unpadded base64url of SHA-256 over the DER SubjectPublicKeyInfo; it never
   changes for a key.
3. A JWK shows public parts only, in the order use, kty, kid, crv, alg, x, y, n, e; coordinates
   are padded to the size of the curve.

Source: RFC 7517; RFC 7518, 3.3, 3.4, 6.2 and 6.3; Kubernetes `pkg/serviceaccount`,
`keyIDFromPublicKey`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NewType, TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from podpass.jose import base64url

KeyID = NewType("KeyID", str)
PublicNumbers: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
PrivateNumbers: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

RSA_BITS = 2048
_RSA_EXPONENT = 65537


class UnusableKey(ValueError):
    """A key that cannot sign or verify here; the message never shows the key."""


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One way to sign.

    Attributes:
        name: Header value `alg`.
        digest: The hash that is signed.
        curve: Curve of the key; None for RSA.
        curve_name: JWK value `crv`; empty for RSA.
        coordinate_size: Bytes of a coordinate, half of a signature; 0 for RSA.
    """

    name: str
    digest: hashes.HashAlgorithm
    curve: ec.EllipticCurve | None = None
    curve_name: str = ""
    coordinate_size: int = 0


RS256 = Algorithm("RS256", hashes.SHA256())
ES256 = Algorithm("ES256", hashes.SHA256(), ec.SECP256R1(), "P-256", 32)
ES384 = Algorithm("ES384", hashes.SHA384(), ec.SECP384R1(), "P-384", 48)
ES512 = Algorithm("ES512", hashes.SHA512(), ec.SECP521R1(), "P-521", 66)

ALGORITHMS: Mapping[str, Algorithm] = {one.name: one for one in (RS256, ES256, ES384, ES512)}
_BY_CURVE = {one.curve.name: one for one in ALGORITHMS.values() if one.curve is not None}


def _algorithm_of(numbers: object) -> Algorithm:
    if isinstance(numbers, rsa.RSAPublicKey | rsa.RSAPrivateKey):
        return RS256
    if isinstance(numbers, ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey):
        algorithm = _BY_CURVE.get(numbers.curve.name)
        if algorithm is None:
            raise UnusableKey("unknown private key curve, must be 256, 384, or 521")
        return algorithm
    raise UnusableKey(f"keys of type {type(numbers).__name__} cannot be used, take RSA or EC")


class PublicKey:
    """A key that verifies signatures.

    Attributes:
        algorithm: The only algorithm that it verifies (rule 1).
        key_id: Rule 2.
    """

    __slots__ = ("_numbers", "algorithm", "key_id")

    def __init__(self, numbers: object, key_id: str = "") -> None:
        """Wrap a key of `cryptography`.

        Args:
            numbers: The key.
            key_id: What its owner calls it, if that is not rule 2.

        Raises:
            UnusableKey: Neither RSA nor one of the three curves.
        """
        self.algorithm = _algorithm_of(numbers)
        if not isinstance(numbers, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
            raise UnusableKey("expected a public key, got a private one")
        self._numbers: PublicNumbers = numbers
        self.key_id = KeyID(key_id or base64url.encode(hashlib.sha256(self.to_der()).digest()))

    def verify(self, signing_input: bytes, signature: bytes) -> bool:
        """Tell whether `signature` is this key's signature of `signing_input`."""
        try:
            if isinstance(self._numbers, rsa.RSAPublicKey):
                self._numbers.verify(
                    signature, signing_input, padding.PKCS1v15(), self.algorithm.digest
                )
                return True
            size = self.algorithm.coordinate_size
            if len(signature) != 2 * size:
                return False
            r = int.from_bytes(signature[:size], "big")
            s = int.from_bytes(signature[size:], "big")
            self._numbers.verify(
                encode_dss_signature(r, s), signing_input, ec.ECDSA(self.algorithm.digest)
            )
        except InvalidSignature:
            return False
        return True

    def to_der(self) -> bytes:
        """Return the key as DER SubjectPublicKeyInfo."""
        return self._numbers.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def to_pem(self) -> bytes:
        """Return the key as PEM `PUBLIC KEY`."""
        return self._numbers.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def to_jwk(self) -> dict[str, str]:
        """Return the JWK (rule 3)."""
        common = {"use": "sig", "kid": self.key_id, "alg": self.algorithm.name}
        if isinstance(self._numbers, rsa.RSAPublicKey):
            rsa_numbers = self._numbers.public_numbers()
            fields = {
                "kty": "RSA",
                "n": base64url.encode_integer(rsa_numbers.n),
                "e": base64url.encode_integer(rsa_numbers.e),
            }
        else:
            point = self._numbers.public_numbers()
            size = self.algorithm.coordinate_size
            fields = {
                "kty": "EC",
                "crv": self.algorithm.curve_name,
                "x": base64url.encode_integer(point.x, size),
                "y": base64url.encode_integer(point.y, size),
            }
        jwk = common | fields
        order = ("use", "kty", "kid", "crv", "alg", "x", "y", "n", "e")
        return {name: jwk[name] for name in order if name in jwk}


class SigningKey:
    """A private key. It shows neither itself nor its parts.

    Attributes:
        public: Its public half.
    """

    __slots__ = ("_numbers", "public")

    def __init__(self, numbers: object) -> None:
        """Wrap a key of `cryptography`.

        Raises:
            UnusableKey: Neither RSA nor one of the three curves, or a public key.
        """
        _algorithm_of(numbers)
        if not isinstance(numbers, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise UnusableKey("expected a private key, got a public one")
        self._numbers: PrivateNumbers = numbers
        self.public = PublicKey(numbers.public_key())

    def __repr__(self) -> str:
        return f"SigningKey({self.public.algorithm.name}, {self.public.key_id})"

    def sign(self, signing_input: bytes) -> bytes:
        """Return the signature as JWS carries it; takes 0.1 to 1 ms and frees the GIL."""
        algorithm = self.public.algorithm
        if isinstance(self._numbers, rsa.RSAPrivateKey):
            return self._numbers.sign(signing_input, padding.PKCS1v15(), algorithm.digest)
        r, s = decode_dss_signature(self._numbers.sign(signing_input, ec.ECDSA(algorithm.digest)))
        size = algorithm.coordinate_size
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")

    def to_pem(self) -> bytes:
        """Return the key as unencrypted PEM `PRIVATE KEY`; for files of mode 0600 only."""
        return self._numbers.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def load_der_public_key(der: bytes, key_id: str = "") -> PublicKey:
    """Return the key of a DER SubjectPublicKeyInfo.

    Args:
        der: The key.
        key_id: What its owner calls it, if that is not rule 2.

    Raises:
        UnusableKey: It is damaged or of another type.
    """
    try:
        numbers = serialization.load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UnusableKey("data is not a DER public key") from error
    return PublicKey(numbers, key_id)


def generate_signing_key(algorithm: Algorithm = RS256) -> SigningKey:
    """Return a new key; RSA keys have RSA_BITS bits."""
    if algorithm.curve is None:
        return SigningKey(rsa.generate_private_key(_RSA_EXPONENT, RSA_BITS))
    return SigningKey(ec.generate_private_key(algorithm.curve))
