"""The environment of a container, and `$(NAME)` in its command, arguments and values.

1. First `envFrom`, in order; then `env`, in order, each value seeing those before it.
2. The address of the API is there too, below everything that the pod sets itself.
3. `$(NAME)` is replaced where NAME is known, `$$(NAME)` becomes `$(NAME)`, all else stays.

Source: Kubernetes v1.36, `pkg/kubelet/kubelet_pods.go` and `third_party/forked/golang/expansion`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from podpass.api.meta import namespace_of
from podpass.api.resources import Object
from podpass.kubelet.downward_api import NodeFacts, UnknownField, field_value, resource_value
from podpass.kubelet.object_source import ObjectSource, SourceFailed

_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")


class EnvironmentFailed(Exception):
    """The environment cannot be made (`CreateContainerConfigError`); the message says why."""


@dataclass(frozen=True, slots=True)
class EnvironmentContext:
    """What a container's environment depends on beside its pod.

    Attributes:
        node: Where it runs.
        pod_ip: The pod's address.
        service_host: Where the API is, as the pod sees it.
        service_port: Its port.
    """

    node: NodeFacts
    pod_ip: str | None
    service_host: str
    service_port: int


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace the references in `text`; rule 3."""

    def replace(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return "$"
        return values.get(name, match[0])

    return _REFERENCE.sub(replace, text)


def service_environment(host: str, port: int) -> dict[str, str]:
    """Return the variables by which a program in a pod finds the API."""
    link = f"KUBERNETES_PORT_{port}_TCP"
    return {
        "KUBERNETES_SERVICE_HOST": host,
        "KUBERNETES_SERVICE_PORT": str(port),
        "KUBERNETES_SERVICE_PORT_HTTPS": str(port),
        "KUBERNETES_PORT": f"tcp://{host}:{port}",
        link: f"tcp://{host}:{port}",
        f"{link}_PROTO": "tcp",
        f"{link}_PORT": str(port),
        f"{link}_ADDR": host,
    }


async def container_environment(
    pod: Object, container: Object, context: EnvironmentContext, source: ObjectSource
) -> dict[str, str]:
    """Return the environment of a container.

    Raises:
        EnvironmentFailed: Something that it needs is missing.
    """
    values: dict[str, str] = {}
    for entry in container.get("envFrom") or []:
        values.update(await _from_object(pod, entry, source))
    services = service_environment(context.service_host, context.service_port)
    for entry in container.get("env") or []:
        value = await _value(pod, container, entry, context, source, services | values)
        if value is not None:
            values[entry["name"]] = value
    return services | values


async def _from_object(pod: Object, entry: Object, source: ObjectSource) -> dict[str, str]:
    for field, kind in (("configMapRef", "configmap"), ("secretRef", "secret")):
        reference = entry.get(field)
        if reference is not None:
            obj = await _object(pod, reference, kind, source)
            prefix = entry.get("prefix") or ""
            return {
                prefix + key: value
                for key, value in _texts(obj or {}, kind)
                if "=" not in key and key.isprintable()
            }
    return {}


async def _value(
    pod: Object,
    container: Object,
    entry: Object,
    context: EnvironmentContext,
    source: ObjectSource,
    known: Mapping[str, str],
) -> str | None:
    origin = entry.get("valueFrom")
    if not origin:
        return expand(entry.get("value") or "", known)
    try:
        if "fieldRef" in origin:
            return field_value(pod, origin["fieldRef"]["fieldPath"], context.node, context.pod_ip)
        if "resourceFieldRef" in origin:
            return resource_value(
                pod, origin["resourceFieldRef"], context.node, container=container
            )
    except UnknownField as error:
        raise EnvironmentFailed(str(error)) from error
    for field, kind, shown in (
        ("configMapKeyRef", "configmap", "ConfigMap"),
        ("secretKeyRef", "secret", "Secret"),
    ):
        reference = origin.get(field)
        if reference is not None:
            obj = await _object(pod, reference, kind, source)
            found = dict(_texts(obj or {}, kind)).get(reference["key"])
            if found is None and not reference.get("optional"):
                raise EnvironmentFailed(
                    f"couldn't find key {reference['key']} in {shown} "
                    f"{namespace_of(pod)}/{reference.get('name', '')}"
                )
            return found
    raise EnvironmentFailed(f"environment variable {entry['name']} has an unknown source")


async def _object(pod: Object, reference: Object, kind: str, source: ObjectSource) -> Object | None:
    name = str(reference.get("name") or "")
    read = source.config_map if kind == "configmap" else source.secret
    try:
        found = await read(namespace_of(pod), name)
    except SourceFailed as error:
        raise EnvironmentFailed(str(error)) from error
    if found is None and not reference.get("optional"):
        raise EnvironmentFailed(f'{kind} "{name}" not found')
    return found


def _texts(obj: Object, kind: str) -> Iterator[tuple[str, str]]:
    for key, value in (obj.get("data") or {}).items():
        if kind == "configmap":
            yield key, value
        else:
            yield key, base64.b64decode(value).decode(errors="replace")
