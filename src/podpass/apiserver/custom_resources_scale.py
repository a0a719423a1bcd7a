"""`scale` of custom kinds: replicas and selector stand where the definition says.

Source: kubernetes.io "Custom Resource Definition", section "Scale subresource".
"""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from podpass.api import errors
from podpass.api.managed_fields.owners import read_owners, write_owners
from podpass.api.resources import Object, Resource
from podpass.apiserver.apply_body import applies
from podpass.apiserver.read_handlers import ReadHandlers
from podpass.apiserver.request_context import RequestContext
from podpass.apiserver.responses import object_response
from podpass.apiserver.scale_apply import API_VERSION, apply_scale, read_application
from podpass.apiserver.scale_handlers import scale_of, scaled
from podpass.apiserver.write_handlers import WriteHandlers
from podpass.base.clock import Clock
from podpass.storage.stored_object import StoredObject


def custom_scale_of(resource: Resource, obj: Object) -> Object:
    """Return the Scale of an instance.

    Raises:
        StatusError: 500, the instance has no number of replicas.
    """
    paths = _paths(resource)
    replicas = _at(obj, paths["specReplicasPath"])
    if not isinstance(replicas, int):
        where = paths["specReplicasPath"]
        raise errors.internal(f'the spec replicas field "{where}" does not exist')
    present = _at(obj, paths["statusReplicasPath"])
    selector = _at(obj, paths["labelSelectorPath"]) if paths.get("labelSelectorPath") else ""
    scale = scale_of({"metadata": obj["metadata"], "spec": {"replicas": replicas}})
    scale["status"] = {"replicas": present if isinstance(present, int) else 0}
    if isinstance(selector, str) and selector:
        scale["status"]["selector"] = selector
    return scale


def custom_scaled(resource: Resource, obj: Object, scale: Object) -> Object:
    """Return an instance with the replicas of a Scale, and the preconditions in its metadata.

    Raises:
        StatusError: 400, the Scale is of another object; 422, the number is negative.
    """
    checked = scaled({"metadata": obj["metadata"], "spec": {}}, scale)
    *way, last = _steps(_paths(resource)["specReplicasPath"])
    new: Object = orjson.loads(orjson.dumps(obj)) | {"metadata": checked["metadata"]}
    place = new
    for step in way:
        if not isinstance(place.get(step), dict):
            place[step] = {}
        place = place[step]
    place[last] = checked["spec"]["replicas"]
    return new


class CustomScaleHandlers:
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
        return _answer(context, resource, await self._reads.find(context, resource))

    async def update(self, context: RequestContext, resource: Resource) -> web.Response:
        """PUT.

        Raises:
            StatusError: 400, 403, 404, 409, 422.
        """
        scale = await self._writes.decode(context, API_VERSION, "Scale")
        return await self._writes.write(
            context,
            resource,
            lambda stored: custom_scaled(resource, stored.object, scale),
            lambda stored: _answer(context, resource, stored),
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
            shown = custom_scale_of(resource, stored.object)
            return custom_scaled(resource, stored.object, apply(shown))

        return await self._writes.write(
            context, resource, change, lambda stored: _answer(context, resource, stored)
        )

    async def _apply(self, context: RequestContext, resource: Resource) -> web.Response:
        request = await read_application(context, resource, self._clock)
        path = tuple(f"f:{step}" for step in _steps(_paths(resource)["specReplicasPath"]))

        def change(stored: StoredObject) -> Object:
            obj = orjson.loads(stored.raw)
            owners = read_owners(obj["metadata"].pop("managedFields", None)) or {}
            scale, owners = apply_scale(
                request,
                custom_scale_of(resource, obj),
                owners,
                path=path,
                api_version=resource.api_version,
            )
            new = custom_scaled(resource, obj, scale)
            new["metadata"]["managedFields"] = write_owners(owners)
            return new

        return await self._writes.write(
            context, resource, change, lambda stored: _answer(context, resource, stored), owned=True
        )


def _answer(context: RequestContext, resource: Resource, stored: StoredObject) -> web.Response:
    shown = custom_scale_of(resource, stored.object)
    return object_response(shown, warnings=context.warnings, pretty=context.pretty)


def _paths(resource: Resource) -> Object:
    scale = resource.custom.scale if resource.custom is not None else None
    if scale is None:
        raise errors.no_such_path()
    return scale


def _steps(path: str) -> list[str]:
    return path.removeprefix(".").split(".")


def _at(obj: Object, path: str) -> Any:
    value: Any = obj
    for step in _steps(path):
        value = value.get(step) if isinstance(value, dict) else None
    return value
