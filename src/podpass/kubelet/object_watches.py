"""Watches the ConfigMaps and Secrets in the volumes of this node's pods: changes show soon.

1. One watch for each object, by name, as a node may do it; pods share it.
2. It begins a moment after the first pod has asked, so that pods of a few seconds cost nothing, and
   ends with the last pod.
3. A change is in the source before the pods hear of it. Changes in quick succession are one.

Source: Kubernetes v1.36, `pkg/kubelet/util/manager/watch_based_manager.go`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from podpass.api.meta import namespace_of
from podpass.api.resources import CONFIG_MAPS, SECRETS, Object, Resource
from podpass.base.clock import Clock
from podpass.client.informer import Informer
from podpass.client.rest import RestClient
from podpass.kubelet.volumes import mounted_volumes

BEGIN_SECONDS = 1.0
SETTLE_SECONDS = 0.1
"""How long further changes of an object are waited for."""


class Reference(NamedTuple):
    """An object that a pod refers to."""

    resource: Resource
    namespace: str
    name: str


class Learner(Protocol):
    """Takes what a watch has seen."""

    def learn(self, resource: Resource, namespace: str, name: str, found: Object | None) -> None:
        """Take note of an object, or that there is none."""
        ...


def references(pod: Object) -> set[Reference]:
    """Return the ConfigMaps and Secrets in the volumes that the pod's containers mount."""
    return {Reference(resource, namespace_of(pod), name) for resource, name in _names(pod) if name}


def _names(pod: Object) -> Iterator[tuple[Resource, str]]:
    for volume in mounted_volumes(pod):
        for source in [volume, *((volume.get("projected") or {}).get("sources") or [])]:
            if (found := source.get("configMap")) is not None:
                yield CONFIG_MAPS, str(found.get("name") or "")
            if (found := source.get("secret")) is not None:
                yield SECRETS, str(found.get("secretName") or found.get("name") or "")


@dataclass
class _Watch:
    task: asyncio.Task[None]
    wakes: dict[str, Callable[[], None]] = field(default_factory=dict)
    settling: asyncio.Task[None] | None = None


class ObjectWatches:
    """The watches of one node.

    Args:
        client: The API server.
        learner: Is told of each change before the pods.
        clock: For waiting.
    """

    def __init__(self, client: RestClient, learner: Learner, clock: Clock) -> None:
        self._client = client
        self._learner = learner
        self._clock = clock
        self._watches: dict[Reference, _Watch] = {}

    def follow(self, uid: str, wanted: Iterable[Reference], wake: Callable[[], None]) -> None:
        """Have `wake` called at changes of these objects, and of no others, for a pod."""
        wanted = set(wanted)
        for reference in self._watches.keys() - wanted:
            self._leave(reference, uid)
        for reference in wanted:
            watch = self._watches.get(reference)
            if watch is None:
                task = asyncio.create_task(self._watch(reference))
                watch = self._watches[reference] = _Watch(task)
            watch.wakes[uid] = wake

    def forget(self, uid: str) -> None:
        """End what was followed for a pod."""
        self.follow(uid, (), lambda: None)

    async def close(self) -> None:
        """End all watches."""
        watches = [*self._watches.values()]
        self._watches.clear()
        tasks = [task for one in watches for task in (one.task, one.settling) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _leave(self, reference: Reference, uid: str) -> None:
        watch = self._watches[reference]
        watch.wakes.pop(uid, None)
        if not watch.wakes:
            del self._watches[reference]
            watch.task.cancel()
            if watch.settling is not None:
                watch.settling.cancel()

    async def _watch(self, reference: Reference) -> None:
        await self._clock.sleep(BEGIN_SECONDS)
        informer = Informer(
            self._client,
            reference.resource,
            clock=self._clock,
            namespace=reference.namespace,
            field_selector=f"metadata.name={reference.name}",
        )
        informer.on_change(lambda _old, new: self._changed(reference, new))
        await informer.run()

    def _changed(self, reference: Reference, found: Object | None) -> None:
        self._learner.learn(*reference, found)
        watch = self._watches.get(reference)
        if watch is not None and (watch.settling is None or watch.settling.done()):
            watch.settling = asyncio.create_task(self._settle(watch))

    async def _settle(self, watch: _Watch) -> None:
        await self._clock.sleep(SETTLE_SECONDS)
        for wake in [*watch.wakes.values()]:
            wake()
