"""Rolls a deployment from one replica set to the next.

1. A paused deployment, and one that was scaled, keeps its replica sets and only sizes them.
2. Otherwise the replica set of its template is found or created, and the next step is made;
   `deployment_rollout` knows which.
3. Each change of a replica set or pod brings the deployment here again for the step after.

Source: Kubernetes, `pkg/controller/deployment/deployment_controller.go`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from podpass.api.errors import StatusError
from podpass.api.meta import (
    annotations_of,
    is_terminating,
    name_of,
    namespace_of,
    resource_version_of,
    uid_of,
)
from podpass.api.resources import DEPLOYMENTS, PODS, REPLICA_SETS, Object, Resource
from podpass.client.controller import RetryAfter, object_key, split_key
from podpass.controllers import deployment_status as progress
from podpass.controllers.claims import controller_of, is_controlled_by
from podpass.controllers.deployment_limits import is_rolling, replicas_of
from podpass.controllers.deployment_revisions import (
    REVISION,
    annotations_of_new,
    find_new,
    history_to_drop,
    new_replica_set,
    revision_of,
    sizes,
)
from podpass.controllers.deployment_rollout import (
    Scaling,
    active,
    resized,
    rolled,
    size_of_new,
    was_scaled,
)
from podpass.controllers.pod_templates import same_template
from podpass.controllers.pods import is_finished
from podpass.controllers.refusals import is_conflict, is_namespace_terminating, is_not_found
from podpass.controllers.workload_controller import Listener, WorkloadController
from podpass.controllers.workload_status import write_status


@dataclass(slots=True)
class _View:
    """A deployment and its replica sets while they are worked on.

    Attributes:
        deployment: As stored.
        conditions: As they are to be stored.
        old: Replica sets of other templates.
        new: The replica set of the template, if it is there.
    """

    deployment: Object
    conditions: list[Object]
    old: list[Object]
    new: Object | None

    @property
    def everything(self) -> list[Object]:
        return [*self.old, *([self.new] if self.new is not None else [])]


class DeploymentController(WorkloadController):
    """Creates and sizes replica sets; keys are deployments."""

    NAME = "deployment"
    RESOURCE = DEPLOYMENTS
    OWNED = REPLICA_SETS
    FOLLOWED = (PODS,)
    WORKERS = 4

    def _listeners(self) -> dict[Resource, Listener]:
        return {PODS: self._pod_changed}

    async def reconcile(self, key: str) -> RetryAfter | None:
        """Make the next step of one deployment.

        Raises:
            StatusError: The API server refused.
            ConnectionFailed: The API server was not reached.
        """
        namespace, name = split_key(key)
        deployment = self._informers[DEPLOYMENTS].get(namespace, name)
        if deployment is None:
            return None
        replica_sets = self._informers[REPLICA_SETS].list(namespace)
        owned = await self._claims.claim(deployment, replica_sets)
        new = find_new(deployment, owned)
        view = _View(
            deployment,
            progress.conditions_of(deployment),
            [one for one in owned if one is not new],
            new,
        )
        if is_terminating(deployment):
            return await self._report(view, follow=False)
        progress.note_pause(deployment, view.conditions, now=self._clock.now())
        if deployment["spec"].get("paused") or was_scaled(deployment, owned):  # 1
            await self._keep_new(view)
            await self._scale(view, resized(deployment, view.new, view.old))
            if deployment["spec"].get("paused"):
                await self._drop_history(view)
            return await self._report(view, follow=False)
        if is_rolling(deployment):
            await self._roll(view)
        else:
            await self._recreate(view)
        status = deployment.get("status") or {}
        if progress.is_complete(deployment, status):
            await self._drop_history(view)
        return await self._report(view, follow=True)

    async def _roll(self, view: _View) -> None:
        new = await self._ensure_new(view)
        if new is not None:
            await self._scale(view, rolled(view.deployment, new, view.old))

    async def _recreate(self, view: _View) -> None:
        await self._keep_new(view)
        if busy := active(view.old):
            await self._scale(view, [Scaling(one, 0) for one in busy])
            return
        if self._pods_run(view.old):
            return
        new = await self._ensure_new(view)
        if new is not None:
            await self._scale(view, [Scaling(new, replicas_of(view.deployment))])

    def _pods_run(self, replica_sets: Iterable[Object]) -> bool:
        owners = {uid_of(one) for one in replica_sets}
        if not owners:
            return False
        namespace = namespace_of(next(iter(replica_sets)))
        return any(
            (controller_of(pod) or {}).get("uid") in owners and not is_finished(pod)
            for pod in self._informers[PODS].list(namespace)
        )

    async def _ensure_new(self, view: _View) -> Object | None:
        """Return the replica set of the template, created if it is missing; rule 2."""
        if view.new is not None:
            await self._keep_new(view)
            return view.new
        deployment = view.deployment
        revision = max((revision_of(one) for one in view.old), default=0) + 1
        replicas = size_of_new(deployment, view.old, 0)
        wanted = new_replica_set(deployment, revision, replicas)
        try:
            view.new = await self._client.create(REPLICA_SETS, wanted)
        except StatusError as error:
            if is_namespace_terminating(error):
                return None
            if error.reason != "AlreadyExists":
                await self._report_failed_creation(view, name_of(wanted), error)
                raise
            view.new = await self._existing(view, wanted)
            if view.new is None:
                return None
        else:
            if replicas:
                self._tell(deployment, name_of(wanted), 0, replicas)
            self._note(view, "NewReplicaSetCreated", f'Created new replica set "{name_of(wanted)}"')
        await self._number(view)
        return view.new

    async def _existing(self, view: _View, wanted: Object) -> Object | None:
        """Return the replica set that has the name already, if it is the wanted one."""
        found = await self._client.get(REPLICA_SETS, namespace_of(wanted), name_of(wanted))
        same = same_template(found["spec"]["template"], wanted["spec"]["template"])
        if is_controlled_by(found, view.deployment) and same:
            return found
        # Another template has this hash: the next look takes another name.
        status = dict(view.deployment.get("status") or {})
        status["collisionCount"] = int(status.get("collisionCount") or 0) + 1
        await write_status(self._client, DEPLOYMENTS, view.deployment, status)
        return None

    async def _report_failed_creation(self, view: _View, name: str, error: StatusError) -> None:
        text = f'Failed to create new replica set "{name}": {error.message}'
        self._recorder.record(view.deployment, "Warning", "ReplicaSetCreateError", text)
        progress.put_condition(
            view.conditions, progress.PROGRESSING, "False", "ReplicaSetCreateError", text,
            now=self._clock.now(),
        )  # fmt: skip
        await self._report(view, follow=False)

    async def _keep_new(self, view: _View) -> None:
        """Give the replica set of the template, if it is there, what it has of the deployment."""
        if view.new is None:
            return
        deployment, new = view.deployment, view.new
        revision = max((revision_of(one) for one in view.old), default=0) + 1
        annotations = annotations_of_new(deployment, revision, new)
        seconds = int(deployment["spec"].get("minReadySeconds") or 0)
        if annotations != annotations_of(new) or seconds != int(
            new["spec"].get("minReadySeconds") or 0
        ):
            patch = {"spec": {"minReadySeconds": seconds}}
            view.new = await self._patch(new, patch, annotations)
        await self._number(view)
        if not any(one.get("type") == progress.PROGRESSING for one in view.conditions):
            self._note(view, "FoundNewReplicaSet", f'Found new replica set "{name_of(new)}"')

    async def _number(self, view: _View) -> None:
        """Write the revision of the new replica set to the deployment."""
        deployment = view.deployment
        revision = annotations_of(view.new or {}).get(REVISION, "")
        if revision and annotations_of(deployment).get(REVISION) != revision:
            metadata = {
                "uid": uid_of(deployment),
                "resourceVersion": resource_version_of(deployment),
                "annotations": {REVISION: revision},
            }
            view.deployment = await self._client.patch(
                DEPLOYMENTS, namespace_of(deployment), name_of(deployment), {"metadata": metadata}
            )

    def _note(self, view: _View, reason: str, text: str) -> None:
        if progress.deadline_of(view.deployment) is not None:
            now = self._clock.now()
            progress.put_condition(
                view.conditions, progress.PROGRESSING, "True", reason, text, now=now
            )

    async def _scale(self, view: _View, steps: Sequence[Scaling]) -> None:
        for step in steps:
            before, target = replicas_of(step.replica_set), step.replicas
            annotations = annotations_of(step.replica_set) | sizes(view.deployment)
            if before == target and annotations == annotations_of(step.replica_set):
                continue
            patch = {"spec": {"replicas": target}}
            written = await self._patch(step.replica_set, patch, annotations)
            if step.replica_set is view.new:
                view.new = written
            else:
                view.old = [written if one is step.replica_set else one for one in view.old]
            if before != target:
                self._tell(view.deployment, name_of(written), before, target)

    async def _patch(self, replica_set: Object, patch: Object, annotations: Object) -> Object:
        metadata = {
            "uid": uid_of(replica_set),
            "resourceVersion": resource_version_of(replica_set),
            "annotations": annotations,
        }
        return await self._client.patch(
            REPLICA_SETS,
            namespace_of(replica_set),
            name_of(replica_set),
            patch | {"metadata": metadata},
        )

    def _tell(self, deployment: Object, name: str, before: int, after: int) -> None:
        direction = "up" if after > before else "down"
        text = f"Scaled {direction} replica set {name} from {before} to {after}"
        self._recorder.record(deployment, "Normal", "ScalingReplicaSet", text)

    async def _drop_history(self, view: _View) -> None:
        for one in history_to_drop(view.deployment, view.old):
            try:
                await self._client.delete(
                    REPLICA_SETS, namespace_of(one), name_of(one), uid=uid_of(one)
                )
            except StatusError as error:
                if not (is_not_found(error) or is_conflict(error)):
                    raise

    async def _report(self, view: _View, *, follow: bool) -> RetryAfter | None:
        """Write the status; `follow` judges how the rollout gets on, too."""
        now = self._clock.now()
        deployment = view.deployment
        status = progress.counted(deployment, view.new, view.old, view.conditions, now=now)
        if follow:
            status = progress.with_progress(deployment, status, view.new, view.old, now=now)
        await write_status(self._client, DEPLOYMENTS, deployment, status)
        if not follow:
            return None
        seconds = progress.seconds_to_deadline(deployment, status, now=now)
        return None if seconds is None else RetryAfter(seconds)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        """Go on with a deployment that waits for its old pods to end."""
        if old is None or (new is not None and not is_finished(new)):
            return
        reference = controller_of(old)
        if reference is None or reference.get("kind") != REPLICA_SETS.kind:
            return
        namespace = namespace_of(old)
        replica_set = self._informers[REPLICA_SETS].get(namespace, reference.get("name", ""))
        owner = controller_of(replica_set) if replica_set is not None else None
        if owner is None or owner.get("kind") != DEPLOYMENTS.kind:
            return
        deployment = self._informers[DEPLOYMENTS].get(namespace, owner.get("name", ""))
        if deployment is not None and not is_rolling(deployment):
            self._controller.enqueue(object_key(deployment))
