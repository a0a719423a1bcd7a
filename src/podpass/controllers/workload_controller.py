"""What the controllers of the workload kinds have in common: informers, a queue, what they own.

A kind says what it owns and what else it follows; the keys of its queue are its own objects.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, TypeAlias

from podpass.api.resources import Object, Resource
from podpass.base.clock import Clock
from podpass.client.controller import Controller, RetryAfter, object_key
from podpass.client.events import EventRecorder
from podpass.client.rest import RestClient
from podpass.controllers.claims import Claims
from podpass.controllers.expectations import Expectations
from podpass.controllers.owner_routing import OwnerRouting
from podpass.controllers.pod_control import PodControl
from podpass.controllers.shared_informers import SharedInformers

Listener: TypeAlias = Callable[[Object | None, Object | None], None]


class WorkloadController(ABC):
    """A controller of one workload kind.

    Attributes:
        NAME: For log lines.
        RESOURCE: The kind.
        OWNED: What its objects are made of.
        FOLLOWED: What else it reads.
        WORKERS: How many objects are reconciled at a time.
    """

    NAME: ClassVar[str]
    RESOURCE: ClassVar[Resource]
    OWNED: ClassVar[Resource]
    FOLLOWED: ClassVar[tuple[Resource, ...]] = ()
    WORKERS: ClassVar[int] = 2

    def __init__(
        self,
        client: RestClient,
        informers: SharedInformers,
        clock: Clock,
        recorder: EventRecorder,
    ) -> None:
        self._client = client
        self._informers = informers
        self._clock = clock
        self._recorder = recorder
        self._expectations = Expectations(clock)
        self._pods = PodControl(client, recorder, self._expectations)
        self._claims = Claims(client, self.RESOURCE, self.OWNED)
        self._controller = Controller(self.NAME, self.reconcile, clock=clock, workers=self.WORKERS)
        self._routing = OwnerRouting(
            informers[self.RESOURCE], self._controller.enqueue, self._expectations
        )

    async def run(self) -> None:
        """Work until cancelled."""
        await self._informers.wait_synced(self.RESOURCE, self.OWNED, *self.FOLLOWED)
        self._informers[self.RESOURCE].on_change(self._changed)
        self._informers[self.OWNED].on_change(self._routing.changed)
        for resource, listener in self._listeners().items():
            self._informers[resource].on_change(listener)
        await self._controller.run()

    @abstractmethod
    async def reconcile(self, key: str) -> RetryAfter | None:
        """Make the next steps of one object.

        Raises:
            StatusError: The API server refused.
            ConnectionFailed: The API server was not reached.
        """

    def _listeners(self) -> dict[Resource, Listener]:
        """Return who else listens to changes of what, called with old and new object."""
        return {}

    def _changed(self, old: Object | None, new: Object | None) -> None:
        obj = new or old
        if obj is not None:
            self._controller.enqueue(object_key(obj))
