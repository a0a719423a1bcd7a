"""Keeps one pod of each daemon set on every node that is eligible.

`daemon_set_plan` decides; the scheduler binds the pods, each pinned to its node.

Source: Kubernetes, `pkg/controller/daemon/daemon_controller.go`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from podpass.api.meta import is_terminating, labels_of, name_of, namespace_of
from podpass.api.resources import CONTROLLER_REVISIONS, DAEMON_SETS, NODES, PODS, Object, Resource
from podpass.base.clock import Clock
from podpass.base.tasks import Backoff, random_suffix
from podpass.client.controller import RetryAfter, object_key, split_key
from podpass.client.events import EventRecorder
from podpass.client.rest import RestClient
from podpass.controllers.claims import controller_reference
from podpass.controllers.daemon_set_plan import (
    by_node,
    daemon_set_status,
    next_steps,
    pinned,
    target_node,
    with_tolerations,
)
from podpass.controllers.pod_control import BURST, all_at_once, slow_start
from podpass.controllers.pod_templates import pod_from_template
from podpass.controllers.revision_history import (
    POD_LABEL,
    Collision,
    RevisionHistory,
    hash_of,
)
from podpass.controllers.shared_informers import SharedInformers
from podpass.controllers.workload_controller import Listener, WorkloadController
from podpass.controllers.workload_status import count_collision, write_status

FIRST_FAILURE_SECONDS = 1.0
LONGEST_FAILURE_SECONDS = 900.0


def daemon_pod(daemon_set: Object, node: str, revision: str, suffix: str) -> Object:
    """Return a pod of the set for a node.

    Args:
        daemon_set: The set.
        node: Name of the node.
        revision: Hash of the revision of the template.
        suffix: Random end of the name.
    """
    template = daemon_set["spec"]["template"]
    pod = pod_from_template(
        template,
        namespace=namespace_of(daemon_set),
        base=f"{name_of(daemon_set)}-",
        suffix=suffix,
        owner=controller_reference(DAEMON_SETS, daemon_set),
        labels={POD_LABEL: revision},
    )
    pod["spec"] = pinned(with_tolerations(pod["spec"]), node)
    return pod


class DaemonSetController(WorkloadController):
    """Creates and deletes pods; keys are daemon sets."""

    NAME = "daemon-set"
    RESOURCE = DAEMON_SETS
    OWNED = PODS
    FOLLOWED = (CONTROLLER_REVISIONS, NODES)

    def __init__(
        self,
        client: RestClient,
        informers: SharedInformers,
        clock: Clock,
        recorder: EventRecorder,
    ) -> None:
        super().__init__(client, informers, clock, recorder)
        self._history = RevisionHistory(client, DAEMON_SETS, informers[CONTROLLER_REVISIONS])
        self._failures: dict[tuple[str, str], tuple[Backoff, float]] = {}

    def _listeners(self) -> dict[Resource, Listener]:
        return {NODES: self._node_changed}

    async def reconcile(self, key: str) -> RetryAfter | None:
        """Make the next steps of one daemon set.

        Raises:
            StatusError: The API server refused.
            ConnectionFailed: The API server was not reached.
        """
        namespace, name = split_key(key)
        daemon_set = self._informers[DAEMON_SETS].get(namespace, name)
        if daemon_set is None:
            self._forget(key)
            return None
        if is_terminating(daemon_set):
            return None
        waiting = self._expectations.remaining_seconds(key)
        pods = await self._claims.claim(daemon_set, self._informers[PODS].list(namespace))
        revisions = await self._history.of(daemon_set)
        update = await self._history.update_revision(daemon_set, revisions)
        if isinstance(update, Collision):
            await count_collision(self._client, DAEMON_SETS, daemon_set)
            return None
        revision, now = hash_of(update), self._clock.now()
        nodes = sorted(self._informers[NODES].list(), key=name_of)
        placed = by_node(pods)
        failure: Exception | None = None
        retry = waiting
        if not waiting:
            steps = next_steps(daemon_set, nodes, placed, revision=revision, now=now)
            due, retry = self._due(key, daemon_set, steps.failed)
            failure = await self._create(daemon_set, steps.create[:BURST], revision)
            going = [*steps.delete, *due][:BURST]
            deletions = [partial(self._pods.delete, daemon_set, pod) for pod in going]
            failure = await all_at_once(deletions) or failure
        status = daemon_set_status(daemon_set, nodes, placed, revision=revision, now=now)
        await write_status(self._client, DAEMON_SETS, daemon_set, status)
        used = {labels_of(pod).get(POD_LABEL) for pod in pods}
        live = {name_of(one) for one in revisions if hash_of(one) in used} | {name_of(update)}
        await self._history.drop(daemon_set, revisions, live)
        if failure is not None:
            raise failure
        if status["numberAvailable"] < status["numberReady"]:
            return RetryAfter(1.0)
        return RetryAfter(retry) if retry else None

    async def _create(
        self, daemon_set: Object, nodes: Sequence[str], revision: str
    ) -> Exception | None:
        async def create(node: str) -> None:
            pod = daemon_pod(daemon_set, node, revision, random_suffix())
            await self._pods.create(daemon_set, pod)

        return await slow_start([partial(create, node) for node in nodes])

    def _due(
        self, key: str, daemon_set: Object, failed: Sequence[Object]
    ) -> tuple[list[Object], float]:
        """Return the failed pods to delete now, and after how many seconds there are more."""
        due: list[Object] = []
        waits: list[float] = []
        now = self._clock.monotonic()
        for pod in failed:
            node = target_node(pod)
            fresh = Backoff(FIRST_FAILURE_SECONDS, LONGEST_FAILURE_SECONDS)
            backoff, not_before = self._failures.get((key, node), (fresh, 0.0))
            if now < not_before:
                waits.append(not_before - now)
                continue
            self._failures[key, node] = (backoff, now + backoff.next_delay())
            text = f"Found failed daemon pod {object_key(pod)} on node {node}, will try to kill it"
            self._recorder.record(daemon_set, "Warning", "FailedDaemonPod", text)
            due.append(pod)
        return due, min(waits, default=0.0)

    def _forget(self, key: str) -> None:
        self._expectations.forget(key)
        self._failures = {one: kept for one, kept in self._failures.items() if one[0] != key}

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if old is not None and new is not None and _placing_view(old) == _placing_view(new):
            return
        for daemon_set in self._informers[DAEMON_SETS].list():
            self._controller.enqueue(object_key(daemon_set))


def _placing_view(node: Object) -> tuple[object, object]:
    return labels_of(node), node.get("spec")
