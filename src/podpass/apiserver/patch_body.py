"""The body of a PATCH: a function that makes the wanted object from the present one."""

from __future__ import annotations

from collections.abc import Callable

from podpass.api import codec, errors, patch, schema
from podpass.api.json_codec import MalformedBody, parse_json
from podpass.api.resources import Object, Resource
from podpass.apiserver.request_context import RequestContext

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
PATCH_TYPES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH)
CUSTOM_PATCH_TYPES = (JSON_PATCH, MERGE_PATCH, APPLY_PATCH)
"""Of custom kinds: their schemas have no strategies."""


def patch_type(context: RequestContext) -> str:
    """Return the media type of the body."""
    return context.http.headers.get("Content-Type", "").partition(";")[0].strip()


async def read_patch(
    context: RequestContext, api_version: str, kind: str, resource: Resource | None = None
) -> Callable[[Object], Object]:
    """Read the body as a patch of this kind; returns what applies it to an object.

    Args:
        context: The request.
        api_version: Of the object that is patched.
        kind: Of the object that is patched.
        resource: Where that object is the stored one.

    Raises:
        StatusError: 400, 413, 415; the function 400, 422.
    """
    media_type = patch_type(context)
    custom = resource if resource is not None and resource.custom is not None else None
    served = PATCH_TYPES if custom is None else CUSTOM_PATCH_TYPES
    if media_type not in served or media_type == APPLY_PATCH:
        raise errors.unsupported_media_type(media_type, served)
    validating = context.field_validation
    gvk = (api_version, kind)
    try:
        document = parse_json(await context.body())
    except MalformedBody as error:
        raise errors.bad_request(f"error decoding patch: {error}") from error
    if media_type != JSON_PATCH and not isinstance(document, dict):
        raise errors.bad_request("error decoding patch: a merge patch is a map")

    def apply(current: Object) -> Object:
        if media_type == JSON_PATCH:
            value = patch.apply_json_patch(current, document)
        elif media_type == MERGE_PATCH:
            value = patch.apply_merge_patch(current, document)
        else:
            message = schema.message_for(*gvk)
            if message is None:
                raise errors.internal(f"no schema for {kind}")
            value = patch.apply_strategic_patch(current, document, message)
        decoded = codec.decode_value(
            value, field_validation=validating, default_gvk=gvk, custom=custom
        )
        context.warnings.extend(decoded.warnings)
        return decoded.object

    return apply
