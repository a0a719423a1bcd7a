"""The API's copies of this node's static pods, so that users see them.

1. Each static pod has one mirror of its name, which names the static pod's UID.
2. A mirror that was deleted, or that mirrors a former manifest, is made anew; the pod itself does
   not notice.
3. A mirror without a static pod is deleted.

Source: Kubernetes v1.36, `pkg/kubelet/pod/mirror_client.go`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from podpass.api.errors import StatusError
from podpass.api.meta import annotations_of, is_terminating, name_of, namespace_of, uid_of
from podpass.api.resources import PODS, Object
from podpass.base.clock import Clock
from podpass.client.config import ConfigError
from podpass.client.controller import Controller, RetryAfter
from podpass.client.rest import ConnectionFailed, RestClient
from podpass.kubelet.pod_spec import CONFIG_MIRROR, full_name, is_mirror

_log = logging.getLogger("kubelet.mirror")

_RETRY_SECONDS = 0.5


def is_mirror_of(mirror: Object, pod: Object) -> bool:
    """Tell whether `mirror` is the API's copy of this very static pod."""
    return annotations_of(mirror).get(CONFIG_MIRROR) == uid_of(pod)


def mirror_pod(pod: Object, node: Object) -> Object:
    """Return the copy of a static pod to create, owned by the Node object."""
    metadata = {
        key: value for key, value in pod["metadata"].items() if key not in ("uid", "annotations")
    }
    metadata["annotations"] = annotations_of(pod) | {CONFIG_MIRROR: uid_of(pod)}
    metadata["ownerReferences"] = [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "name": name_of(node),
            "uid": uid_of(node),
            "controller": True,
        }
    ]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod["spec"]}


class MirrorPods:
    """Keeps the mirrors as they should be."""

    def __init__(
        self,
        client: RestClient,
        clock: Clock,
        *,
        find: Callable[[str, str], Object | None],
        node: Callable[[], Object | None],
    ) -> None:
        """Prepare; `run` starts it.

        Args:
            client: The API server.
            clock: For retries.
            find: Returns the API's pod of a namespace and name.
            node: Returns the Node object once it is registered.
        """
        self._client = client
        self._find = find
        self._node = node
        self._static: dict[str, Object] = {}
        self._controller = Controller("kubelet.mirror", self._reconcile, clock=clock)

    async def run(self) -> None:
        """Work until cancelled; call when the API's pods are known."""
        await self._controller.run()

    def set_static_pods(self, pods: Iterable[Object]) -> None:
        """Take over the static pods."""
        former, self._static = self._static, {full_name(pod): pod for pod in pods}
        for key in former.keys() | self._static.keys():
            self._controller.enqueue(key)

    def api_pod_changed(self, pod: Object) -> None:
        """Look at a pod of the API that was made, changed or deleted."""
        if is_mirror(pod) or full_name(pod) in self._static:
            self._controller.enqueue(full_name(pod))

    async def _reconcile(self, key: str) -> None:
        namespace, _, name = key.partition("/")
        pod, mirror, node = self._static.get(key), self._find(namespace, name), self._node()
        try:
            if mirror is not None and is_mirror(mirror):
                if pod is not None and is_mirror_of(mirror, pod) and not is_terminating(mirror):
                    return
                await self._delete(mirror)
            if pod is not None:
                if node is None:
                    raise RetryAfter(_RETRY_SECONDS)
                await self._create(mirror_pod(pod, node))
        except (ConnectionFailed, ConfigError) as error:
            raise RetryAfter(_RETRY_SECONDS) from error

    async def _delete(self, mirror: Object) -> None:
        try:
            await self._client.delete(
                PODS,
                namespace_of(mirror),
                name_of(mirror),
                grace_period_seconds=0,
                uid=uid_of(mirror),
            )
        except StatusError as error:
            if error.code not in (404, 409):
                raise

    async def _create(self, mirror: Object) -> None:
        try:
            await self._client.create(PODS, mirror)
        except StatusError as error:
            if error.reason == "AlreadyExists":
                return  # the informer will show it
            _log.warning("mirror pod %s not made: %s", full_name(mirror), error.message)
            raise RetryAfter(_RETRY_SECONDS) from error
