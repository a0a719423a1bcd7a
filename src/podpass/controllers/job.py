"""Runs pods until a job is done.

`job_plan` decides. Pods of a job carry a finalizer until they are counted; those of a job that is
gone, or over, are freed of it.

Source: Kubernetes, `pkg/controller/job`, `pkg/controller/ttlafterfinished`.
"""

from __future__ import annotations

from functools import partial

from podpass.api.errors import StatusError
from podpass.api.meta import (
    is_terminating,
    name_of,
    namespace_of,
    resource_version_of,
    uid_of,
)
from podpass.api.resources import JOBS, PODS, Object, Resource
from podpass.base.tasks import random_suffix
from podpass.client.controller import RetryAfter, split_key
from podpass.controllers.claims import controller_of, controller_reference
from podpass.controllers.job_plan import (
    TRACKING_FINALIZER,
    Plan,
    is_over,
    is_tracked,
    plan_job,
    seconds_to_live,
)
from podpass.controllers.ownership import finalizers_of
from podpass.controllers.pod_control import BURST, all_at_once, slow_start
from podpass.controllers.pod_templates import pod_from_template
from podpass.controllers.refusals import is_conflict, is_not_found
from podpass.controllers.workload_controller import Listener, WorkloadController
from podpass.controllers.workload_status import write_status


class JobController(WorkloadController):
    """Creates, counts and deletes pods; keys are jobs, also those that only pods still name."""

    NAME = "job"
    RESOURCE = JOBS
    OWNED = PODS

    def _listeners(self) -> dict[Resource, Listener]:
        return {PODS: self._pod_changed}

    async def reconcile(self, key: str) -> RetryAfter | None:
        """Make the next step of one job.

        Raises:
            StatusError: The API server refused.
            ConnectionFailed: The API server was not reached.
        """
        namespace, name = split_key(key)
        job = self._informers[JOBS].get(namespace, name)
        if job is None:
            self._expectations.forget(key)
        await self._release_orphans(namespace, name, job)
        if job is None or is_terminating(job):
            return None
        if is_over(job):
            return await self._outlive(job)
        waiting = self._expectations.remaining_seconds(key)
        pods = await self._claims.claim(job, self._informers[PODS].list(namespace))
        plan = plan_job(job, pods, now=self._clock.now(), may_act=not waiting)
        job = await write_status(self._client, JOBS, job, plan.status)
        for pod in plan.release:
            await self._release(pod)
        self._tell(job, plan)
        deletions = [partial(self._pods.delete, job, pod) for pod in plan.delete[:BURST]]
        failure = await all_at_once(deletions)
        creations = [partial(self._create, job)] * min(plan.create, BURST)
        failure = await slow_start(creations) or failure
        if failure is not None:
            raise failure
        if plan.retry:
            return RetryAfter(plan.retry)
        return RetryAfter(waiting) if waiting else None

    async def _create(self, job: Object) -> None:
        pod = pod_from_template(
            job["spec"]["template"],
            namespace=namespace_of(job),
            base=f"{name_of(job)}-",
            suffix=random_suffix(),
            owner=controller_reference(JOBS, job),
        )
        pod["metadata"]["finalizers"] = [*finalizers_of(pod), TRACKING_FINALIZER]
        await self._pods.create(job, pod)

    def _tell(self, job: Object, plan: Plan) -> None:
        if plan.suspended is not None:
            word = "Suspended" if plan.suspended else "Resumed"
            self._recorder.record(job, "Normal", word, f"Job {word.lower()}")
        if plan.finished is None:
            return
        if plan.finished.succeeded:
            self._recorder.record(job, "Normal", "Completed", "Job completed")
        else:
            reason, message = plan.finished.reason, plan.finished.message
            self._recorder.record(job, "Warning", reason, message)

    async def _outlive(self, job: Object) -> RetryAfter | None:
        """Delete a job whose time after its end is up."""
        left = seconds_to_live(job, self._clock.now())
        if left is None:
            return None
        if left > 0:
            return RetryAfter(left)
        try:
            await self._client.delete(
                JOBS, namespace_of(job), name_of(job), uid=uid_of(job),
                propagation_policy="Foreground",
            )  # fmt: skip
        except StatusError as error:
            if not (is_not_found(error) or is_conflict(error)):
                raise
        return None

    async def _release_orphans(self, namespace: str, name: str, job: Object | None) -> None:
        """Free the pods that name this job, and that nobody will count."""
        counted = job is not None and not is_over(job) and not is_terminating(job)
        for pod in self._informers[PODS].list(namespace):
            reference = controller_of(pod) or {}
            if (reference.get("kind"), reference.get("name")) != (JOBS.kind, name):
                continue
            ours = job is not None and reference.get("uid") == uid_of(job)
            if is_tracked(pod) and not (ours and counted):
                await self._release(pod)

    async def _release(self, pod: Object) -> None:
        metadata = {
            "uid": uid_of(pod),
            "resourceVersion": resource_version_of(pod),
            "finalizers": [one for one in finalizers_of(pod) if one != TRACKING_FINALIZER],
        }
        try:
            await self._client.patch(PODS, namespace_of(pod), name_of(pod), {"metadata": metadata})
        except StatusError as error:
            # A conflict means that it changed: the informer brings it back here.
            if not (is_not_found(error) or is_conflict(error)):
                raise

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:  # noqa: ARG002
        """Look at pods whose job is not there any more."""
        if new is None or not is_tracked(new):
            return
        reference = controller_of(new)
        if reference is not None and reference.get("kind") == JOBS.kind:
            self._controller.enqueue(f"{namespace_of(new)}/{reference.get('name', '')}")
