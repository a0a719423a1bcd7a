"""PATCH: server-side apply, and which of the other patches.

1. What is applied and does not exist is made, by who may create it.
2. A lost race is run again on the state that won.

Source: KEP-555; apiserver `endpoints/handlers/patch.go` (applyPatcher).
"""

from __future__ import annotations

import orjson
from aiohttp import web

from podpass.api import codec, errors
from podpass.api.managed_fields.apply import Application, apply
from podpass.api.managed_fields.owners import APPLY, Owner, Owners, read_owners, write_owners
from podpass.api.managed_fields.shapes import resource_shape
from podpass.api.meta import uid_of
from podpass.api.resources import Object, Resource
from podpass.apiserver.apply_body import applies, read_config
from podpass.apiserver.authorization import Attributes, Authorizer, forbidden_error
from podpass.apiserver.field_owners import field_manager, ignored_fields
from podpass.apiserver.request_context import RequestContext
from podpass.apiserver.write_handlers import WriteHandlers
from podpass.base.clock import Clock
from podpass.storage.objects import ObjectStore
from podpass.storage.stored_object import StoredObject

_ATTEMPTS = 5


class ApplyHandler:
    """Answers PATCH of stored kinds and of `status`."""

    def __init__(
        self, objects: ObjectStore, writes: WriteHandlers, authorizer: Authorizer, clock: Clock
    ) -> None:
        self._objects = objects
        self._writes = writes
        self._authorizer = authorizer
        self._clock = clock

    async def patch(self, context: RequestContext, resource: Resource) -> web.Response:
        """Answer a PATCH of any kind.

        Raises:
            StatusError: 400, 403, 404, 409, 413, 415, 422.
        """
        if applies(context):
            return await self._apply(context, resource)
        return await self._writes.patch(context, resource)

    async def _apply(self, context: RequestContext, resource: Resource) -> web.Response:
        shape = resource_shape(resource)
        config = await read_config(context, resource, shape)
        info = context.info
        request = Application(
            config=config,
            owner=Owner(field_manager(context), APPLY, resource.api_version, info.subresource),
            shape=shape,
            force=context.flag("force"),
            ignored=ignored_fields(resource, info.subresource, config),
            now=self._clock.now(),
        )

        def change(stored: StoredObject) -> Object:
            live: Object = orjson.loads(stored.raw)
            owners = read_owners(live["metadata"].pop("managedFields", None)) or {}
            new, owners = apply(request, live, owners)
            return _owned(_decoded(new, resource), owners)

        namespace = info.namespace if resource.namespaced else ""
        for attempt in range(_ATTEMPTS):
            try:
                await self._objects.get(resource, namespace, info.name)
            except errors.StatusError as error:
                if error.reason != "NotFound" or info.subresource:
                    raise
            else:
                return await self._writes.write(context, resource, change, owned=True)
            self._may_create(context)
            if uid_of(config):
                why = (
                    f"uid mismatch: the provided object specified uid {uid_of(config)}, and no "
                    "existing object was found"
                )
                raise errors.conflict(resource.plural, info.name, why, resource.group)
            _, owners = apply(request, {}, {})
            made = _owned(orjson.loads(orjson.dumps(config)), owners)
            try:
                return await self._writes.create_object(context, resource, made, owned=True)
            except errors.StatusError as error:
                if error.reason != "AlreadyExists" or attempt == _ATTEMPTS - 1:
                    raise  # 2
        raise AssertionError("the loop returns or raises")

    def _may_create(self, context: RequestContext) -> None:
        info = context.info
        attributes = Attributes(
            context.user,
            "create",
            group=info.group,
            version=info.version,
            resource=info.resource,
            namespace=info.namespace,
            name=info.name,
        )
        decision = self._authorizer.authorize(attributes)
        if not decision.allowed:
            raise forbidden_error(attributes, decision.reason)


def _decoded(obj: Object, resource: Resource) -> Object:
    """Return a merged object as it would have been sent: emptied parts are gone."""
    return codec.decode_value(
        obj,
        field_validation="Ignore",
        default_gvk=(resource.api_version, resource.kind),
        custom=resource if resource.custom is not None else None,
    ).object


def _owned(obj: Object, owners: Owners) -> Object:
    obj["metadata"]["managedFields"] = write_owners(owners)
    return obj
