"""The way of every request: what is it, who sends it, may they, then its handler.

1. Health checks need no credential: a probe must see a server that cannot authenticate yet.
2. Authentication comes before everything else, then overload protection, then authorization,
   then "there is no such thing".
3. Whatever goes wrong is answered as a `Status`; what we did not expect is 500 and in the log.
4. A response that has begun cannot turn into an error: its connection is cut.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import web

from podpass.api import errors
from podpass.api.errors import StatusError
from podpass.apiserver.audit_event import AUDIT_ID, DECISION, REASON, audit_id
from podpass.apiserver.auditing import Auditor
from podpass.apiserver.authentication import Authenticator
from podpass.apiserver.authorization import Attributes, Authorizer, forbidden_error
from podpass.apiserver.health import ENDPOINTS
from podpass.apiserver.impersonation import impersonate
from podpass.apiserver.metrics import Metrics
from podpass.apiserver.non_resource import NonResourceHandlers
from podpass.apiserver.overload.gate import Admission
from podpass.apiserver.plain_protocol import peer_certificate
from podpass.apiserver.plain_request import HttpRequest, PlainRequest
from podpass.apiserver.representation import negotiate
from podpass.apiserver.request_context import RequestContext, first_values
from podpass.apiserver.request_info import RequestInfo, parse_request
from podpass.apiserver.responses import status_response
from podpass.apiserver.routes import Routes
from podpass.apiserver.stream_protocols import bearer_from_protocols
from podpass.base.clock import Clock
from podpass.base.tasks import new_uid

_log = logging.getLogger("apiserver")


def client_certificate(request: HttpRequest) -> bytes | None:
    """Return the certificate (DER) that the client proved to own in the TLS handshake."""
    if isinstance(request, PlainRequest):
        return request.certificate
    return peer_certificate(request.transport)


class RequestFlow:
    """Answers every request of the server."""

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        authorizer: Authorizer,
        catch_up: Callable[[], Awaitable[None]],
        catch_up_definitions: Callable[[], Awaitable[None]],
        routes: Routes,
        non_resource: NonResourceHandlers,
        metrics: Metrics,
        clock: Clock,
        is_started: Callable[[], bool],
        is_draining: Callable[[], bool],
        overload: Admission,
        auditor: Auditor | None = None,
    ) -> None:
        self._auditor = auditor
        self._overload = overload
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._catch_up = catch_up
        self._catch_up_definitions = catch_up_definitions
        self._routes = routes
        self._non_resource = non_resource
        self._metrics = metrics
        self._clock = clock
        self._is_started = is_started
        self._is_draining = is_draining

    async def handle(self, http: HttpRequest) -> web.StreamResponse:
        """Answer one request; raises nothing but cancellation."""
        started = self._clock.monotonic()
        raw_path, _, raw_query = http.raw_path.partition("?")
        query = first_values(raw_query) if raw_query else {}
        info = parse_request(http.method, raw_path, query)
        context = RequestContext(http=http, info=info, query=query, raw_query=raw_query)
        context.audit_id = audit_id(http, new_uid)
        panicked = False
        begun = self._metrics.begin(info)
        try:
            response = await self._answer(context)
        except StatusError as error:
            response = self._refuse(context, error)
        except Exception as error:  # noqa: BLE001 - the request boundary
            if isinstance(error, ConnectionError):
                _log.debug("%s %s: the client is gone", http.method, info.path)
            else:
                _log.exception("%s %s failed", http.method, info.path)
                panicked = True
            response = self._refuse(context, errors.internal("the server log says more"))
        if not response.prepared:
            response.headers[AUDIT_ID] = context.audit_id
        if context.audit is not None:
            if panicked:
                context.audit.panicked()
            else:
                context.audit.complete(response)
        seconds = self._clock.monotonic() - started
        self._metrics.observe(self._countable(info), response.status, seconds, begun)
        if self._is_draining() and not response.prepared:
            response.force_close()  # the client's next connection goes to another server
        return response

    async def _answer(self, context: RequestContext) -> web.StreamResponse:
        info = context.info
        if not info.is_resource and info.path.strip("/").split("/", 1)[0] in ENDPOINTS:
            return await self._non_resource.respond(context)  # 1.
        if not self._is_started():
            raise errors.service_unavailable("the API server is starting, try again")
        await self._authenticate(context)
        return await self._overload.run(context.user, info, partial(self._serve, context))

    async def _serve(self, context: RequestContext) -> web.StreamResponse:
        info = context.info
        await self._authorize(context, info.verb)
        if not info.is_resource:
            return await self._non_resource.respond(context)
        if self._routes.may_be_new(info):
            await self._catch_up_definitions()
        handler, resource = self._routes.find(info)
        if resource.custom is not None and resource.custom.deprecation:
            context.warnings.append(resource.custom.deprecation)
        if info.subresource in _STREAMS and info.verb == "get":
            # A websocket starts with GET; who may only read must not run commands by it.
            await self._authorize(context, "create")
        if info.subresource not in _STREAMS | {"log"}:
            context.representation = negotiate(context.http.headers.get("Accept", ""))
        return await handler(context, resource)

    def _countable(self, info: RequestInfo) -> RequestInfo:
        """Return what metrics may label a request with: names of our own, not of the client."""
        return info if info.is_resource and self._routes.knows(info) else _UNSERVED

    async def _authenticate(self, context: RequestContext) -> None:
        http = context.http
        authorization = http.headers.get("Authorization") or bearer_from_protocols(http)
        started = self._clock.monotonic()
        certificate = client_certificate(http)
        count = self._metrics.authentication.attempt
        try:
            known = await self._authenticator.authenticate(authorization, certificate)
        except StatusError:
            result = "error" if authorization or certificate else "failure"
            count(result, "", self._clock.monotonic() - started)
            if self._auditor is not None:
                how = "x509" if certificate and not authorization else "bearer"
                self._auditor.refused(http, context.info, context.audit_id, how)
            raise
        count("success", known.user.name, self._clock.monotonic() - started)
        context.audit_annotations.update(known.audit_annotations)
        context.warnings.extend(known.warnings)
        if self._auditor is not None:
            context.audit = self._auditor.begin(
                http, context.info, context.audit_id, known.user, context.audit_annotations
            )
            if context.audit is not None:
                context.audit.received()
        context.user = impersonate(http.headers, known.user, self._authorizer)
        if context.audit is not None and context.user is not known.user:
            context.audit.impersonated = context.user

    async def _authorize(self, context: RequestContext, verb: str) -> None:
        info = context.info
        if info.is_resource:
            attributes = Attributes(
                context.user,
                verb,
                group=info.group,
                version=info.version,
                resource=info.resource,
                subresource=info.subresource,
                namespace=info.namespace,
                name=info.name,
            )
        else:
            attributes = Attributes(context.user, verb, path=info.path)
        decision = self._authorizer.authorize(attributes)
        if not decision.allowed:
            # What allows it may have been written through another server a moment ago.
            await self._catch_up()
            decision = self._authorizer.authorize(attributes)
        if context.audit is not None:
            context.audit_annotations[DECISION] = "allow" if decision.allowed else "forbid"
            context.audit_annotations[REASON] = decision.reason
        if not decision.allowed:
            raise forbidden_error(attributes, decision.reason)

    def _refuse(self, context: RequestContext, error: StatusError) -> web.StreamResponse:
        stream = context.stream
        if stream is not None and stream.prepared:
            # 4.
            transport = context.streaming.transport
            if transport is not None:
                transport.close()
            return stream
        response = status_response(error, warnings=context.warnings)
        if error.code in {413, 500}:
            # The rest of the body is not read: the connection cannot be used again.
            response.force_close()
        return response


_STREAMS = frozenset({"exec", "attach", "portforward"})
_UNSERVED = RequestInfo("", "other")
