"""Which node may see which Secret, ConfigMap and ServiceAccount: those that its pods refer to.

1. A pod counts from the moment it is bound to a node until it is gone from the store.
2. It refers to its account, and to Secrets and ConfigMaps in volumes, environment and pull secrets.
3. A mirror pod refers to nothing: a node could write what it wants into it.

Source: Kubernetes `plugin/pkg/auth/authorizer/node/graph.go`, `AddPod`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import perf_counter

from podpass.api.meta import annotations_of, name_of, namespace_of
from podpass.api.resources import CONFIG_MAPS, PODS, SECRETS, SERVICE_ACCOUNTS, Object, Resource
from podpass.apiserver.object_reader import ObjectReader

MIRROR_ANNOTATION = "kubernetes.io/config.mirror"

_Target = tuple[str, str, str]
"""Plural, namespace, name."""
_PodKey = tuple[str, str]

ObserveAction = Callable[[str, float], None]
"""Told of a change of the graph: `AddPod` or `DeletePod`, and the seconds that it took."""


def _containers(spec: Object) -> Iterator[Object]:
    for group in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(group) or ()


def _volume_references(spec: Object) -> Iterator[tuple[Resource, object]]:
    for volume in spec.get("volumes") or ():
        if secret := volume.get("secret"):
            yield SECRETS, secret.get("secretName")
        if config_map := volume.get("configMap"):
            yield CONFIG_MAPS, config_map.get("name")
        for source in (volume.get("projected") or {}).get("sources") or ():
            if secret := source.get("secret"):
                yield SECRETS, secret.get("name")
            if config_map := source.get("configMap"):
                yield CONFIG_MAPS, config_map.get("name")


def _environment_references(spec: Object) -> Iterator[tuple[Resource, object]]:
    for container in _containers(spec):
        for source in container.get("envFrom") or ():
            if secret := source.get("secretRef"):
                yield SECRETS, secret.get("name")
            if config_map := source.get("configMapRef"):
                yield CONFIG_MAPS, config_map.get("name")
        for variable in container.get("env") or ():
            value = variable.get("valueFrom") or {}
            if secret := value.get("secretKeyRef"):
                yield SECRETS, secret.get("name")
            if config_map := value.get("configMapKeyRef"):
                yield CONFIG_MAPS, config_map.get("name")


def references(spec: Object) -> Iterator[tuple[Resource, str]]:
    """Iterate over the objects in its namespace that a pod spec refers to (rule 2)."""
    if account := spec.get("serviceAccountName"):
        yield SERVICE_ACCOUNTS, account
    for reference in spec.get("imagePullSecrets") or ():
        if name := reference.get("name"):
            yield SECRETS, name
    for resource, name in (*_volume_references(spec), *_environment_references(spec)):
        if name:
            yield resource, str(name)


class NodeGraph:
    """Kept up to date by the pods that the server sees."""

    def __init__(self, observe: ObserveAction | None = None) -> None:
        self._observe = observe
        self._pods: dict[_PodKey, tuple[str, frozenset[_Target]]] = {}
        self._users: dict[_Target, dict[_PodKey, str]] = {}

    def follow(self, reader: ObjectReader) -> None:
        """Take in all pods, and what happens to them from now on."""
        reader.subscribe(PODS, self._on_pod)

    def _on_pod(self, _key: str, old: Object | None, new: Object | None) -> None:
        started = perf_counter()
        if new is not None:
            self.put_pod(new)
        elif old is not None:
            self.remove_pod(namespace_of(old), name_of(old))
        if self._observe is not None:
            self._observe("AddPod" if new is not None else "DeletePod", perf_counter() - started)

    def put_pod(self, pod: Object) -> None:
        """Take in a pod, or a change of it."""
        namespace, name = key = namespace_of(pod), name_of(pod)
        spec = pod.get("spec") or {}
        node = spec.get("nodeName")
        if not node or MIRROR_ANNOTATION in annotations_of(pod):  # 1, 3
            self.remove_pod(namespace, name)
            return
        targets = frozenset(
            (resource.plural, namespace, referred) for resource, referred in references(spec)
        )
        if self._pods.get(key) == (node, targets):
            return
        self.remove_pod(namespace, name)
        self._pods[key] = (node, targets)
        for target in targets:
            self._users.setdefault(target, {})[key] = node

    def remove_pod(self, namespace: str, name: str) -> None:
        """Forget a pod."""
        key = namespace, name
        _, targets = self._pods.pop(key, ("", frozenset()))
        for target in targets:
            users = self._users[target]
            del users[key]
            if not users:
                del self._users[target]

    def connects(self, node: str, resource: Resource, namespace: str, name: str) -> bool:
        """Tell whether a pod on `node` refers to this object."""
        users = self._users.get((resource.plural, namespace, name))
        return users is not None and node in users.values()
