"""The files of one source: a ConfigMap, a Secret, downward API items or a token.

Source: Kubernetes v1.36, `pkg/volume/{configmap,secret,downwardapi,projected}`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

from podpass.api.meta import name_of, namespace_of, uid_of
from podpass.api.resources import Object
from podpass.base.atomic_writer import ProjectedFile
from podpass.kubelet.downward_api import NodeFacts, UnknownField, field_value, resource_value
from podpass.kubelet.object_source import ObjectSource, SourceFailed
from podpass.kubelet.pod_spec import service_account_of
from podpass.kubelet.security_context import common_run_as_user, token_mode
from podpass.kubelet.token_manager import TokenKey

Files = dict[str, ProjectedFile]
DEFAULT_EXPIRATION_SECONDS = 3600


async def config_map_files(
    pod: Object, reference: Object, default_mode: int, source: ObjectSource
) -> Files:
    """Return the files of a ConfigMap reference (`name`, `items`, `optional`).

    Raises:
        SourceFailed: It, or a key of it, is missing and not optional.
    """
    name = str(reference.get("name") or "")
    found = await source.config_map(namespace_of(pod), name)
    optional = bool(reference.get("optional"))
    if found is None:
        if optional:
            return {}
        raise SourceFailed(f'configmap "{name}" not found')
    content = {key: text.encode() for key, text in (found.get("data") or {}).items()}
    content |= _decoded(found.get("binaryData") or {})
    return _chosen(content, reference, default_mode, "configmap references non-existent config key")


async def secret_files(
    pod: Object, reference: Object, default_mode: int, source: ObjectSource
) -> Files:
    """Return the files of a Secret reference (`name` or `secretName`, `items`, `optional`).

    Raises:
        SourceFailed: It, or a key of it, is missing and not optional.
    """
    name = str(reference.get("secretName") or reference.get("name") or "")
    found = await source.secret(namespace_of(pod), name)
    if found is None:
        if reference.get("optional"):
            return {}
        raise SourceFailed(f'secret "{name}" not found')
    content = _decoded(found.get("data") or {})
    return _chosen(content, reference, default_mode, "references non-existent secret key")


def downward_api_files(
    pod: Object,
    items: Sequence[Object],
    default_mode: int,
    node: NodeFacts,
) -> Files:
    """Return one file an item.

    Raises:
        SourceFailed: An item names what does not exist.
    """
    files = {}
    for item in items:
        try:
            if item.get("fieldRef"):
                text = field_value(pod, item["fieldRef"].get("fieldPath", ""), node, None)
            else:
                text = resource_value(pod, item.get("resourceFieldRef") or {}, node)
        except UnknownField as error:
            raise SourceFailed(str(error)) from error
        files[item["path"]] = ProjectedFile(text.encode(), _mode(item, default_mode))
    return files


async def token_files(
    pod: Object, projection: Object, default_mode: int, source: ObjectSource
) -> Files:
    """Return the token file: the token exactly, without a newline.

    Raises:
        TokenFetchFailed: There is no valid token.
    """
    token = await source.token(token_key(pod, projection))
    mode = token_mode(pod, default_mode)
    return {projection["path"]: ProjectedFile(token.encode(), mode, common_run_as_user(pod))}


def token_key(pod: Object, projection: Object) -> TokenKey:
    """Return what the token of a projected source is asked for with."""
    audience = projection.get("audience")
    seconds = projection.get("expirationSeconds")
    return TokenKey(
        namespace=namespace_of(pod),
        service_account=service_account_of(pod),
        audiences=(str(audience),) if audience else (),
        expiration_seconds=DEFAULT_EXPIRATION_SECONDS if seconds is None else int(seconds),
        pod_name=name_of(pod),
        pod_uid=uid_of(pod),
    )


def _decoded(data: Mapping[str, str]) -> dict[str, bytes]:
    return {key: base64.b64decode(value) for key, value in data.items()}


def _mode(item: Object, default_mode: int) -> int:
    mode = item.get("mode")
    return default_mode if mode is None else int(mode)


def _chosen(
    content: Mapping[str, bytes], reference: Object, default_mode: int, complaint: str
) -> Files:
    """Return all keys as files, or those that `items` picks."""
    items = reference.get("items")
    if not items:
        return {key: ProjectedFile(value, default_mode) for key, value in content.items()}
    files = {}
    for item in items:
        if item["key"] in content:
            files[item["path"]] = ProjectedFile(content[item["key"]], _mode(item, default_mode))
        elif not reference.get("optional"):
            raise SourceFailed(f"{complaint}: {item['key']}")
    return files
