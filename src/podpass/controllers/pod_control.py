"""Creates and deletes the pods of workloads, and tells about it in events.

Source: Kubernetes, `pkg/controller/controller_utils.go` (`RealPodControl`, `slowStartBatch`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from podpass.api.errors import StatusError
from podpass.api.meta import name_of, namespace_of, uid_of
from podpass.api.resources import PODS, Object
from podpass.client.controller import object_key
from podpass.client.events import EventRecorder
from podpass.client.rest import ConnectionFailed, RestClient
from podpass.controllers.expectations import Expectations
from podpass.controllers.refusals import is_conflict, is_namespace_terminating, is_not_found

BURST = 500
"""Most pods that one look at a workload creates or deletes."""


class PodControl:
    """The hands of a workload controller."""

    def __init__(
        self, client: RestClient, recorder: EventRecorder, expectations: Expectations
    ) -> None:
        self._client = client
        self._recorder = recorder
        self._expectations = expectations

    async def create(self, owner: Object, pod: Object, *, told: str = "") -> None:
        """Create a pod; in a namespace that is going nothing happens.

        Args:
            owner: The workload, for the event.
            pod: The pod; it has its name already.
            told: Message of the event, if not the common one.

        Raises:
            StatusError: The API server refused, e.g. 409 because the name is taken.
            ConnectionFailed: The API server was not reached.
        """
        key = object_key(owner)
        self._expectations.expect_creation(key, name_of(pod))
        try:
            await self._client.create(PODS, pod)
        except BaseException as error:
            self._expectations.created(key, name_of(pod))
            if isinstance(error, StatusError) and is_namespace_terminating(error):
                return
            taken = isinstance(error, StatusError) and error.reason == "AlreadyExists"
            if isinstance(error, StatusError | ConnectionFailed) and not taken:
                text = f"Error creating: {error}"
                self._recorder.record(owner, "Warning", "FailedCreate", text)
            raise
        text = told or f"Created pod: {name_of(pod)}"
        self._recorder.record(owner, "Normal", "SuccessfulCreate", text)

    async def delete(self, owner: Object, pod: Object, *, told: str = "") -> None:
        """Delete a pod; one that is gone is fine.

        Args:
            owner: The workload, for the event.
            pod: The pod.
            told: Message of the event, if not the common one.

        Raises:
            StatusError: The API server refused.
            ConnectionFailed: The API server was not reached.
        """
        key = object_key(owner)
        self._expectations.expect_deletion(key, uid_of(pod))
        try:
            await self._client.delete(PODS, namespace_of(pod), name_of(pod), uid=uid_of(pod))
        except BaseException as error:
            self._expectations.deleted(key, uid_of(pod))
            if isinstance(error, StatusError) and (is_not_found(error) or is_conflict(error)):
                return
            if isinstance(error, StatusError | ConnectionFailed):
                text = f"Error deleting: {error}"
                self._recorder.record(owner, "Warning", "FailedDelete", text)
            raise
        text = told or f"Deleted pod: {name_of(pod)}"
        self._recorder.record(owner, "Normal", "SuccessfulDelete", text)


async def slow_start(actions: Sequence[Callable[[], Awaitable[None]]]) -> Exception | None:
    """Run one action, then 2, 4, 8 ... at a time, until one fails.

    What is refused once, over a quota for example, is not asked for hundreds of times.

    Returns:
        The first failure, or None.
    """
    done, size = 0, 1
    while done < len(actions):
        failure = await all_at_once(actions[done : done + size])
        if failure is not None:
            return failure
        done += size
        size *= 2
    return None


async def all_at_once(actions: Sequence[Callable[[], Awaitable[None]]]) -> Exception | None:
    """Run the actions together.

    Returns:
        The first failure, or None.
    """
    outcomes = await asyncio.gather(*(act() for act in actions), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            return outcome
        if isinstance(outcome, BaseException):
            raise outcome
    return None
