"""Writes the status of a workload, when it changed."""

from __future__ import annotations

from typing import Any

from podpass.api.errors import StatusError
from podpass.api.resources import Object, Resource
from podpass.client.rest import RestClient
from podpass.controllers.refusals import is_not_found


def significant(status: Object) -> dict[str, Any]:
    """Return a status without what the API leaves out: zeros and empty lists."""
    return {key: value for key, value in status.items() if value not in (0, None, "", [], {})}


async def write_status(
    client: RestClient, resource: Resource, obj: Object, status: Object
) -> Object:
    """Store `status` as that of the object, and return the object with it.

    Args:
        client: The API server.
        resource: Kind of the object.
        obj: The object as last seen; a changed one is a 409.
        status: The whole status.

    Raises:
        StatusError: The API server refused, e.g. 409.
        ConnectionFailed: The API server was not reached.
    """
    if significant(status) == significant(obj.get("status") or {}):
        return obj
    new = obj | {"status": significant(status)}
    try:
        return await client.update(resource, new, subresource="status")
    except StatusError as error:
        if is_not_found(error):
            return new
        raise


async def count_collision(client: RestClient, resource: Resource, workload: Object) -> None:
    """Raise `status.collisionCount`, so that the next revision is given another name.

    Raises:
        StatusError: The API server refused.
        ConnectionFailed: The API server was not reached.
    """
    status = dict(workload.get("status") or {})
    status["collisionCount"] = int(status.get("collisionCount") or 0) + 1
    await write_status(client, resource, workload, status)
