"""Paths that are no resources: discovery, OpenAPI, version, health, metrics, issuer documents."""

from __future__ import annotations

import asyncio
import hashlib
import platform
from collections.abc import Callable, Mapping

import orjson
from aiohttp import web

from podpass import KUBERNETES_RELEASE, __version__
from podpass.api import discovery, errors, openapi
from podpass.api.resources import Object
from podpass.apiserver import metrics
from podpass.apiserver.custom_resources_openapi import OpenApiDocuments
from podpass.apiserver.health import ENDPOINTS, HealthChecks
from podpass.apiserver.request_context import RequestContext
from podpass.apiserver.responses import json_response, object_response, text_response
from podpass.apiserver.well_known import Document
from podpass.storage.defined_kinds import DefinedKinds

_FINAL_GROUP_PARTS = 2
_FINAL_VERSION_PARTS = 3
_OPENAPI_V3 = "/openapi/v3"


def version_info() -> Object:
    """Return the document at `/version`."""
    major, minor = KUBERNETES_RELEASE.removeprefix("v").split(".")[:2]
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"{KUBERNETES_RELEASE}+podpass-{__version__}",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"python{platform.python_version()}",
        "compiler": platform.python_implementation(),
        "platform": f"{platform.system().lower()}/{machine}",
    }


def wants_aggregated(accept: str) -> bool:
    """Tell whether a client of discovery prefers the aggregated form."""
    for clause in accept.split(","):
        parts = {part.strip() for part in clause.split(";")}
        if "as=APIGroupDiscoveryList" in parts and "v=v2" in parts:
            return True
        if parts == {"application/json"}:
            return False
    return False


class NonResourceHandlers:
    """Answers everything outside of `/api/VERSION/...` and `/apis/GROUP/VERSION/...`."""

    def __init__(
        self,
        *,
        health: HealthChecks,
        counters: metrics.Metrics,
        documents: Mapping[str, Document],
        external_address: str,
        kinds: DefinedKinds,
        openapi: OpenApiDocuments,
    ) -> None:
        self._health = health
        self._counters = counters
        self._documents = documents
        self._external_address = external_address
        self._kinds = kinds
        self._openapi_documents = openapi

    async def respond(self, context: RequestContext) -> web.StreamResponse:
        """Answer the request.

        Raises:
            StatusError: 404, 405, 406.
        """
        path = context.info.path
        if context.http.method not in {"GET", "HEAD"}:
            raise errors.StatusError(
                405, "MethodNotAllowed", "the server does not allow this method on the "
                "requested resource", {},
            )  # fmt: skip
        head = path.strip("/").split("/", 1)[0]
        if head in ENDPOINTS:
            return await self._health.respond(path, context.raw_query)
        # Upstream the router of REST paths serves these: a slash at the end is as good.
        document = self._documents.get(path.removesuffix("/"))
        if document is not None:
            return web.Response(body=document.body, headers=document.headers)
        if path.startswith("/openapi/"):
            return await self._openapi(context)
        simple: dict[str, Callable[[], web.Response]] = {
            "/": lambda: object_response({"paths": self._paths()}, pretty=True),
            "/version": lambda: object_response(version_info(), pretty=True),
            "/version/": lambda: object_response(version_info(), pretty=True),
            "/metrics": self._metrics,
        }
        if path in simple:
            return simple[path]()
        if head in {"api", "apis"}:
            return self._discovery(context)
        raise errors.no_such_path()

    def _discovery(self, context: RequestContext) -> web.Response:
        parts = context.info.path.strip("/").split("/")
        core = parts[0] == "api"
        custom = self._kinds.in_order()
        found: Object | None = None
        if len(parts) == 1:
            if wants_aggregated(context.http.headers.get("Accept", "")):
                body = orjson.dumps(discovery.aggregated_discovery(core=core, custom=custom))
                return _aggregated(body, context.http.headers.get("If-None-Match", ""))
            found = (
                discovery.api_versions(self._external_address)
                if core
                else discovery.api_group_list(custom)
            )
        elif core and len(parts) == _FINAL_GROUP_PARTS:
            found = discovery.api_resource_list("", parts[1])
        elif not core and len(parts) == _FINAL_GROUP_PARTS:
            found = discovery.api_group(parts[1], custom)
        elif not core and len(parts) == _FINAL_VERSION_PARTS:
            found = discovery.api_resource_list(parts[1], parts[2], custom)
        if found is None:
            raise errors.no_such_path()
        return object_response(found, pretty=context.pretty)

    async def _openapi(self, context: RequestContext) -> web.Response:
        path = context.info.path
        if path == "/openapi/v2":
            accepted = context.http.headers.get("Accept", "")
            if any(one in accepted for one in openapi.ASKED_MEDIA_TYPES):
                return web.Response(
                    body=openapi.swagger_protobuf(),
                    headers={"Content-Type": openapi.PROTOBUF_MEDIA_TYPE},
                )
            return json_response(openapi.swagger())
        # Rendering takes tens of milliseconds the first time: not on the event loop.
        if path == _OPENAPI_V3:
            return json_response(await asyncio.to_thread(self._openapi_documents.index))
        if path.startswith(f"{_OPENAPI_V3}/"):
            name = path.removeprefix(f"{_OPENAPI_V3}/")
            body = await asyncio.to_thread(self._openapi_documents.document, name)
            if body is not None:
                response = json_response(body)
                if "hash" in context.query:
                    response.headers["Cache-Control"] = "public, immutable"
                return response
        raise errors.no_such_path()

    def _metrics(self) -> web.Response:
        return text_response(
            self._counters.render(), headers={"Content-Type": metrics.CONTENT_TYPE}
        )

    def _paths(self) -> list[str]:
        paths = ["/api", "/apis", "/metrics", "/openapi/v2", _OPENAPI_V3, "/version"]
        for group, version in discovery.group_versions(self._kinds.in_order()):
            paths += (
                [f"/apis/{group}", f"/apis/{group}/{version}"] if group else [f"/api/{version}"]
            )
        for endpoint, checks in self._health.endpoints.items():
            paths += [f"/{endpoint}", *(f"/{endpoint}/{name}" for name in checks)]
        return sorted([*paths, *self._documents])


def _aggregated(body: bytes, known: str) -> web.Response:
    """Answer with the aggregated document, or with 304 to who knows it already."""
    tag = f'"{hashlib.sha256(body).hexdigest()}"'
    if tag in {one.strip().removeprefix("W/") for one in known.split(",")}:
        response = web.Response(status=304)
    else:
        response = json_response(body)
        response.headers["Content-Type"] = discovery.AGGREGATED_MEDIA_TYPE
    response.headers["ETag"] = tag
    response.headers["Vary"] = "Accept"
    response.headers["Cache-Control"] = "public"
    return response
