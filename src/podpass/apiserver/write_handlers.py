"""create, update and patch: from the body to the store.

1. Create: decode, default, mutating admission, system fields, validation, validating admission,
   write. A generated name that is taken is drawn again.
2. Update and patch: against the newest state; a lost race is run again on the state that won,
   unless the client named a resourceVersion, which then no longer fits.
3. `dryRun=All` does everything but the write.
4. The last finalizer of a marked object takes the object with it.
Source: apiserver `endpoints/handlers/{create,update,patch}.go`, `registry/generic/registry`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import orjson
from aiohttp import web

from podpass.api import codec, errors, strategy, validation
from podpass.api.defaults import apply_defaults
from podpass.api.field_errors import FieldError
from podpass.api.meta import name_of, namespace_of, resource_version_of, uid_of
from podpass.api.resources import Object, Resource
from podpass.apiserver import patch_body
from podpass.apiserver.admission.chain import AdmissionChain, AdmissionRequest, Operation
from podpass.apiserver.deletion import is_released
from podpass.apiserver.field_owners import own_created, own_updated
from podpass.apiserver.read_handlers import ReadHandlers
from podpass.apiserver.request_context import RequestContext
from podpass.base.clock import Clock
from podpass.base.tasks import new_uid, random_suffix
from podpass.storage.interface import StoreRevision
from podpass.storage.objects import ObjectStore
from podpass.storage.stored_object import StoredObject, encode_value, load_value

_GENERATED_NAME_ATTEMPTS = 8
_UPDATE_ATTEMPTS = 5
_NO_REVISION = StoreRevision(0)
_CREATED = 201
_CONFLICT = 409

Change = Callable[[StoredObject], Object]
"""Makes the wanted object from the stored one; is called again after a lost race."""


class WriteHandlers:
    """Answers create, update and patch of stored kinds and their subresources."""

    def __init__(
        self,
        objects: ObjectStore,
        admission: AdmissionChain,
        reads: ReadHandlers,
        clock: Clock,
        *,
        minimum_token_expiration_seconds: int,
    ) -> None:
        self._objects = objects
        self._admission = admission
        self._reads = reads
        self._clock = clock
        self._minimum_seconds = minimum_token_expiration_seconds

    async def create(self, context: RequestContext, resource: Resource) -> web.Response:
        """POST to a collection.

        Raises:
            StatusError: 400, 403, 409, 413, 415, 422.
        """
        obj = await self.decode(context, resource.api_version, resource.kind, resource)
        return await self.create_object(context, resource, obj)

    async def create_object(
        self, context: RequestContext, resource: Resource, obj: Object, *, owned: bool = False
    ) -> web.Response:
        """Store a new object, and answer with it.

        Args:
            context: The request.
            resource: Kind of the object.
            obj: The decoded object, which is changed.
            owned: Whether `obj` has the right `managedFields` already.

        Raises:
            StatusError: 400, 403, 409, 422.
        """
        dry_run = context.dry_run
        namespace = context.info.namespace if resource.namespaced else ""
        owners = obj["metadata"].get("managedFields") if owned else None
        strategy.check_namespace(resource, obj, namespace)
        apply_defaults(resource, obj)
        request = self.admission_request(context, "CREATE", resource, obj, None)
        request.name = name_of(obj)
        await self._admission.mutate(request)
        generated = not name_of(obj) and bool(obj["metadata"].get("generateName"))
        for attempt in range(_GENERATED_NAME_ATTEMPTS):
            if generated:
                obj["metadata"].pop("name", None)
            strategy.prepare_for_create(
                resource,
                obj,
                now=self._clock.now(),
                uid=new_uid(),
                namespace=namespace,
                suffix=random_suffix(),
            )
            if owned:
                obj["metadata"]["managedFields"] = owners
            else:
                own_created(context, resource, obj, self._clock.now())
            if attempt == 0:
                request.name = name_of(obj)
                problems = validation.validate_create(
                    resource, obj, minimum_token_expiration_seconds=self._minimum_seconds
                )
                _refuse_invalid(resource, obj, problems)
                await self._admission.validate(request)
            if dry_run:
                return self._reads.render(context, resource, _unwritten(obj), code=_CREATED)
            try:
                stored = await self._objects.create(resource, obj)
            except errors.StatusError as error:
                if not generated or error.reason != "AlreadyExists":
                    raise
                if attempt == _GENERATED_NAME_ATTEMPTS - 1:
                    raise
                continue
            return self._reads.render(context, resource, stored, code=_CREATED)
        raise AssertionError("the loop returns or raises")

    async def update(self, context: RequestContext, resource: Resource) -> web.Response:
        """PUT of an object or a subresource.

        Raises:
            StatusError: 400, 403, 404, 409, 413, 415, 422.
        """
        info = context.info
        obj = await self.decode(context, resource.api_version, resource.kind, resource)
        if name_of(obj) != info.name:
            raise errors.bad_request(
                f"the name of the object ({name_of(obj)}) does not match the name on the URL "
                f"({info.name})"
            )
        if resource.namespaced and (namespace_of(obj) or info.namespace) != info.namespace:
            raise errors.bad_request(
                f"the namespace of the object ({namespace_of(obj)}) does not match the namespace "
                f"on the request ({info.namespace})"
            )
        encoded = orjson.dumps(obj)
        return await self.write(context, resource, lambda _: orjson.loads(encoded))

    async def patch(self, context: RequestContext, resource: Resource) -> web.Response:
        """PATCH of an object or a subresource.

        Raises:
            StatusError: 400, 403, 404, 409, 413, 415, 422.
        """
        apply = await self.read_patch(context, resource.api_version, resource.kind, resource)
        return await self.write(context, resource, lambda stored: apply(orjson.loads(stored.raw)))

    async def read_patch(
        self,
        context: RequestContext,
        api_version: str,
        kind: str,
        resource: Resource | None = None,
    ) -> Callable[[Object], Object]:
        """Read the body as a patch of this kind; see `patch_body.read_patch`.

        Raises:
            StatusError: 400, 413, 415; the function 400, 422.
        """
        return await patch_body.read_patch(context, api_version, kind, resource)

    async def decode(
        self,
        context: RequestContext,
        api_version: str,
        kind: str,
        resource: Resource | None = None,
    ) -> Object:
        """Read the body as an object of this kind; warnings go to the context.

        Raises:
            StatusError: 400, 413, 415.
        """
        decoded = codec.decode_body(
            await context.body(),
            context.http.headers.get("Content-Type", ""),
            field_validation=context.field_validation,
            default_gvk=(api_version, kind),
            custom=resource if resource is not None and resource.custom is not None else None,
        )
        context.warnings.extend(decoded.warnings)
        decoded.object.setdefault("metadata", {})
        return decoded.object

    def admission_request(
        self,
        context: RequestContext,
        operation: Operation,
        resource: Resource,
        obj: Object | None,
        old: Object | None,
    ) -> AdmissionRequest:
        """Return what admission is asked about this request."""
        info = context.info
        return AdmissionRequest(
            operation=operation,
            resource=resource,
            subresource=info.subresource,
            namespace=info.namespace,
            name=info.name,
            object=obj,
            old_object=old,
            user=context.user,
            dry_run=context.dry_run,
            warnings=context.warnings,
            audit_annotations=context.audit_annotations,
        )

    async def write(
        self,
        context: RequestContext,
        resource: Resource,
        change: Change,
        show: Callable[[StoredObject], web.Response] | None = None,
        *,
        owned: bool = False,
    ) -> web.Response:
        """Store what `change` makes of the newest state, and answer with the outcome.

        Args:
            context: The request.
            resource: Kind of the stored object.
            change: See `Change`.
            show: Makes the answer where it is not the object itself.
            owned: Whether what `change` makes has the right `managedFields` already.

        Raises:
            StatusError: 403, 404, 409, 422, and what `change` raises.
        """
        if show is None:
            show = partial(self._reads.render, context, resource)
        info = context.info
        dry_run = context.dry_run
        namespace = info.namespace if resource.namespaced else ""
        attempt = 0
        while True:
            attempt += 1
            current = await self._objects.get(resource, namespace, info.name)
            new = change(current)
            new.setdefault("metadata", {})
            _check_preconditions(resource, new, current)
            apply_defaults(resource, new)
            request = self.admission_request(context, "UPDATE", resource, new, current.object)
            await self._admission.mutate(request)
            owners = new["metadata"].get("managedFields")
            strategy.prepare_for_update(resource, new, current.object, info.subresource)
            if not owned:
                now = self._clock.now()
                own_updated(context, resource, new, current.object, owners, now)
            elif owners:
                new["metadata"]["managedFields"] = owners
            problems = validation.validate_update(
                resource,
                new,
                current.object,
                subresource=info.subresource,
                minimum_token_expiration_seconds=self._minimum_seconds,
            )
            _refuse_invalid(resource, new, problems)
            await self._admission.validate(request)
            released = is_released(resource, new)
            if dry_run:
                return show(_unwritten(new, current))
            try:
                if released:
                    await self._objects.delete(
                        resource,
                        namespace,
                        info.name,
                        expected_resource_version=str(current.revision),
                    )
                    stored = _unwritten(new, current)
                else:
                    stored = await self._objects.update(
                        resource,
                        namespace,
                        info.name,
                        lambda _, written=new: written,  # type: ignore[misc]
                        expected_resource_version=str(current.revision),
                        current=current,
                    )
            except errors.StatusError as error:
                if error.code != _CONFLICT or attempt == _UPDATE_ATTEMPTS:
                    raise
                continue
            return show(stored)


def _refuse_invalid(resource: Resource, obj: Object, problems: Sequence[FieldError]) -> None:
    if problems:
        raise errors.invalid(resource.kind, name_of(obj), problems, resource.group)


def _check_preconditions(resource: Resource, new: Object, current: StoredObject) -> None:
    name = name_of(current.object)
    version = resource_version_of(new)
    if version and version != str(current.revision):
        raise errors.conflict(resource.plural, name, group=resource.group)
    uid = uid_of(new)
    if uid and uid != uid_of(current.object):
        raise errors.conflict(
            resource.plural,
            name,
            f"Precondition failed: UID in precondition: {uid}, "
            f"UID in object meta: {uid_of(current.object)}",
            resource.group,
        )


def _unwritten(obj: Object, current: StoredObject | None = None) -> StoredObject:
    """Return an object as if it was stored: at its old revision, or without any."""
    if current is None:
        return StoredObject("", _NO_REVISION, encode_value(obj))
    return load_value(current.key, current.revision, encode_value(obj))
