"""`scale`: how many replicas a workload has and shall have, apart from everything else about it.

Source: Kubernetes `pkg/registry/apps/deployment/storage` (ScaleREST), `autoscaling/v1` Scale.
"""

from __future__ import annotations

import orjson
from aiohttp import web

from podpass.api import errors, field_errors
from podpass.api.managed_fields.owners import read_owners, write_owners
from podpass.api.meta import name_of, namespace_of, resource_version_of, uid_of
from podpass.api.resources import AUTOSCALING, Object, Resource
from podpass.api.selectors import label_selector_text
from podpass.apiserver.apply_body import applies
from podpass.apiserver.read_handlers import ReadHandlers
from podpass.apiserver.request_context import RequestContext
from podpass.apiserver.responses import object_response
from podpass.apiserver.scale_apply import API_VERSION, apply_scale, read_application
from podpass.apiserver.write_handlers import WriteHandlers
from podpass.base.clock import Clock
from podpass.storage.stored_object import StoredObject


def scale_of(obj: Object) -> Object:
    """Return the Scale of a workload."""
    metadata = obj["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    return {
        "kind": "Scale",
        "apiVersion": API_VERSION,
        "metadata": {key: metadata[key] for key in kept if key in metadata},
        "spec": {"replicas": spec.get("replicas", 0)},
        "status": {
            "replicas": status.get("replicas", 0),
            "selector": label_selector_text(spec.get("selector")),
        },
    }


def scaled(obj: Object, scale: Object) -> Object:
    """Return a workload with the replicas of a Scale, and the preconditions in its metadata.

    Raises:
        StatusError: 400, the Scale is of another object; 422, the number is negative.
    """
    for what, function in (("name", name_of), ("namespace", namespace_of)):
        given = function(scale)
        if given and given != function(obj):
            raise errors.bad_request(
                f"the {what} of the object ({given}) does not match the {what} on the URL "
                f"({function(obj)})"
            )
    replicas = (scale.get("spec") or {}).get("replicas") or 0
    if replicas < 0:
        text = "must be greater than or equal to 0"
        problem = field_errors.invalid("spec.replicas", replicas, text)
        raise errors.invalid("Scale", name_of(obj), [problem], AUTOSCALING)
    preconditions = {"resourceVersion": resource_version_of(scale), "uid": uid_of(scale)}
    metadata = obj["metadata"] | {key: value for key, value in preconditions.items() if value}
    return obj | {"metadata": metadata, "spec": obj["spec"] | {"replicas": replicas}}


class ScaleHandlers:
    """Answers get, update and patch of `scale`."""

    def __init__(self, reads: ReadHandlers, writes: WriteHandlers, clock: Clock) -> None:
        self._reads = reads
        self._writes = writes
        self._clock = clock

    async def get(self, context: RequestContext, resource: Resource) -> web.Response:
        """GET.

        Raises:
            StatusError: 404, 504.
        """
        return _answer(context, await self._reads.find(context, resource))

    async def update(self, context: RequestContext, resource: Resource) -> web.Response:
        """PUT.

        Raises:
            StatusError: 400, 403, 404, 409, 422.
        """
        scale = await self._writes.decode(context, API_VERSION, "Scale")
        return await self._writes.write(
            context,
            resource,
            lambda stored: scaled(orjson.loads(stored.raw), scale),
            lambda stored: _answer(context, stored),
        )

    async def patch(self, context: RequestContext, resource: Resource) -> web.Response:
        """PATCH.

        Raises:
            StatusError: 400, 403, 404, 409, 415, 422.
        """
        if applies(context):
            return await self._apply(context, resource)
        apply = await self._writes.read_patch(context, API_VERSION, "Scale")

        def change(stored: StoredObject) -> Object:
            obj = orjson.loads(stored.raw)
            return scaled(obj, apply(scale_of(obj)))

        return await self._writes.write(
            context, resource, change, lambda stored: _answer(context, stored)
        )

    async def _apply(self, context: RequestContext, resource: Resource) -> web.Response:
        request = await read_application(context, resource, self._clock)

        def change(stored: StoredObject) -> Object:
            obj = orjson.loads(stored.raw)
            owners = read_owners(obj["metadata"].pop("managedFields", None)) or {}
            scale, owners = apply_scale(
                request, scale_of(obj), owners, api_version=resource.api_version
            )
            new = scaled(obj, scale)
            new["metadata"]["managedFields"] = write_owners(owners)
            return new

        return await self._writes.write(
            context, resource, change, lambda stored: _answer(context, stored), owned=True
        )


def _answer(context: RequestContext, stored: StoredObject) -> web.Response:
    shown = scale_of(orjson.loads(stored.raw))
    return object_response(shown, warnings=context.warnings, pretty=context.pretty)
