"""The verbs of the Kubernetes API as methods over plain objects.

1. A refusal raises the server's `StatusError`; a broken connection raises `ConnectionFailed`.
2. Reading verbs are sent once more, on a fresh connection, when the first breaks: several API
   servers answer on one address, and another one takes over. Writes are reported and not repeated.
3. Every request has a deadline; a watch has none, but must hear from the server now and then.
4. A server that has too much to do (`Retry-After`) is asked again when it says so, and a little
   later, so that those who were refused together do not come back together; until the deadline.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from types import TracebackType
from typing import Literal, Self
from urllib.parse import quote, urlencode, urlsplit

import orjson

from podpass.api.errors import StatusError
from podpass.api.meta import name_of, namespace_of
from podpass.api.resources import Object, Resource
from podpass.base.clock import Clock, SystemClock
from podpass.base.tasks import jitter
from podpass.client.answers import decoded_object, retry_after, status_error, watch_lines
from podpass.client.config import ClientConfig
from podpass.client.connection import Connection, ConnectionFailed, ConnectionPool, Head
from podpass.client.credentials import Credentials

__all__ = ["ConnectionFailed", "RestClient"]

PatchKind = Literal["merge", "strategic", "json"]
_PATCH_TYPES: Mapping[PatchKind, str] = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
}
WATCH_SECONDS = 300
"""How long a watch is asked to last before it is renewed."""


class RestClient:
    """A client of one API server address; shared by all parts of a process.

    Attributes:
        config: Server and credentials.
        observe: Called with method, host and code (`<error>` without an answer) of each request.
    """

    def __init__(
        self,
        config: ClientConfig,
        *,
        timeout: float = 10.0,
        user_agent: str = "podpass",
        clock: Clock | None = None,
    ) -> None:
        """Prepare; nothing is connected yet.

        Args:
            config: Server and credentials.
            timeout: Seconds for a request and its answer.
            user_agent: Name of this program in the server's log.
            clock: For the pauses that the server asks for.
        """
        self.config = config
        self._credentials = Credentials(config)
        self._pool = ConnectionPool(
            config.server, self._credentials.tls_context, tls_server_name=config.tls_server_name
        )
        self._timeout = timeout
        self._user_agent = user_agent
        self._clock = clock or SystemClock()
        self.observe: Callable[[str, str, str], None] | None = None
        self._host = urlsplit(config.server).netloc

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Drop the connections."""
        await self._pool.close()

    async def get(
        self, resource: Resource, namespace: str | None, name: str, *, subresource: str = ""
    ) -> Object:
        """Read one object.

        Raises:
            StatusError: The server refused, e.g. 404.
            ConnectionFailed: The server was not reached.
        """
        return await self._json("GET", _path(resource, namespace, name, subresource))

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        continue_token: str = "",
        resource_version: str = "",
    ) -> Object:
        """Read a collection; each item carries its apiVersion and kind.

        Raises:
            StatusError: The server refused.
            ConnectionFailed: The server was not reached.
        """
        target = _path(resource, namespace) + _query(
            labelSelector=label_selector,
            fieldSelector=field_selector,
            limit=str(limit) if limit else "",
            resourceVersion=resource_version,
            **{"continue": continue_token},
        )
        found = await self._json("GET", target)
        items = found.get("items")
        if items is None:
            items = found["items"] = []
        for item in items:
            item.setdefault("apiVersion", resource.api_version)
            item.setdefault("kind", resource.kind)
        return found

    async def create(
        self,
        resource: Resource,
        obj: Object,
        *,
        namespace: str | None = None,
        name: str = "",
        subresource: str = "",
    ) -> Object:
        """Create an object, or post to a subresource of the object `name`.

        Raises:
            StatusError: The server refused.
            ConnectionFailed: The server was not reached; the object may exist all the same.
        """
        target = _path(resource, namespace or namespace_of(obj), name, subresource)
        return await self._json("POST", target, orjson.dumps(obj))

    async def update(self, resource: Resource, obj: Object, *, subresource: str = "") -> Object:
        """Replace an object; its resourceVersion, if any, must still be current.

        Raises:
            StatusError: The server refused, e.g. 409.
            ConnectionFailed: The server was not reached; the write may have happened.
        """
        target = _path(resource, namespace_of(obj), name_of(obj), subresource)
        return await self._json("PUT", target, orjson.dumps(obj))

    async def patch(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        patch: object,
        *,
        kind: PatchKind = "merge",
        subresource: str = "",
    ) -> Object:
        """Change parts of an object.

        Raises:
            StatusError: The server refused.
            ConnectionFailed: The server was not reached; the write may have happened.
        """
        target = _path(resource, namespace, name, subresource)
        return await self._json("PATCH", target, orjson.dumps(patch), _PATCH_TYPES[kind])

    async def delete(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        *,
        grace_period_seconds: int | None = None,
        uid: str = "",
        resource_version: str = "",
        propagation_policy: str = "",
    ) -> Object:
        """Ask for an object's deletion; returns its last state or a Status.

        Args:
            resource: What is deleted.
            namespace: Its namespace.
            name: Its name.
            grace_period_seconds: Time for a pod to end; None leaves it to the pod.
            uid: Delete only this incarnation; another one is a 409.
            resource_version: Delete only this state; another one is a 409.
            propagation_policy: `Background`, `Foreground` or `Orphan`.

        Raises:
            StatusError: The server refused, e.g. 404.
            ConnectionFailed: The server was not reached; the deletion may have happened.
        """
        options: Object = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if grace_period_seconds is not None:
            options["gracePeriodSeconds"] = grace_period_seconds
        if propagation_policy:
            options["propagationPolicy"] = propagation_policy
        conditions = {"uid": uid, "resourceVersion": resource_version}
        if preconditions := {key: value for key, value in conditions.items() if value}:
            options["preconditions"] = preconditions
        target = _path(resource, namespace, name)
        return await self._json("DELETE", target, orjson.dumps(options))

    async def read_path(self, path: str) -> bytes:
        """Read any path of the server, e.g. `/readyz`.

        Raises:
            StatusError: The server answered with an error.
            ConnectionFailed: The server was not reached.
        """
        return await self._request("GET", path)

    async def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        resource_version: str,
        field_selector: str = "",
        label_selector: str = "",
        timeout_seconds: int = WATCH_SECONDS,
    ) -> AsyncGenerator[tuple[str, Object]]:
        """Iterate over `(type, object)`: ADDED, MODIFIED, DELETED and BOOKMARK.

        Ends when the server ends it, usually after `timeout_seconds`. Wrap in `aclosing` if you may
        leave the loop early.

        Raises:
            StatusError: The server refused or broke off with an ERROR event, e.g. 410.
            ConnectionFailed: The connection broke or fell silent.
        """
        target = _path(resource, namespace) + _query(
            watch="true",
            allowWatchBookmarks="true",
            resourceVersion=resource_version,
            fieldSelector=field_selector,
            labelSelector=label_selector,
            timeoutSeconds=str(timeout_seconds),
        )
        connection, head = await self._admitted("GET", target, None, "")
        try:
            if head.status != 200:  # noqa: PLR2004 - OK
                raise status_error(head, await self._content(connection, head))
            async with aclosing(watch_lines(connection, head)) as lines:
                async for line in lines:
                    event = decoded_object(line)
                    kind, obj = event.get("type", ""), event.get("object") or {}
                    if kind == "ERROR":
                        raise StatusError.from_status(obj)
                    yield kind, obj
        finally:
            self._pool.release(connection)

    async def _json(
        self, method: str, target: str, body: bytes | None = None, media_type: str = ""
    ) -> Object:
        return decoded_object(await self._request(method, target, body, media_type))

    async def _request(
        self, method: str, target: str, body: bytes | None = None, media_type: str = ""
    ) -> bytes:
        """Send a request and return the body of its answer, if that is a success."""
        try:
            async with asyncio.timeout(self._timeout):
                connection, head = await self._admitted(method, target, body, media_type)
                try:
                    content = await self._content(connection, head)
                finally:
                    self._pool.release(connection)
        except TimeoutError as error:
            raise ConnectionFailed(
                f"{self.config.server}: no answer within {self._timeout:g} seconds"
            ) from error
        if head.status >= 300:  # noqa: PLR2004 - the API never redirects
            raise status_error(head, content)
        return content

    async def _admitted(
        self, method: str, target: str, body: bytes | None, media_type: str
    ) -> tuple[Connection, Head]:
        """Send a request until the server has the time for it; rule 4."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout
        while True:
            connection, head = await self._open(method, target, body, media_type)
            seconds = retry_after(head, reads=method == "GET")
            if seconds is None or loop.time() + (pause := jitter(seconds, 0.25)) >= deadline:
                return connection, head
            try:
                await self._content(connection, head)
            finally:
                self._pool.release(connection)
            await self._clock.sleep(pause)

    async def _open(
        self, method: str, target: str, body: bytes | None, media_type: str
    ) -> tuple[Connection, Head]:
        """Send a request until its head is here; rule 2."""
        headers = {"Accept": "application/json", "User-Agent": self._user_agent}
        if body is not None:
            headers["Content-Type"] = media_type or "application/json"
        if authorization := self._credentials.authorization():
            headers["Authorization"] = authorization
        attempts = 2 if method == "GET" else 1
        for attempt in range(attempts):
            connection: Connection | None = None
            head: Head | None = None
            try:
                connection = await self._pool.acquire(fresh=attempt > 0)
                async with asyncio.timeout(self._timeout):
                    head = await connection.send(method, target, headers, body)
                self._observe(method, str(head.status))
                return connection, head
            except ConnectionFailed:
                self._observe(method, "<error>")
                if attempt == attempts - 1:
                    raise
            except TimeoutError as error:
                self._observe(method, "<error>")
                raise ConnectionFailed(f"{self.config.server}: no answer in time") from error
            finally:
                if connection is not None and head is None:
                    connection.close()
        raise AssertionError

    def _observe(self, method: str, code: str) -> None:
        if self.observe is not None:
            self.observe(method, self._host, code)

    async def _content(self, connection: Connection, head: Head) -> bytes:
        async with aclosing(connection.body(head)) as pieces:
            return b"".join([piece async for piece in pieces])


def _path(
    resource: Resource, namespace: str | None = None, name: str = "", subresource: str = ""
) -> str:
    return resource.path(quote(namespace or ""), quote(name, safe=":"), subresource)


def _query(**parameters: str) -> str:
    given = {key: value for key, value in parameters.items() if value}
    return "?" + urlencode(given) if given else ""
