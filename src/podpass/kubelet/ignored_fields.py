"""Fields of a pod that have no effect here, so that its owner can be told.

Listed with their reasons in docs/pods.md. Fields that only the scheduler or the API server read are
not the kubelet's business, and a field with its default value is not worth a word.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from podpass.api.resources import Object
from podpass.kubelet.pod_spec import all_containers, init_containers_of, spec_of

_POD: Final = (
    *("dnsConfig", "hostIPC", "hostPID", "resourceClaims", "resources", "runtimeClassName"),
    "shareProcessNamespace",
)
_POD_SECURITY: Final = ("appArmorProfile", "seLinuxOptions", "sysctls", "windowsOptions")
_CONTAINER: Final = ("restartPolicyRules", "volumeDevices")
_CONTAINER_SECURITY: Final = (
    *("appArmorProfile", "procMount", "seLinuxOptions", "windowsOptions"),
)
_LOCALHOST: Final = "Localhost"


def ignored_fields(pod: Object) -> list[str]:
    """Return the paths of what a pod asks for and does not get."""
    return [*_of_pod(spec_of(pod)), *_of_containers(pod)]


def _of_pod(spec: Object) -> Iterator[str]:
    yield from (f"spec.{name}" for name in _POD if spec.get(name))
    if spec.get("hostUsers") is False:
        yield "spec.hostUsers"
    security = spec.get("securityContext") or {}
    yield from _security(security, _POD_SECURITY, "spec.securityContext")
    for volume in spec.get("volumes") or []:
        empty = volume.get("emptyDir") or {}
        yield from (
            f"spec.volumes[{volume['name']}].emptyDir.{name}"
            for name in ("medium", "sizeLimit")
            if empty.get(name)
        )


def _of_containers(pod: Object) -> Iterator[str]:
    initial = init_containers_of(pod)
    for container in all_containers(pod):
        group = "initContainers" if container in initial else "containers"
        path = f"spec.{group}[{container['name']}]"
        yield from (f"{path}.{name}" for name in _CONTAINER if container.get(name))
        if group == "containers" and container.get("restartPolicy"):
            yield f"{path}.restartPolicy"
        if (container.get("resources") or {}).get("limits"):
            yield f"{path}.resources.limits"
        security = container.get("securityContext") or {}
        yield from _security(security, _CONTAINER_SECURITY, f"{path}.securityContext")
        if any(port.get("hostPort") for port in container.get("ports") or ()) and not spec_of(
            pod
        ).get("hostNetwork"):
            yield f"{path}.ports.hostPort"
        for mount in container.get("volumeMounts") or []:
            if mount.get("mountPropagation") not in (None, "None"):
                yield f"{path}.volumeMounts[{mount['name']}].mountPropagation"


def _security(security: Object, names: tuple[str, ...], path: str) -> Iterator[str]:
    yield from (f"{path}.{name}" for name in names if security.get(name))
    if (security.get("seccompProfile") or {}).get("type") == _LOCALHOST:
        yield f"{path}.seccompProfile"
