"""Creations that store nothing of their own: tokens, reviews, bindings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from podpass.api import strategy
from podpass.api.meta import UserInfo
from podpass.api.resources import AUTHENTICATION, PODS, Object, Resource
from podpass.apiserver.admission.chain import AdmissionChain
from podpass.apiserver.pod_binding import bind_pod, check_binding
from podpass.apiserver.request_context import RequestContext
from podpass.apiserver.responses import object_response
from podpass.apiserver.token_request import TokenRequests
from podpass.apiserver.write_handlers import WriteHandlers
from podpass.base.clock import Clock
from podpass.storage.objects import ObjectStore

Review = Callable[[Object, UserInfo], Awaitable[Object]]
_CREATED = 201


@dataclass(frozen=True, slots=True)
class SpecialHandlers:
    """Answers POST of what is not kept.

    Attributes:
        objects: For pods that are bound.
        admission: Sees tokens and bindings.
        writes: Reads bodies.
        tokens: Issues tokens.
        reviews: By resource.
        clock: Time.
    """

    objects: ObjectStore
    admission: AdmissionChain
    writes: WriteHandlers
    tokens: TokenRequests
    reviews: Mapping[Resource, Review]
    clock: Clock

    async def token(self, context: RequestContext, _resource: Resource) -> web.Response:
        """POST `serviceaccounts/NAME/token`.

        Raises:
            StatusError: As `TokenRequests.create`.
        """
        dry_run = context.dry_run
        body = await self.writes.decode(context, f"{AUTHENTICATION}/v1", "TokenRequest")
        answer, warnings = await self.tokens.create(
            context.info.namespace,
            context.info.name,
            body,
            context.user,
            admission=self.admission,
            dry_run=dry_run,
            audit_annotations=context.audit_annotations,
        )
        return object_response(
            answer,
            code=_CREATED,
            warnings=[*context.warnings, *warnings],
            pretty=context.pretty,
        )

    async def review(self, context: RequestContext, resource: Resource) -> web.Response:
        """POST of a review.

        Raises:
            StatusError: 400 and 422 of the review.
        """
        body = await self.writes.decode(context, resource.api_version, resource.kind)
        if resource.namespaced:
            strategy.check_namespace(resource, body, context.info.namespace)
        answer = await self.reviews[resource](body, context.user)
        return object_response(
            answer, code=_CREATED, warnings=context.warnings, pretty=context.pretty
        )

    async def bind(self, context: RequestContext, _resource: Resource) -> web.Response:
        """POST `pods/NAME/binding`.

        Raises:
            StatusError: 400, 404, 409, 422.
        """
        dry_run = context.dry_run
        info = context.info
        binding = await self.writes.decode(context, "v1", "Binding")
        check_binding(binding, info.name)
        request = self.writes.admission_request(context, "CREATE", PODS, binding, None)
        await self.admission.mutate(request)
        await self.admission.validate(request)
        if not dry_run:
            now = self.clock.now()
            await self.objects.update(
                PODS, info.namespace, info.name, lambda pod: bind_pod(pod, binding, now=now)
            )
        status: Object = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "code": _CREATED,
        }
        return object_response(
            status, code=_CREATED, warnings=context.warnings, pretty=context.pretty
        )
