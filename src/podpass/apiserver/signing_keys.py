"""What signs tokens, and the keys of this server as one way to do it.

Keys are read from files at start. Signing leaves the event loop free: a thread costs no memory and
does for a few, but each hand-over of the GIL costs as much as a signature once the loop is busy.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from podpass.apiserver.signing_processes import ProcessesGone, SigningProcesses
from podpass.jose import jws
from podpass.jose.key_set import KeySet
from podpass.jose.keys import SigningKey, UnusableKey
from podpass.jose.pem import load_public_keys, load_signing_key

BUSY: Final = 4
"""Signatures under way at one time for which processes are called up."""

MANY: Final = 50
"""Signatures within a second for which they are, too: few clients may be quick ones."""


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
    """Signs payloads off the event loop: in threads, and under load in processes (ADR 61)."""

    def __init__(
        self,
        key: SigningKey,
        *,
        threads: int | None = None,
        processes: SigningProcesses | None = None,
    ) -> None:
        """Keep `threads` threads at most, by default one a core and one to hand over.

        Args:
            key: Signs.
            threads: For a few signatures now and then; OpenSSL frees the GIL while it computes.
            processes: For many at a time; None for threads alone.
        """
        self._key = key
        self._header = jws.encode_header(key)
        self._processes = processes
        self._waiting = 0
        self._second = 0
        self._in_second = 0
        self._threads = ThreadPoolExecutor(
            threads or (os.cpu_count() or 1) + 1, thread_name_prefix="sign"
        )

    async def sign(self, payload: bytes) -> str:
        """Return `payload` as a compact JWS."""
        signing_input = jws.signing_input(payload, self._header)
        self._waiting += 1
        try:
            signature = await self._signature(signing_input.encode())
        finally:
            self._waiting -= 1
        return jws.assemble(signing_input, signature)

    async def _signature(self, data: bytes) -> bytes:
        processes = self._processes
        if processes is not None:
            if processes.ready:
                with suppress(ProcessesGone):
                    return await processes.sign(data)
            elif self._is_busy():
                processes.call_up()
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._key.sign, data)

    def _is_busy(self) -> bool:
        second = int(asyncio.get_running_loop().time())
        if second != self._second:
            self._second, self._in_second = second, 0
        self._in_second += 1
        return self._waiting >= BUSY or self._in_second >= MANY

    def close(self) -> None:
        """Let threads and processes end after what they have begun."""
        self._threads.shutdown(wait=False)
        if self._processes is not None:
            self._processes.close()
