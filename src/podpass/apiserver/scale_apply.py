"""Server-side apply of `scale`: one field of the workload, under another name.

1. Who owns the workload's replicas owns those of its Scale, and the other way round.
2. Who applies a Scale owns nothing else of the workload, whatever else is in the Scale.

Source: apimachinery `util/managedfields` (ScaleHandler); KEP-555.
"""

from __future__ import annotations

from dataclasses import replace

from podpass.api.managed_fields.apply import Application, apply
from podpass.api.managed_fields.owners import APPLY, Owned, Owner, Owners
from podpass.api.managed_fields.paths import Path
from podpass.api.managed_fields.shapes import message_shape
from podpass.api.resources import AUTOSCALING, Object, Resource
from podpass.apiserver.apply_body import read_config
from podpass.apiserver.field_owners import field_manager
from podpass.apiserver.request_context import RequestContext
from podpass.base.clock import Clock

API_VERSION = f"{AUTOSCALING}/v1"
REPLICAS: Path = ("f:spec", "f:replicas")
_SHAPE = message_shape("k8s.io.api.autoscaling.v1.Scale")
_IGNORED = ("status",)


async def read_application(
    context: RequestContext, resource: Resource, clock: Clock
) -> Application:
    """Read an application of a Scale.

    Raises:
        StatusError: 400, 413, 422.
    """
    config = await read_config(context, resource, _SHAPE, (API_VERSION, "Scale"))
    return Application(
        config=config,
        owner=Owner(field_manager(context), APPLY, API_VERSION, context.info.subresource),
        shape=_SHAPE,
        force=context.flag("force"),
        ignored=_IGNORED,
        now=clock.now(),
    )


def apply_scale(
    request: Application,
    scale: Object,
    owners: Owners,
    *,
    path: Path = REPLICAS,
    api_version: str,
) -> tuple[Object, Owners]:
    """Return the Scale, and the owners of the workload's fields, after an application.

    Args:
        request: What is applied.
        scale: As it is.
        owners: Of the workload.
        path: Where the workload keeps its replicas.
        api_version: Of the workload.

    Raises:
        StatusError: 409, others own the replicas.
    """
    before = {
        replace(owner, api_version=API_VERSION): Owned(frozenset([REPLICAS]), owned.time)
        for owner, owned in owners.items()
        if path in owned.fields
    }
    only_replicas = {"spec": request.config["spec"]} if "spec" in request.config else {}
    new, after = apply(replace(request, config=only_replicas), {"spec": scale["spec"]}, before)
    out: Owners = {}
    for owner, owned in owners.items():
        here = after.pop(replace(owner, api_version=API_VERSION), None)
        kept = owned.fields if here is not None else owned.fields - {path}
        if kept:
            out[owner] = Owned(kept, owned.time)
    for owner, owned in after.items():
        out[replace(owner, api_version=api_version)] = Owned(frozenset([path]), owned.time)
    metadata = scale["metadata"] | request.config["metadata"]
    return scale | {"metadata": metadata, "spec": new.get("spec") or {}}, out
