"""Writes the KubeAPIServer object: status and observed configuration.

1. Every write is made on what the API has now and holds only for that: two operators, or an old
   one that wakes up, cannot both start a node.
2. With every write of the status the conditions of the rollout are computed anew, so that
   `NodeInstallerProgressing` turns True in the very write that makes a revision available.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import orjson

from podpass.api.errors import StatusError
from podpass.api.resources import KUBE_API_SERVERS, Object
from podpass.base.clock import Clock
from podpass.client.rest import RestClient
from podpass.operator.conditions import Condition, apply_conditions, rollout_conditions
from podpass.operator.names import CLUSTER
from podpass.operator.node_status import latest_revision, node_statuses
from podpass.operator.profiles import Profile

_ATTEMPTS = 10
_CONFLICT = 409

Change = Callable[[Object], object]
"""Changes the object it is given in place; what it raises ends the write."""


class OperatorStatus:
    """The one KubeAPIServer object, as the API has it."""

    def __init__(self, client: RestClient, clock: Clock, profile: Profile) -> None:
        self._client = client
        self._clock = clock
        self._profile = profile

    async def read(self) -> Object:
        """Return the object as it is now.

        Raises:
            StatusError: It is missing, or the API refused.
            ConnectionFailed: The API was not reached.
        """
        return await self._client.get(KUBE_API_SERVERS, None, CLUSTER)

    async def update_status(
        self, change: Change = lambda _: None, conditions: Iterable[Condition] = ()
    ) -> Object:
        """Write a new status if `change` or `conditions` make one; return the object.

        Raises:
            StatusError: The API refused.
            ConnectionFailed: The API was not reached.
        """
        wanted = tuple(conditions)

        def apply(obj: Object) -> None:
            change(obj)
            rollout = rollout_conditions(node_statuses(obj), latest_revision(obj), self._profile)
            apply_conditions(
                obj.setdefault("status", {}).setdefault("conditions", []),
                (*rollout, *wanted),
                now=self._clock.now(),
                profile=self._profile,
            )

        return await self._update(apply, "status")

    async def update_spec(self, change: Change) -> Object:
        """Write a new spec if `change` makes one; return the object.

        Raises:
            StatusError: The API refused.
            ConnectionFailed: The API was not reached.
        """
        return await self._update(change, "")

    async def _update(self, change: Change, subresource: str) -> Object:
        for attempt in range(_ATTEMPTS):
            obj = await self.read()
            before = orjson.dumps(obj)
            change(obj)
            if orjson.dumps(obj) == before:
                return obj
            try:
                return await self._client.update(KUBE_API_SERVERS, obj, subresource=subresource)
            except StatusError as error:
                if error.code != _CONFLICT or attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError
