"""delete and deletecollection.

1. Options come in the body; without a body in the query.
2. A lost race is run again on the state that won.
3. The answer is the object while it stays; when it went, a `Status`, or the object for the kinds
   that upstream answers so.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from podpass.api import codec, errors
from podpass.api.meta import name_of, namespace_of, uid_of
from podpass.api.resources import PODS, SERVICE_ACCOUNTS, Object, Resource
from podpass.apiserver.admission.chain import AdmissionChain, AdmissionRequest
from podpass.apiserver.deletion import (
    DeleteOptions,
    Deletion,
    plan_deletion,
    read_delete_options,
)
from podpass.apiserver.list_options import parse_list_options
from podpass.apiserver.read_handlers import ReadHandlers
from podpass.apiserver.request_context import RequestContext
from podpass.apiserver.request_info import is_true
from podpass.apiserver.responses import json_response, list_body, object_response, success_status
from podpass.base.clock import Clock
from podpass.storage.objects import ObjectStore
from podpass.storage.stored_object import StoredObject, encode_value, load_value

_ANSWERED_WITH_OBJECT = (PODS, SERVICE_ACCOUNTS)
_CONFLICT = 409
_NOT_FOUND = 404
_ATTEMPTS = 5


class DeleteHandlers:
    """Answers delete and deletecollection."""

    def __init__(
        self,
        objects: ObjectStore,
        admission: AdmissionChain,
        reads: ReadHandlers,
        clock: Clock,
    ) -> None:
        self._objects = objects
        self._admission = admission
        self._reads = reads
        self._clock = clock

    async def delete(self, context: RequestContext, resource: Resource) -> web.Response:
        """DELETE of one object.

        Raises:
            StatusError: 400, 403, 404, 409, 422.
        """
        options = await _options(context)
        namespace = context.info.namespace if resource.namespaced else ""
        deletion, stored = await self.remove(
            context, resource, namespace, context.info.name, options
        )
        if deletion.action != "remove" or resource in _ANSWERED_WITH_OBJECT:
            return self._reads.render(context, resource, stored)
        details: Object = {"name": context.info.name}
        if resource.group:
            details["group"] = resource.group
        details |= {"kind": resource.plural, "uid": uid_of(stored.object)}
        return object_response(
            success_status(details), warnings=context.warnings, pretty=context.pretty
        )

    async def delete_collection(self, context: RequestContext, resource: Resource) -> web.Response:
        """DELETE of a collection: each selected object, as if it was deleted alone.

        Raises:
            StatusError: 400, 403, 409, 422.
        """
        options = await _options(context)
        list_options = parse_list_options(context, resource)
        namespace = context.info.namespace if resource.namespaced else ""
        page = await self._reads.page(resource, namespace, list_options)
        gone: list[bytes] = []
        for one in page.items:
            obj = one.object
            try:
                _, stored = await self.remove(
                    context, resource, namespace_of(obj), name_of(obj), options
                )
            except errors.StatusError as error:
                if error.code != _NOT_FOUND:
                    raise
                continue
            gone.append(stored.raw)
        body = list_body(
            resource.api_version, resource.kind, gone, resource_version=str(page.revision)
        )
        return json_response(body, warnings=context.warnings, pretty=context.pretty)

    async def remove(
        self,
        context: RequestContext,
        resource: Resource,
        namespace: str,
        name: str,
        options: DeleteOptions,
    ) -> tuple[Deletion, StoredObject]:
        """Delete one object; returns what was done, and its last state.

        Raises:
            StatusError: 403, 404, 409.
        """
        admitted = False
        attempt = 0
        while True:
            attempt += 1
            current = await self._objects.get(resource, namespace, name)
            _check_preconditions(resource, name, current, options)
            if not admitted:
                await self._admit(context, resource, namespace, name, current.object, options)
                admitted = True
            deletion = plan_deletion(resource, current.object, options, now=self._clock.now())
            if deletion.action == "keep":
                return deletion, current
            if options.dry_run:
                value = encode_value(deletion.object)
                return deletion, load_value(current.key, current.revision, value)
            try:
                if deletion.action == "remove":
                    return deletion, await self._objects.delete(
                        resource, namespace, name, expected_resource_version=str(current.revision)
                    )
                return deletion, await self._objects.update(
                    resource,
                    namespace,
                    name,
                    lambda _, marked=deletion.object: marked,  # type: ignore[misc]
                    expected_resource_version=str(current.revision),
                    current=current,
                )
            except errors.StatusError as error:
                if error.code != _CONFLICT or attempt == _ATTEMPTS:
                    raise

    async def _admit(
        self,
        context: RequestContext,
        resource: Resource,
        namespace: str,
        name: str,
        old: Object,
        options: DeleteOptions,
    ) -> None:
        request = AdmissionRequest(
            operation="DELETE",
            resource=resource,
            subresource="",
            namespace=namespace,
            name=name,
            object=None,
            old_object=old,
            user=context.user,
            dry_run=options.dry_run,
            warnings=context.warnings,
            audit_annotations=context.audit_annotations,
        )
        await self._admission.mutate(request)
        await self._admission.validate(request)


async def _options(context: RequestContext) -> DeleteOptions:
    """Read the options from the body or, without one, from the query (rule 1)."""
    body = await context.body()
    if body:
        decoded = codec.decode_body(
            body,
            context.http.headers.get("Content-Type", ""),
            field_validation="Ignore",
            default_gvk=("v1", "DeleteOptions"),
        ).object
    else:
        decoded = _from_query(context)
    if context.dry_run:
        decoded["dryRun"] = ["All"]
    return read_delete_options(decoded)


def _from_query(context: RequestContext) -> dict[str, Any]:
    decoded: dict[str, Any] = {}
    if context.query.get("propagationPolicy"):
        decoded["propagationPolicy"] = context.query["propagationPolicy"]
    if context.query.get("orphanDependents"):
        decoded["orphanDependents"] = is_true(context.query["orphanDependents"])
    grace = context.number("gracePeriodSeconds")
    if grace is not None:
        decoded["gracePeriodSeconds"] = grace
    return decoded


def _check_preconditions(
    resource: Resource, name: str, current: StoredObject, options: DeleteOptions
) -> None:
    found = uid_of(current.object)
    if options.uid and options.uid != found:
        raise errors.conflict(
            resource.plural,
            name,
            f"the UID in the precondition ({options.uid}) does not match the UID in record "
            f"({found}). The object might have been deleted and then recreated",
            resource.group,
        )
    version = options.resource_version
    if version and version != str(current.revision):
        raise errors.conflict(
            resource.plural,
            name,
            f"the ResourceVersion in the precondition ({version}) does not match the "
            f"ResourceVersion in record ({current.revision}). The object might have been modified",
            resource.group,
        )
