"""Creates the objects of a new cluster through its API; a second run completes a broken first."""

from __future__ import annotations

from collections.abc import Sequence

from podpass.api.errors import StatusError
from podpass.api.meta import name_of, namespace_of
from podpass.api.resources import Object, Resource, find_kind
from podpass.client.rest import RestClient


async def create_initial_objects(client: RestClient, objects: Sequence[Object]) -> list[Object]:
    """Create what is missing, in the given order, status included.

    Nothing that is there is changed, but for a status that was never written.

    Returns:
        The objects whose kind this API server does not serve.

    Raises:
        StatusError: The API refused.
        ConnectionFailed: The API was not reached.
    """
    unserved = []
    for obj in objects:
        resource = find_kind(str(obj["apiVersion"]), str(obj["kind"]))
        if resource is None:
            unserved.append(obj)
            continue
        found = await _create(client, resource, obj)
        if obj.get("status") and not found.get("status"):
            await client.update(resource, found | {"status": obj["status"]}, subresource="status")
    return unserved


async def _create(client: RestClient, resource: Resource, obj: Object) -> Object:
    try:
        return await client.create(resource, obj)
    except StatusError as error:
        if error.reason != "AlreadyExists":
            raise
    return await client.get(resource, namespace_of(obj) or None, name_of(obj))
