"""Keys in PEM files: one file may hold several keys, private ones count as their public half.

Private keys in PKCS 8, PKCS 1 and SEC 1; public keys as SubjectPublicKeyInfo, PKCS 1 or inside a
certificate. Other blocks (`EC PARAMETERS`) are passed over. Errors name the block, never its
content. Source: client-go `util/keyutil`, `ParsePublicKeysPEM` and `ParsePrivateKeyPEM`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from podpass.jose.keys import PublicKey, SigningKey, UnusableKey

_BLOCK = re.compile(
    rb"-----BEGIN (?P<label>[A-Z0-9 ]+)-----\s.*?-----END (?P=label)-----", re.DOTALL
)
_PRIVATE = frozenset({b"PRIVATE KEY", b"RSA PRIVATE KEY", b"EC PRIVATE KEY"})
_PUBLIC = frozenset({b"PUBLIC KEY", b"RSA PUBLIC KEY"})
_CERTIFICATE = b"CERTIFICATE"


def _read(block: bytes, label: bytes) -> object:
    try:
        if label in _PRIVATE:
            return serialization.load_pem_private_key(block, password=None)
        if label in _PUBLIC:
            return serialization.load_pem_public_key(block)
        from cryptography import x509  # noqa: PLC0415 - rarely needed and slow to import

        return x509.load_pem_x509_certificate(block).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UnusableKey(f"the block {label.decode()} cannot be read as a key") from error


def _blocks(pem: bytes) -> Iterator[tuple[bytes, bytes]]:
    for match in _BLOCK.finditer(pem):
        yield match["label"], match[0]


def load_signing_key(pem: bytes) -> SigningKey:
    """Return the first private key.

    Raises:
        UnusableKey: There is none, or it is damaged, encrypted or of another type.
    """
    for label, block in _blocks(pem):
        if label in _PRIVATE:
            return SigningKey(_read(block, label))
    raise UnusableKey("data does not contain a valid RSA or ECDSA private key")


def load_public_keys(pem: bytes) -> list[PublicKey]:
    """Return all keys in the order of the file.

    Raises:
        UnusableKey: There is none, or one is damaged, encrypted or of another type.
    """
    keys = []
    for label, block in _blocks(pem):
        if label in _PRIVATE:
            keys.append(SigningKey(_read(block, label)).public)
        elif label in _PUBLIC or label == _CERTIFICATE:
            keys.append(PublicKey(_read(block, label)))
    if not keys:
        raise UnusableKey("data does not contain any valid RSA or ECDSA public keys")
    return keys
