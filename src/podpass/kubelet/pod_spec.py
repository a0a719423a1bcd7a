"""What the kubelet reads out of a Pod object, in one place.

Objects are shared: nothing here changes them.
"""

from __future__ import annotations

from collections.abc import Iterator

from podpass.api.meta import annotations_of, name_of, namespace_of
from podpass.api.resources import Object

CONFIG_HASH = "kubernetes.io/config.hash"
CONFIG_MIRROR = "kubernetes.io/config.mirror"
CONFIG_SEEN = "kubernetes.io/config.seen"
CONFIG_SOURCE = "kubernetes.io/config.source"

DEFAULT_GRACE_SECONDS = 30


def spec_of(pod: Object) -> Object:
    """Return `spec`, or an empty dict."""
    return pod.get("spec") or {}


def status_of(pod: Object) -> Object:
    """Return `status`, or an empty dict."""
    return pod.get("status") or {}


def containers_of(pod: Object) -> list[Object]:
    """Return the regular containers."""
    return spec_of(pod).get("containers") or []


def init_containers_of(pod: Object) -> list[Object]:
    """Return the init containers, sidecars among them."""
    return spec_of(pod).get("initContainers") or []


def all_containers(pod: Object) -> Iterator[Object]:
    """Iterate over init containers, then regular ones."""
    yield from init_containers_of(pod)
    yield from containers_of(pod)


def is_sidecar(container: Object) -> bool:
    """Tell whether an init container keeps running beside the regular ones."""
    return container.get("restartPolicy") == "Always"


def restart_policy(pod: Object) -> str:
    """Return `Always`, `OnFailure` or `Never`."""
    return str(spec_of(pod).get("restartPolicy") or "Always")


def uses_host_network(pod: Object) -> bool:
    """Tell whether the pod shares the node's network."""
    return bool(spec_of(pod).get("hostNetwork"))


def is_mirror(pod: Object) -> bool:
    """Tell whether this is only the API's copy of a static pod."""
    return CONFIG_MIRROR in annotations_of(pod)


def is_static(pod: Object) -> bool:
    """Tell whether the pod comes from the manifest directory."""
    return annotations_of(pod).get(CONFIG_SOURCE, "api") != "api"


def full_name(pod: Object) -> str:
    """Return `namespace/name`, which a static pod shares with its mirror."""
    return f"{namespace_of(pod)}/{name_of(pod)}"


def service_account_of(pod: Object) -> str:
    """Return the service account's name."""
    spec = spec_of(pod)
    return str(spec.get("serviceAccountName") or spec.get("serviceAccount") or "default")


def grace_seconds(pod: Object) -> int:
    """Return the seconds that the pod has to end: those of its deletion, else its own."""
    asked = pod.get("metadata", {}).get("deletionGracePeriodSeconds")
    if asked is None:
        asked = spec_of(pod).get("terminationGracePeriodSeconds")
    return DEFAULT_GRACE_SECONDS if asked is None else int(asked)


def field_path(pod: Object, container: Object) -> str:
    """Return how events name a container of the pod."""
    name = container["name"]
    if any(one["name"] == name for one in init_containers_of(pod)):
        return f"spec.initContainers{{{name}}}"
    return f"spec.containers{{{name}}}"


def node_reference(node_name: str) -> Object:
    """Return what events about the node name as their object; its UID there is its name."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node_name, "uid": node_name},
    }
