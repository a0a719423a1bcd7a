"""A small API server in memory, on loopback, for tests of the client.

It speaks the protocol (resourceVersions, conflicts, watches with bookmarks, 410) and can misbehave
on demand; it has no admission, no rules and no security. What depends on those is tested against
the real API server.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import orjson
from aiohttp import web

from podpass.api import errors
from podpass.api.meta import name_of, namespace_of, resource_version_of
from podpass.api.resources import RESOURCES, Object, Resource

_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Change:
    revision: int
    resource: Resource
    type: str
    object: Object


class ApiSimulator:
    """Serves the stored kinds; use as an async context manager.

    Attributes:
        requests: Method, path with query, and headers of each request that came in.
        answers: Errors to answer the next requests with.
        breaks: How many of the next requests find their connection cut.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.answers: list[errors.StatusError] = []
        self.breaks = 0
        self._tls = tls
        self._revision = 100
        self._compacted = 0
        self._objects: dict[Resource, dict[_Key, Object]] = {}
        self._history: list[_Change] = []
        self._changed = asyncio.Event()
        self._watches: set[asyncio.Task[Any]] = set()
        self._watch_errors: dict[asyncio.Task[Any], errors.StatusError] = {}
        self._site: web.TCPSite | None = None
        self._runner: web.AppRunner | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Base URL."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen, on the former port after a stop."""
        app = web.Application()
        app.router.add_get("/readyz", _ready)
        for resource in sorted(RESOURCES, key=lambda one: not one.namespaced):
            if resource.stored:  # namespaced first: /namespaces/x/pods is no subresource
                self._add_routes(app, resource)
        app.middlewares.append(self._boundary)
        self._runner = web.AppRunner(app, shutdown_timeout=0.01, access_log=None)
        await self._runner.setup()
        self._site = web.TCPSite(
            self._runner, "127.0.0.1", self.port, ssl_context=self._tls, reuse_address=True
        )
        await self._site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Cut all connections and listen no more; what is stored stays."""
        self.drop_watches()
        if self._runner is not None:
            await self._runner.cleanup()

    def drop_watches(self) -> None:
        """Cut the connections of all watches."""
        for task in self._watches:
            task.cancel()

    def fail_watches(self, error: errors.StatusError) -> None:
        """End the watches of now with an ERROR event."""
        self._watch_errors.update(dict.fromkeys(self._watches, error))
        self._wake()

    def compact(self) -> None:
        """Forget the history; watches of former versions are answered with 410."""
        self._compacted = self._revision
        self._history.clear()

    def object(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """Return what is stored."""
        return self._of(resource).get((namespace, name))

    def objects(self, resource: Resource) -> list[Object]:
        """Return all that is stored of a kind."""
        return [*self._of(resource).values()]

    def put(self, resource: Resource, obj: Object) -> Object:
        """Store an object as it is, as if a client had written it."""
        key = (namespace_of(obj) if resource.namespaced else "", name_of(obj))
        new = {"apiVersion": resource.api_version, "kind": resource.kind} | obj
        former = self._of(resource).get(key)
        return self._store(resource, key, new, "MODIFIED" if former else "ADDED")

    def remove(self, resource: Resource, namespace: str, name: str) -> None:
        """Delete an object, as if a client had deleted it."""
        last = self._of(resource)[(namespace, name)]
        self._store(resource, (namespace, name), last, "DELETED")

    def _of(self, resource: Resource) -> dict[_Key, Object]:
        return self._objects.setdefault(resource, {})

    def _store(self, resource: Resource, key: _Key, obj: Object, type_: str) -> Object:
        self._revision += 1
        metadata = {"uid": f"uid-{self._revision}"} | obj.get("metadata", {})
        metadata["resourceVersion"] = str(self._revision)
        new = obj | {"metadata": metadata}
        if type_ == "DELETED":
            del self._of(resource)[key]
        else:
            self._of(resource)[key] = new
        self._history.append(_Change(self._revision, resource, type_, new))
        self._wake()
        return new

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _add_routes(self, app: web.Application, resource: Resource) -> None:
        async def collection(request: web.Request) -> web.StreamResponse:
            if request.method == "POST":
                return await self._create(request, resource)
            if request.query.get("watch"):
                return await self._watch(request, resource)
            return self._list(request, resource)

        async def single(request: web.Request) -> web.StreamResponse:
            return await self._single(request, resource)

        async def subresource(request: web.Request) -> web.StreamResponse:
            return await self._single(request, resource)

        roots = [resource.path("NAMESPACE").replace("NAMESPACE", "{namespace}")]
        if resource.namespaced:
            roots.append(resource.path())
        for root in dict.fromkeys(roots):
            app.router.add_route("*", root, collection)
            app.router.add_route("*", root + "/{name}", single)
            app.router.add_route("*", root + "/{name}/{subresource}", subresource)

    @web.middleware
    async def _boundary(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append((request.method, request.path_qs, dict(request.headers)))
        if self.breaks:
            self.breaks -= 1
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        try:
            if self.answers:
                raise self.answers.pop(0)
            response: web.StreamResponse = await handler(request)
        except errors.StatusError as error:
            return _answer(error.to_status(), error.code)
        return response

    def _matching(self, request: web.Request, resource: Resource) -> list[Object]:
        namespace = request.match_info.get("namespace")
        wanted = request.query.get("fieldSelector", "")
        return [
            obj
            for key, obj in sorted(self._of(resource).items())
            if namespace in (None, key[0]) and _selected(obj, wanted)
        ]

    def _list(self, request: web.Request, resource: Resource) -> web.Response:
        items = self._matching(request, resource)
        return _answer(
            {
                "kind": f"{resource.kind}List",
                "apiVersion": resource.api_version,
                "metadata": {"resourceVersion": str(self._revision)},
                "items": items,
            }
        )

    async def _create(self, request: web.Request, resource: Resource) -> web.Response:
        obj = orjson.loads(await request.read())
        key = (request.match_info.get("namespace", ""), name_of(obj))
        if key in self._of(resource):
            raise errors.already_exists(resource.plural, key[1], resource.group)
        if key[0]:
            obj["metadata"]["namespace"] = key[0]
        return _answer(self._store(resource, key, obj, "ADDED"), 201)

    async def _single(self, request: web.Request, resource: Resource) -> web.Response:
        key = (request.match_info.get("namespace", ""), request.match_info["name"])
        current = self._of(resource).get(key)
        if current is None:
            raise errors.not_found(resource.plural, key[1], resource.group)
        if request.method == "GET":
            return _answer(current)
        body = orjson.loads(await request.read() or b"{}")
        if request.method == "DELETE":
            expected = body.get("preconditions", {}).get("uid")
            if expected not in (None, current["metadata"]["uid"]):
                raise errors.conflict(resource.plural, key[1], group=resource.group)
            return _answer(self._store(resource, key, current, "DELETED"))
        if request.match_info.get("subresource") == "binding":
            body = {"spec": {"nodeName": body["target"]["name"]}}
        new = body if request.method == "PUT" else _merged(current, body)
        if resource_version_of(new) not in ("", resource_version_of(current)):
            raise errors.conflict(resource.plural, key[1], group=resource.group)
        return _answer(self._store(resource, key, new, "MODIFIED"))

    async def _watch(self, request: web.Request, resource: Resource) -> web.StreamResponse:
        after = int(request.query.get("resourceVersion") or self._revision)
        if after < self._compacted:
            raise errors.expired(f"too old resource version: {after} ({self._compacted})")
        namespace = request.match_info.get("namespace")
        wanted = request.query.get("fieldSelector", "")
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a handler runs in a task
        self._watches.add(task)
        try:
            while True:
                changed = self._changed
                for change in [one for one in self._history if one.revision > after]:
                    if (
                        change.resource is resource
                        and namespace in (None, namespace_of(change.object))
                        and _selected(change.object, wanted)
                    ):
                        await _send(response, change.type, change.object)
                after = self._revision
                metadata = {"resourceVersion": str(after)}
                await _send(response, "BOOKMARK", {"kind": resource.kind, "metadata": metadata})
                await changed.wait()
                if task in self._watch_errors:
                    await _send(response, "ERROR", self._watch_errors.pop(task).to_status())
                    return response
        except ConnectionError:  # the client went away
            return response
        except asyncio.CancelledError:
            if request.transport is not None:
                request.transport.abort()
            raise
        finally:
            self._watches.discard(task)


async def _ready(request: web.Request) -> web.Response:  # noqa: ARG001 - shape of a handler
    return web.Response(text="ok")


def _answer(obj: Object, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(obj), status=status, content_type="application/json")


async def _send(response: web.StreamResponse, type_: str, obj: Object) -> None:
    await response.write(orjson.dumps({"type": type_, "object": obj}) + b"\n")


def _selected(obj: Object, field_selector: str) -> bool:
    for term in field_selector.split(",") if field_selector else ():
        path, _, wanted = term.partition("=")
        value: Any = obj
        for element in path.split("."):
            value = value.get(element, {}) if isinstance(value, dict) else {}
        if (value or "") != wanted:
            return False
    return True


def _merged(current: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    merged = dict(current) if isinstance(current, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), value)
    return merged
