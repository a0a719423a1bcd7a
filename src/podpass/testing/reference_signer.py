"""An external signer to read, to try things with, and for tests (KEP-740).

`python -m podpass.testing.reference_signer --socket PATH --key FILE` signs with a key in a file. A
real one would ask a KMS or an HSM in `sign` and `keys`; the rest can stay as it is. Whoever may
connect to the socket may have anything signed: put it into a directory of mode 0700.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
import grpc
import orjson

from podpass.apiserver.external_jwt import messages
from podpass.apiserver.external_jwt.endpoint import grpc_target
from podpass.apiserver.external_jwt.failures import SignerUnusable
from podpass.apiserver.external_jwt.messages import (
    FetchKeysResponse,
    SignResponse,
    Timestamp,
    WireKey,
)
from podpass.base.clock import Clock, SystemClock
from podpass.base.files import write_file
from podpass.jose import base64url
from podpass.jose.keys import ES256, PublicKey, SigningKey, UnusableKey, generate_signing_key
from podpass.jose.pem import load_public_keys, load_signing_key

_STOP_SECONDS = 2.0


class ReferenceSigner:
    """Signs with one key, and serves its public half beside retired ones.

    Attributes:
        key: Signs.
        keys: What FetchKeys answers.
        data_timestamp: When the keys were read where they are kept; None is left out.
        refresh_hint_seconds: When the API server should ask again.
        max_token_expiration_seconds: Longest life that is signed.
        header: Members of the header that are other ones than they should be; None is left out.
        signature: What is answered instead of a signature, if not None.
        error: Status and words with which every call is refused, if not None.
        calls: How often each method was called.
    """

    def __init__(
        self, key: SigningKey, *, retired: Iterable[PublicKey] = (), clock: Clock | None = None
    ) -> None:
        """Sign with `key`; tokens of `retired` keys count, but new ones are not made."""
        self.key = key
        self.keys = [wire_key(key.public), *(wire_key(one, excluded=True) for one in retired)]
        seconds = int((clock or SystemClock()).now().timestamp())
        self.data_timestamp: Timestamp | None = Timestamp(seconds)
        self.refresh_hint_seconds = 60
        self.max_token_expiration_seconds = 365 * 24 * 3600
        self.header: dict[str, object] = {}
        self.signature: str | None = None
        self.error: tuple[grpc.StatusCode, str] | None = None
        self.calls: Counter[str] = Counter()
        self._server: grpc.Server | None = None

    def start(self, endpoint: str) -> None:
        """Listen at a path, or `@name` for an abstract socket.

        Raises:
            SignerUnusable: The socket cannot be used.
        """
        server = grpc.server(ThreadPoolExecutor(4, thread_name_prefix="signer"))
        methods: dict[str, Callable[[bytes], bytes]] = {
            "Sign": self._sign,
            "FetchKeys": self._fetch_keys,
            "Metadata": self._metadata,
        }
        handlers = {name: self._handler(name, answer) for name, answer in methods.items()}
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(messages.SERVICE, handlers),)
        )
        try:
            server.add_insecure_port(grpc_target(endpoint))
        except RuntimeError as error:
            raise SignerUnusable(f"cannot listen at {endpoint}") from error
        server.start()
        self._server = server

    def stop(self) -> None:
        """Take no more calls, and wait for those under way."""
        if self._server is not None:
            self._server.stop(_STOP_SECONDS).wait()
            self._server = None

    def _sign(self, request: bytes) -> bytes:
        claims = messages.decode_sign_request(request)
        members = {"alg": self.key.public.algorithm.name, "kid": self.key.public.key_id}
        shown = {"typ": "JWT", **members, **self.header}
        header = base64url.encode(
            orjson.dumps({name: value for name, value in shown.items() if value is not None})
        )
        signature = base64url.encode(self.key.sign(f"{header}.{claims}".encode()))
        if self.signature is not None:
            signature = self.signature
        return messages.encode_sign_response(SignResponse(header=header, signature=signature))

    def _fetch_keys(self, _request: bytes) -> bytes:
        return messages.encode_fetch_keys_response(
            FetchKeysResponse(
                keys=tuple(self.keys),
                data_timestamp=self.data_timestamp,
                refresh_hint_seconds=self.refresh_hint_seconds,
            )
        )

    def _metadata(self, _request: bytes) -> bytes:
        return messages.encode_metadata_response(self.max_token_expiration_seconds)

    def _handler(
        self, name: str, answer: Callable[[bytes], bytes]
    ) -> grpc.RpcMethodHandler[bytes, bytes]:
        def handle(request: bytes, context: grpc.ServicerContext) -> bytes:
            self.calls[name] += 1
            if self.error is not None:
                context.abort(*self.error)
            return answer(request)

        return grpc.unary_unary_rpc_method_handler(handle)


def wire_key(key: PublicKey, *, key_id: str = "", excluded: bool = False) -> WireKey:
    """Return a public key as FetchKeys carries it.

    Args:
        key: The key.
        key_id: What tokens call it, if that is not the key's own id.
        excluded: Whether it only verifies.
    """
    return WireKey(
        key_id=key_id or key.key_id, key=key.to_der(), exclude_from_oidc_discovery=excluded
    )


def _read_key(path: Path) -> SigningKey:
    if not path.exists():
        write_file(path, generate_signing_key(ES256).to_pem(), mode=0o600)
    return load_signing_key(path.read_bytes())


_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option("--socket", "endpoint", required=True, help="Path of the socket, or @name.")
@click.option(
    "--key", "key_file", required=True, type=_FILE, help="Private key in PEM; made if missing."
)
@click.option(
    "--retired-key",
    "retired_files",
    multiple=True,
    type=_FILE,
    help="Key in PEM whose tokens still count, but which is in no document any more.",
)
@click.option(
    "--max-token-expiration-seconds",
    default=365 * 24 * 3600,
    show_default=True,
    help="Longest life of a token.",
)
@click.option(
    "--refresh-hint-seconds", default=60, show_default=True, help="When to fetch keys again."
)
def main(
    endpoint: str,
    key_file: Path,
    retired_files: tuple[Path, ...],
    max_token_expiration_seconds: int,
    refresh_hint_seconds: int,
) -> None:
    """Sign service account tokens for API servers until SIGINT or SIGTERM."""
    os.umask(0o077)
    stops: set[Any] = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)
    try:
        retired = [key for path in retired_files for key in load_public_keys(path.read_bytes())]
        signer = ReferenceSigner(_read_key(key_file), retired=retired)
        signer.max_token_expiration_seconds = max_token_expiration_seconds
        signer.refresh_hint_seconds = refresh_hint_seconds
        signer.start(endpoint)
    except (OSError, UnusableKey, SignerUnusable) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"signing with {signer.key.public.key_id} at {endpoint}")
    signal.sigwait(stops)
    signer.stop()


if __name__ == "__main__":
    main()
