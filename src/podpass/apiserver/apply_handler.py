"""PATCH: server-side apply, and which of the other patches.

1. Who applies says who they are (`fieldManager`); `force` is for applying only.
2. What is applied and does not exist is made, by who may create it.
3. A lost race is run again on the state that won.

Source: KEP-555; apiserver `endpoints/handlers/patch.go` (applyPatcher).
"""

from __future__ import annotations

import orjson
from aiohttp import web

from podpass.api import codec, errors, field_errors
from podpass.api.managed_fields.apply import Application, apply
from podpass.api.managed_fields.leaves import has_repeated_items
from podpass.api.managed_fields.owners import APPLY, Owner, Owners, read_owners, write_owners
from podpass.api.managed_fields.paths import shown
from podpass.api.managed_fields.shapes import resource_shape
from podpass.api.meta import name_of, namespace_of, uid_of
from podpass.api.resources import Object, Resource
from podpass.apiserver.authorization import Attributes, Authorizer, forbidden_error
from podpass.apiserver.field_owners import field_manager, ignored_fields
from podpass.apiserver.patch_body import APPLY_PATCH, patch_type
from podpass.apiserver.request_context import RequestContext
from podpass.apiserver.write_handlers import WriteHandlers
from podpass.base.clock import Clock
from podpass.storage.objects import ObjectStore
from podpass.storage.stored_object import StoredObject

_ATTEMPTS = 5
_META = "meta.k8s.io"


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
        applies = patch_type(context) == APPLY_PATCH
        problems = []
        if applies and not field_manager(context):
            problems.append(field_errors.required("fieldManager", "is required for apply patch"))
        if not applies and "force" in context.query:
            text = "may not be specified for non-apply patch"
            problems.append(field_errors.forbidden("force", text))
        if problems:
            raise errors.invalid("PatchOptions", "", problems, _META)
        if applies:
            return await self._apply(context, resource)
        return await self._writes.patch(context, resource)

    async def _apply(self, context: RequestContext, resource: Resource) -> web.Response:
        config = await self._read(context, resource)
        info = context.info
        request = Application(
            config=config,
            owner=Owner(field_manager(context), APPLY, resource.api_version, info.subresource),
            shape=resource_shape(resource),
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
                    raise  # 3
        raise AssertionError("the loop returns or raises")

    async def _read(self, context: RequestContext, resource: Resource) -> Object:
        decoded = codec.decode_body(
            await context.body(),
            codec.YAML,
            field_validation=context.field_validation,
            default_gvk=(resource.api_version, resource.kind),
            custom=resource if resource.custom is not None else None,
        )
        context.warnings.extend(decoded.warnings)
        config = decoded.object
        metadata = config.setdefault("metadata", {})
        info = context.info
        if metadata.get("managedFields"):
            raise errors.bad_request("metadata.managedFields must be nil")
        metadata.setdefault("name", info.name)
        if name_of(config) != info.name:
            raise errors.bad_request(
                f"the name of the object ({name_of(config)}) does not match the name on the URL "
                f"({info.name})"
            )
        if resource.namespaced:
            if (namespace_of(config) or info.namespace) != info.namespace:
                raise errors.bad_request(
                    f"the namespace of the object ({namespace_of(config)}) does not match the "
                    f"namespace on the request ({info.namespace})"
                )
            metadata["namespace"] = info.namespace
        repeated = has_repeated_items(config, resource_shape(resource))
        if repeated is not None:
            raise errors.bad_request(
                f"failed to create typed patch object: {shown(repeated[:-1])}: duplicate entries "
                f"for key {shown(repeated[-1:])}"
            )
        return config

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
