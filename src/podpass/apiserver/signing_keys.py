"""What signs tokens, and the keys of this server as one way to do it.

Keys are read from files at start; signing leaves the event loop free.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from podpass.jose import jws
from podpass.jose.key_set import KeySet
from podpass.jose.keys import SigningKey, UnusableKey
from podpass.jose.pem import load_public_keys, load_signing_key


class SigningFailed(Exception):
    """A token could not be signed; the text is for whoever asked, and holds no part of it."""


class TokenSigner(Protocol):
    """Signs tokens."""

    async def sign(self, payload: bytes) -> str:
        """Return `payload` as a compact JWS.

        Raises:
            SigningFailed: It could not be signed.
        """
        ...


def read_signing_key(path: Path) -> SigningKey:
    """Read the private key of `--service-account-signing-key-file`.

    Raises:
        UnusableKey: It cannot be read; the text names the file, never its content.
    """
    try:
        return load_signing_key(path.read_bytes())
    except OSError as error:
        raise UnusableKey(f"cannot read {path}: {error.strerror}") from error
    except UnusableKey as error:
        raise UnusableKey(f"{path}: {error}") from error


def read_key_set(paths: Iterable[Path]) -> KeySet:
    """Read all keys of all `--service-account-key-file`, in the order of flags and files.

    Raises:
        UnusableKey: A file cannot be read or holds no key.
    """
    keys = []
    for path in paths:
        try:
            keys.extend(load_public_keys(path.read_bytes()))
        except OSError as error:
            raise UnusableKey(f"cannot read {path}: {error.strerror}") from error
        except UnusableKey as error:
            raise UnusableKey(f"{path}: {error}") from error
    return KeySet(keys)


class Signer:
    """Signs payloads in threads; OpenSSL frees the GIL while it computes."""

    def __init__(self, key: SigningKey, *, threads: int | None = None) -> None:
        """Keep `threads` threads at most, by default one a core and one to hand over."""
        self._key = key
        self._header = jws.encode_header(key)
        self._threads = ThreadPoolExecutor(
            threads or (os.cpu_count() or 1) + 1, thread_name_prefix="sign"
        )

    async def sign(self, payload: bytes) -> str:
        """Return `payload` as a compact JWS."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._sign, payload)

    def _sign(self, payload: bytes) -> str:
        return jws.sign(payload, self._key, header=self._header)

    def close(self) -> None:
        """Let the threads end after what they have begun."""
        self._threads.shutdown(wait=False)
