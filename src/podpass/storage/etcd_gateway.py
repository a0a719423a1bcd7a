"""Requests to the members of an etcd, by the JSON gateway that each of them has.

1. One member is asked; when it does not answer the next one is.
2. A request that may be repeated goes on to the next member whatever happened. A write does so
   only if it surely was not carried out: no connection, or no leader. Otherwise its outcome is
   unknown, and the error says so.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from podpass.storage.interface import StoreUnavailable

REQUEST_SECONDS = 5.0
CONNECT_SECONDS = 2.0
_CONNECTIONS = 64
"""At a time; more requests wait for their turn, which is no failure of the member."""
_NO_LEADER = "etcdserver: no leader"
_UNAVAILABLE = 503


class GatewayRefusal(Exception):
    """etcd understood the request and refused it; the text is etcd's."""


@dataclass(frozen=True, slots=True)
class EtcdAddress:
    """Where an etcd is and how to be known there.

    Attributes:
        endpoints: `https://host:port` or `http://host:port` of members.
        ca_file: What signed the members' certificates; None for the machine's own list.
        cert_file: Client certificate, if members ask for one.
        key_file: Its key.
    """

    endpoints: Sequence[str]
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    def tls(self) -> ssl.SSLContext:
        """Build the TLS settings.

        Raises:
            StoreUnavailable: A file cannot be read or does not fit.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.cert_file is not None:
                context.load_cert_chain(self.cert_file, self.key_file)
        except (OSError, ssl.SSLError) as error:
            raise StoreUnavailable(f"the TLS files for etcd: {error}") from error
        return context


class EtcdGateway:
    """Speaks to one etcd.

    Args:
        address: Where it is.
        request_seconds: How long a member may take.
    """

    def __init__(self, address: EtcdAddress, *, request_seconds: float = REQUEST_SECONDS) -> None:
        self._endpoints = [endpoint.rstrip("/") for endpoint in address.endpoints]
        self._turn = 0
        self._seconds = request_seconds
        secure = any(endpoint.startswith("https:") for endpoint in self._endpoints)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=address.tls() if secure else True, limit=_CONNECTIONS
            )
        )

    async def call(self, path: str, body: object, *, repeatable: bool) -> Any:
        """Send a request and return the answer.

        Args:
            path: Below `/v3/`, for example `kv/range`.
            body: JSON-ready message.
            repeatable: Whether the request may be sent twice (2).

        Raises:
            GatewayRefusal: etcd refused it.
            StoreUnavailable: No member answered, or the outcome of a write is unknown.
        """
        data = orjson.dumps(body)
        trouble = ""
        for _ in self._endpoints:
            endpoint = self._endpoints[self._turn % len(self._endpoints)]
            try:
                async with self._post(endpoint, path, data, self._seconds) as response:
                    answer = await response.read()
                    if response.status == 200:  # noqa: PLR2004 - the HTTP code
                        return orjson.loads(answer)
                    trouble = _refusal_text(answer)
                    if response.status != _UNAVAILABLE:
                        raise GatewayRefusal(trouble)
                    certain = trouble == _NO_LEADER
            except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
                trouble, certain = str(error), True
            except (aiohttp.ClientError, TimeoutError, orjson.JSONDecodeError) as error:
                trouble, certain = str(error) or "no answer in time", False
            self._turn += 1
            if not (certain or repeatable):
                raise StoreUnavailable(
                    f"etcd at {endpoint}: {trouble}; whether the write was done is unknown, "
                    "read it again"
                )
        raise StoreUnavailable(f"etcd: no member answers ({', '.join(self._endpoints)}): {trouble}")

    async def stream(self, path: str, body: object) -> AsyncIterator[Any]:
        """Send a request and yield the messages of its endless answer.

        Raises:
            StoreUnavailable: The member went away; the next call asks the next member.
        """
        endpoint = self._endpoints[self._turn % len(self._endpoints)]
        rest = b""
        try:
            async with self._post(endpoint, path, orjson.dumps(body), None) as response:
                async for piece in response.content.iter_any():
                    *lines, rest = (rest + piece).split(b"\n")
                    for line in lines:
                        message = orjson.loads(line)
                        if "result" not in message:
                            raise StoreUnavailable(f"etcd at {endpoint}: {_refusal_text(line)}")
                        yield message["result"]
        except (aiohttp.ClientError, TimeoutError, orjson.JSONDecodeError) as error:
            self._turn += 1
            raise StoreUnavailable(f"etcd at {endpoint}: {error or 'no answer'}") from error
        self._turn += 1
        raise StoreUnavailable(f"etcd at {endpoint}: it ended the watch")

    def leave_member(self) -> None:
        """Ask the next member from now on: this one answers but does not follow."""
        self._turn += 1

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    def _post(
        self, endpoint: str, path: str, data: bytes, seconds: float | None
    ) -> Any:  # aiohttp's own type for this is private
        if self._session.closed:
            raise StoreUnavailable("etcd: the store is closed")
        return self._session.post(
            f"{endpoint}/v3/{path}",
            data=BytesIO(data),
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=CONNECT_SECONDS, sock_read=seconds
            ),
        )


def _refusal_text(answer: bytes) -> str:
    try:
        message = orjson.loads(answer)
        inner = message.get("error")
        if isinstance(inner, dict):
            return str(inner.get("message", inner))
        return str(message.get("message") or inner)
    except (orjson.JSONDecodeError, AttributeError):
        return answer[:200].decode(errors="replace").strip()
