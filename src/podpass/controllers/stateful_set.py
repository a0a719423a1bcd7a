"""Keeps the numbered pods of stateful sets.

`stateful_set_plan` decides. Names are fixed, so that nothing can be created twice.

Source: Kubernetes, `pkg/controller/statefulset`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from podpass.api.errors import StatusError
from podpass.api.meta import is_terminating, name_of, namespace_of
from podpass.api.resources import CONTROLLER_REVISIONS, PODS, STATEFUL_SETS, Object
from podpass.base.clock import Clock
from podpass.client.controller import RetryAfter, split_key
from podpass.client.events import EventRecorder
from podpass.client.rest import RestClient
from podpass.controllers.claims import controller_reference
from podpass.controllers.pod_control import all_at_once
from podpass.controllers.pod_templates import pod_from_template
from podpass.controllers.revision_history import (
    POD_LABEL,
    Collision,
    RevisionHistory,
    template_in,
)
from podpass.controllers.shared_informers import SharedInformers
from podpass.controllers.stateful_set_plan import (
    by_ordinal,
    next_steps,
    revision_name,
    stateful_set_status,
)
from podpass.controllers.workload_controller import WorkloadController
from podpass.controllers.workload_status import count_collision, write_status

POD_NAME_LABEL = "statefulset.kubernetes.io/pod-name"
POD_INDEX_LABEL = "apps.kubernetes.io/pod-index"


def numbered_pod(stateful_set: Object, ordinal: int, revision: Object) -> Object:
    """Return a pod of the set, with its name in the labels and as host name.

    Args:
        stateful_set: The set.
        ordinal: Its number.
        revision: What it is made from.
    """
    base = f"{name_of(stateful_set)}-{ordinal}"
    pod = pod_from_template(
        template_in(revision),
        namespace=namespace_of(stateful_set),
        base=base,
        suffix="",
        owner=controller_reference(STATEFUL_SETS, stateful_set),
        labels={
            POD_NAME_LABEL: base,
            POD_INDEX_LABEL: str(ordinal),
            POD_LABEL: name_of(revision),
        },
    )
    pod["metadata"]["name"] = base
    pod["spec"]["hostname"] = base
    if service := stateful_set["spec"].get("serviceName"):
        pod["spec"]["subdomain"] = service
    return pod


class StatefulSetController(WorkloadController):
    """Creates and deletes numbered pods; keys are stateful sets."""

    NAME = "stateful-set"
    RESOURCE = STATEFUL_SETS
    OWNED = PODS
    FOLLOWED = (CONTROLLER_REVISIONS,)

    def __init__(
        self,
        client: RestClient,
        informers: SharedInformers,
        clock: Clock,
        recorder: EventRecorder,
    ) -> None:
        super().__init__(client, informers, clock, recorder)
        self._history = RevisionHistory(client, STATEFUL_SETS, informers[CONTROLLER_REVISIONS])

    async def reconcile(self, key: str) -> RetryAfter | None:
        """Make the next steps of one stateful set.

        Raises:
            StatusError: The API server refused.
            ConnectionFailed: The API server was not reached.
        """
        namespace, name = split_key(key)
        stateful_set = self._informers[STATEFUL_SETS].get(namespace, name)
        if stateful_set is None or is_terminating(stateful_set):
            return None
        owned = await self._claims.claim(stateful_set, self._informers[PODS].list(namespace))
        revisions = await self._history.of(stateful_set)
        update = await self._history.update_revision(stateful_set, revisions)
        if isinstance(update, Collision):
            await count_collision(self._client, STATEFUL_SETS, stateful_set)
            return None
        former = (stateful_set.get("status") or {}).get("currentRevision")
        current = next((one for one in revisions if name_of(one) == former), update)
        pods = by_ordinal(stateful_set, owned)
        now = self._clock.now()
        names = {"current": name_of(current), "update": name_of(update)}
        steps = next_steps(stateful_set, pods, now=now, **names)
        by_name = {name_of(one): one for one in (current, update)}
        failure = await self._create(stateful_set, steps.create, by_name)
        failure = await self._delete(stateful_set, steps.delete) or failure
        status = stateful_set_status(stateful_set, pods, now=now, **names)
        await write_status(self._client, STATEFUL_SETS, stateful_set, status)
        live = {*by_name, *(revision_name(pod) for pod in owned)}
        await self._history.drop(stateful_set, revisions, live)
        if failure is not None:
            raise failure
        waits = status["availableReplicas"] < status["readyReplicas"]
        return RetryAfter(1.0) if waits else None

    async def _create(
        self,
        stateful_set: Object,
        wanted: Sequence[tuple[int, str]],
        revisions: Mapping[str, Object],
    ) -> Exception | None:
        async def create(ordinal: int, revision: str) -> None:
            pod = numbered_pod(stateful_set, ordinal, revisions[revision])
            told = f"create Pod {name_of(pod)} in StatefulSet {name_of(stateful_set)} successful"
            try:
                await self._pods.create(stateful_set, pod, told=told)
            except StatusError as error:
                if error.reason != "AlreadyExists":  # the informer will show it
                    raise

        return await all_at_once([partial(create, *one) for one in wanted])

    async def _delete(self, stateful_set: Object, pods: Sequence[Object]) -> Exception | None:
        name = name_of(stateful_set)
        return await all_at_once(
            [
                partial(
                    self._pods.delete,
                    stateful_set,
                    pod,
                    told=f"delete Pod {name_of(pod)} in StatefulSet {name} successful",
                )
                for pod in pods
            ]
        )
