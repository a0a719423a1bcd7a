"""Keeps as many pods as a replica set asks for.

`replica_set_plan` decides; a set whose last creations and deletions were not seen yet only has its
status brought up to date.

Source: Kubernetes, `pkg/controller/replicaset/replica_set.go`.
"""

from __future__ import annotations

from functools import partial

from podpass.api.meta import is_terminating, name_of, namespace_of, uid_of
from podpass.api.resources import PODS, REPLICA_SETS, Object
from podpass.base.tasks import random_suffix
from podpass.client.controller import RetryAfter, split_key
from podpass.controllers.claims import controller_of, controller_reference
from podpass.controllers.pod_control import BURST, all_at_once, slow_start
from podpass.controllers.pod_templates import pod_from_template
from podpass.controllers.pods import is_active
from podpass.controllers.replica_set_plan import deletion_order, replica_set_status
from podpass.controllers.workload_controller import WorkloadController
from podpass.controllers.workload_status import write_status


class ReplicaSetController(WorkloadController):
    """Creates and deletes pods; keys are replica sets."""

    NAME = "replica-set"
    RESOURCE = REPLICA_SETS
    OWNED = PODS
    WORKERS = 4

    async def reconcile(self, key: str) -> RetryAfter | None:
        """Bring the pods of one replica set to their number.

        Raises:
            StatusError: The API server refused.
            ConnectionFailed: The API server was not reached.
        """
        namespace, name = split_key(key)
        replica_set = self._informers[REPLICA_SETS].get(namespace, name)
        if replica_set is None:
            self._expectations.forget(key)
            return None
        waiting = self._expectations.remaining_seconds(key)
        owned = await self._claims.claim(replica_set, self._informers[PODS].list(namespace))
        active = [pod for pod in owned if is_active(pod)]
        surplus = len(active) - int(replica_set["spec"].get("replicas", 1))
        failure: Exception | None = None
        if not waiting and not is_terminating(replica_set):
            if surplus < 0:
                failure = await self._create(replica_set, -surplus)
            elif surplus > 0:
                failure = await self._delete(replica_set, active, surplus)
        told = None
        if failure is not None:
            told = ("FailedCreate" if surplus < 0 else "FailedDelete", str(failure))
        status = replica_set_status(replica_set, active, failure=told, now=self._clock.now())
        await write_status(self._client, REPLICA_SETS, replica_set, status)
        if failure is not None:
            raise failure
        minimum = int(replica_set["spec"].get("minReadySeconds") or 0)
        if minimum and status["availableReplicas"] < status["readyReplicas"]:
            return RetryAfter(min(1.0, minimum))
        return RetryAfter(waiting) if waiting else None

    async def _create(self, replica_set: Object, count: int) -> Exception | None:
        owner = controller_reference(REPLICA_SETS, replica_set)

        async def create() -> None:
            pod = pod_from_template(
                replica_set["spec"].get("template") or {},
                namespace=namespace_of(replica_set),
                base=f"{name_of(replica_set)}-",
                suffix=random_suffix(),
                owner=owner,
            )
            await self._pods.create(replica_set, pod)

        return await slow_start([create] * min(count, BURST))

    async def _delete(
        self, replica_set: Object, active: list[Object], count: int
    ) -> Exception | None:
        order = deletion_order(active, self._related_pods(replica_set, active))
        chosen = order[: min(count, BURST)]
        return await all_at_once([partial(self._pods.delete, replica_set, pod) for pod in chosen])

    def _related_pods(self, replica_set: Object, own: list[Object]) -> list[Object]:
        """Return the pods of all replica sets that have the same controller."""
        owner = controller_of(replica_set)
        if owner is None:
            return own
        namespace = namespace_of(replica_set)
        siblings = {
            uid_of(one)
            for one in self._informers[REPLICA_SETS].list(namespace)
            if (controller_of(one) or {}).get("uid") == owner.get("uid")
        }
        return [
            pod
            for pod in self._informers[PODS].list(namespace)
            if (controller_of(pod) or {}).get("uid") in siblings
        ]
