"""Requests of the API server to the kubelet of a node, for logs and streams.

1. The address is the node's first InternalIP and the port it reports; nothing else is dialled.
2. The kubelet shows a certificate of the kubelet CA (`kubelet_tls`), this server its client
   certificate.
3. A refusal of the kubelet is passed on with its code and text; no answer is 500 and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

import aiohttp
import orjson
from yarl import URL

from podpass.api import errors
from podpass.api.resources import NODES, Object
from podpass.apiserver.kubelet_tls import KubeletContext, kubelet_context
from podpass.apiserver.object_reader import ObjectReader
from podpass.apiserver.settings import ApiServerSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CONNECT_TIMEOUT_SECONDS = 5.0
MAX_REFUSAL_BYTES = 4096
_REFUSAL_HEADER = "X-Podpass-Refusal"
_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    503: "ServiceUnavailable",
}


def kubelet_address(node: Object) -> tuple[str, int]:
    """Return host and port of a node's kubelet (rule 1).

    Raises:
        StatusError: 500, the node reports none.
    """
    status = node.get("status", {})
    addresses = status.get("addresses") or ()
    host = next((one["address"] for one in addresses if one.get("type") == "InternalIP"), "")
    port = ((status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port") or 0
    if not host or not port:
        raise errors.internal(
            f"node {node['metadata']['name']} has not reported the address of its kubelet"
        )
    return str(host), int(port)


@dataclass(frozen=True, slots=True)
class KubeletAddress:
    """Something on a kubelet.

    Attributes:
        node: Name of its node.
        url: Where it is.
    """

    node: str
    url: URL


class KubeletClient:
    """Speaks to kubelets; one session for the life of the server, made on first use."""

    def __init__(self, settings: ApiServerSettings, reader: ObjectReader) -> None:
        self._settings = settings
        self._reader = reader
        self._session: aiohttp.ClientSession | None = None
        self._contexts: dict[str, KubeletContext] = {}

    async def address(
        self, node_name: str, path: str, query: Sequence[tuple[str, str]]
    ) -> KubeletAddress:
        """Return where `path` is on a node's kubelet.

        Raises:
            StatusError: 404, there is no such node; 500, it reports no kubelet.
        """
        node = self._reader.cached(NODES, "", node_name)
        if node is None:
            node = await self._reader.live(NODES, "", node_name)
        host, port = kubelet_address(node)
        url = URL.build(scheme="https", host=host, port=port, path=path)
        return KubeletAddress(node_name, url.with_query(list(query)))

    @asynccontextmanager
    async def stream(self, at: KubeletAddress) -> AsyncIterator[aiohttp.ClientResponse]:
        """GET what is there and hand over the open response.

        Raises:
            StatusError: The kubelet refused or gave no answer (rule 3).
        """
        try:
            tls = self._tls_context(at.node)
            async with self._open_session().get(at.url, ssl=tls) as response:
                if response.status != 200:  # noqa: PLR2004 - HTTP's OK
                    text = (await response.content.read(MAX_REFUSAL_BYTES)).decode(errors="replace")
                    raise kubelet_refusal(response.status, text)
                yield response
        except aiohttp.ClientError as error:
            raise no_answer(at, error) from error

    def websocket(
        self, at: KubeletAddress, protocols: Sequence[str]
    ) -> AbstractAsyncContextManager[aiohttp.ClientWebSocketResponse]:
        """Open a websocket; entering raises what aiohttp raises."""
        return self._open_session().ws_connect(
            at.url,
            protocols=protocols,
            max_msg_size=0,
            autoping=True,
            heartbeat=30.0,
            ssl=self._tls_context(at.node),
        )

    async def close(self) -> None:
        """Close idle connections."""
        if self._session is not None:
            await self._session.close()

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_SECONDS),
                auto_decompress=False,
            )
        return self._session

    def _tls_context(self, node: str) -> KubeletContext:
        found = self._contexts.get(node)
        if found is not None:
            return found
        context = kubelet_context(node)
        try:
            if self._settings.kubelet_certificate_authority is not None:
                context.load_verify_locations(self._settings.kubelet_certificate_authority)
            if self._settings.kubelet_client_certificate is not None:
                context.load_cert_chain(
                    self._settings.kubelet_client_certificate, self._settings.kubelet_client_key
                )
        except OSError as error:
            raise errors.internal(
                f"the certificates for talking to kubelets cannot be loaded: {error.strerror}"
            ) from error
        self._contexts[node] = context
        return context


def kubelet_refusal(code: int, text: str) -> errors.StatusError:
    """Return what a kubelet answered, a `Status` or plain text, as the client sees it."""
    with suppress(orjson.JSONDecodeError):
        status = orjson.loads(text)
        if isinstance(status, dict) and status.get("kind") == "Status":
            return errors.StatusError.from_status(status, code=code)
    message = text.strip() or f"the kubelet answered with status {code}"
    return errors.StatusError(code, _REASONS.get(code, "InternalError"), message)


def upgrade_refusal(error: aiohttp.WSServerHandshakeError) -> errors.StatusError:
    """Return what a kubelet that refused a websocket said; aiohttp drops the body."""
    why = {401: "it does not know this server", 404: "container not found"}
    said = unquote(error.headers.get(_REFUSAL_HEADER, "")) if error.headers else ""
    text = f"unable to upgrade connection: {said or why.get(error.status, error.message)}"
    return kubelet_refusal(error.status, text)


def no_answer(at: KubeletAddress, error: BaseException) -> errors.StatusError:
    """Return the error of a kubelet that cannot be reached; names no query."""
    return errors.internal(f'Get "{at.url.with_query(None)}": {error}')
