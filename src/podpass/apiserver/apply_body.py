"""The request of a server-side apply: its parameters, and the body as an object.

Who applies says who they are (`fieldManager`); `force` is for applying only.

Source: KEP-555; apiserver `endpoints/handlers/patch.go` (applyPatcher).
"""

from __future__ import annotations

from podpass.api import codec, errors, field_errors
from podpass.api.managed_fields.leaves import has_repeated_items
from podpass.api.managed_fields.paths import shown
from podpass.api.managed_fields.shapes import Shape
from podpass.api.meta import name_of, namespace_of
from podpass.api.resources import Object, Resource
from podpass.apiserver.field_owners import field_manager
from podpass.apiserver.patch_body import APPLY_PATCH, patch_type
from podpass.apiserver.request_context import RequestContext

_META = "meta.k8s.io"


def applies(context: RequestContext) -> bool:
    """Tell whether a PATCH applies, rather than being one of the other patches.

    Raises:
        StatusError: 422, its parameters do not fit.
    """
    apply = patch_type(context) == APPLY_PATCH
    problems = []
    if apply and not field_manager(context):
        problems.append(field_errors.required("fieldManager", "is required for apply patch"))
    if not apply and "force" in context.query:
        text = "may not be specified for non-apply patch"
        problems.append(field_errors.forbidden("force", text))
    if problems:
        raise errors.invalid("PatchOptions", "", problems, _META)
    return apply


async def read_config(
    context: RequestContext,
    resource: Resource,
    shape: Shape,
    gvk: tuple[str, str] | None = None,
) -> Object:
    """Read what is applied.

    Args:
        context: The request.
        resource: Where the object is.
        shape: Of the body.
        gvk: Version and kind of the body where they are not those of `resource`.

    Raises:
        StatusError: 400, 413, 415.
    """
    custom = resource if resource.custom is not None and gvk is None else None
    decoded = codec.decode_body(
        await context.body(),
        codec.YAML,
        field_validation=context.field_validation,
        default_gvk=gvk or (resource.api_version, resource.kind),
        custom=custom,
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
    repeated = has_repeated_items(config, shape)
    if repeated is not None:
        raise errors.bad_request(
            f"failed to create typed patch object: {shown(repeated[:-1])}: duplicate entries "
            f"for key {shown(repeated[-1:])}"
        )
    return config
