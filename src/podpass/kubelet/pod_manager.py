"""All pods of this node: one runner each, started, changed and ended as their sources say.

1. Two pods of one name never run at once: the new one waits until the old one has ended.
2. What the runtime or the disk has of a pod that no source knows is removed, but only once every
   source has told of its pods: while the API is away, its pods go on.
3. A pod that the node cannot take is refused before anything of it begins (`node_admission`).
4. A shutdown ends the API's pods first, then the static ones, which the API itself may be one of.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Protocol

from podpass.api.meta import is_terminating, uid_of
from podpass.api.resources import Object
from podpass.kubelet.node_admission import Refusal, is_active, refusal
from podpass.kubelet.node_services import NodeServices
from podpass.kubelet.pod_runner import PodRunner
from podpass.kubelet.pod_spec import full_name, is_mirror, is_static
from podpass.kubelet.runtime.interface import RuntimeFailure
from podpass.kubelet.runtime.removal import remove_tree

_log = logging.getLogger("kubelet.pods")

_ORPHAN_GRACE = 5.0
"""Seconds that containers of a pod nobody knows any more get to end."""


class StatusSink(Protocol):
    """Takes what the runners have to tell the API."""

    def report(self, pod: Object, status: Object) -> None:
        """Take over a pod's latest status."""
        ...

    def end(self, pod: Object) -> None:
        """Take note that nothing of a pod is left."""
        ...


class PodManager:
    """Holds the runners of this node."""

    def __init__(self, services: NodeServices, sink: StatusSink) -> None:
        self._services = services
        self._sink = sink
        self._runners: dict[str, PodRunner] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._queued: dict[str, Object] = {}
        self._gone: set[str] = set()
        self._refused: set[str] = set()
        self._static: dict[str, Object] = {}
        self._closing = False
        self._static_known = False
        services.cache.on_change(self._wake)

    def runners(self) -> list[PodRunner]:
        """Return the runners of all pods."""
        return [*self._runners.values()]

    def find(self, namespace: str, name: str) -> PodRunner | None:
        """Return the runner of a pod by name."""
        wanted = f"{namespace}/{name}"
        return next((one for one in self._runners.values() if one.full_name == wanted), None)

    def set_static_pods(self, pods: Iterable[Object]) -> None:
        """Take over the static pods."""
        former, self._static = self._static, {uid_of(pod): pod for pod in pods}
        self._static_known = True
        for uid in former.keys() - self._static.keys():
            self._remove(uid)
        for pod in self._static.values():
            self._run(pod)

    def api_pod_changed(self, old: Object | None, new: Object | None) -> None:
        """Take over a change of one of the API's pods."""
        if old is not None and (new is None or uid_of(old) != uid_of(new)) and not is_mirror(old):
            runner = self._runners.get(uid_of(old))
            if runner is not None:
                runner.update(old)
            self._remove(uid_of(old))
            self._gone.discard(uid_of(old))
            self._refused.discard(uid_of(old))
        if new is not None and not is_mirror(new) and uid_of(new) not in self._gone:
            self._run(new)

    async def clean_up_orphans(self, api_pods: Iterable[Object] | None) -> None:
        """Remove what is left of pods that no source knows; rule 2.

        Args:
            api_pods: The API's pods of this node; None while they are not known.
        """
        if api_pods is None or not self._static_known or self._closing:
            return
        known = {uid_of(pod) for pod in api_pods} | self._static.keys() | self._runners.keys()
        for uid in self._services.cache.uids() - known:
            await self._remove_orphan(uid)
        pods = self._services.settings.root_dir / "pods"
        if pods.is_dir():
            for directory in pods.iterdir():
                if directory.name not in known | self._services.cache.uids():
                    _log.info("removing what is left of pod %s", directory.name)
                    remove_tree(directory)

    async def shut_down(self, grace: float) -> None:
        """End all pods; returns when nothing runs any more; rule 4."""
        self._closing = True
        self._queued.clear()
        for static in (False, True):
            runners = [one for one in self._runners.values() if is_static(one.pod) is static]
            tasks = [self._tasks[one.uid] for one in runners]
            for runner in runners:
                runner.shut_down(grace)
            if tasks:
                await asyncio.wait(tasks)

    async def close(self) -> None:
        """Let go of the pods; they run on."""
        self._closing = True
        tasks = [*self._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _run(self, pod: Object) -> None:
        runner = self._runners.get(uid_of(pod))
        if runner is not None:
            runner.update(pod)
        elif not self._closing:
            name = full_name(pod)
            if any(one.full_name == name for one in self._runners.values()):
                self._queued[name] = pod  # rule 1
            else:
                self._start(pod)

    def _start(self, pod: Object) -> None:
        uid = uid_of(pod)
        if uid in self._refused and is_active(pod) and not is_terminating(pod):
            return  # the API has not heard of it yet
        if uid not in self._services.cache.uids():
            others = [one.pod | {"status": one.status} for one in self._runners.values()]
            refused = refusal(pod, others, self._services.settings.max_pods)
            if refused is not None:
                self._refuse(pod, refused)
                return
        runner = self._runners[uid] = PodRunner(pod, self._services, self._sink.report)
        task = self._tasks[uid] = asyncio.create_task(runner.run())
        task.add_done_callback(lambda done: self._ended(runner, done))

    def _refuse(self, pod: Object, refused: Refusal) -> None:
        _log.warning("pod %s is refused: %s", full_name(pod), refused.message)
        self._refused.add(uid_of(pod))
        self._services.recorder.record(pod, "Warning", refused.reason, refused.message)
        self._sink.report(pod, refused.status(pod))

    def _remove(self, uid: str) -> None:
        for name in [name for name, pod in self._queued.items() if uid_of(pod) == uid]:
            del self._queued[name]
        runner = self._runners.get(uid)
        if runner is not None:
            runner.remove()

    def _ended(self, runner: PodRunner, task: asyncio.Task[None]) -> None:
        del self._runners[runner.uid], self._tasks[runner.uid]
        if task.cancelled() or self._closing:
            return
        if task.exception() is not None:
            _log.error("pod %s: its runner ended", runner.full_name, exc_info=task.exception())
        if not is_static(runner.pod) and not runner.removed:
            self._gone.add(runner.uid)  # until the API has seen it go
        self._sink.end(runner.pod)
        waiting = self._queued.pop(runner.full_name, None)
        if waiting is not None:
            self._start(waiting)

    def _wake(self, uid: str) -> None:
        runner = self._runners.get(uid)
        if runner is not None:
            runner.wake()

    async def _remove_orphan(self, uid: str) -> None:
        found = self._services.cache.pod(uid)
        runtime = self._services.runtime
        _log.info("ending pod %s, which nobody knows any more", uid)
        try:
            await asyncio.gather(
                *(runtime.stop_container(one.id, _ORPHAN_GRACE) for one in found.running())
            )
            for sandbox in found.sandboxes:
                await runtime.stop_pod_sandbox(sandbox.id)
                await runtime.remove_pod_sandbox(sandbox.id)
                if sandbox.config.pod_ip is not None:
                    self._services.addresses.release(sandbox.config.pod_ip)
            await self._services.cache.refresh()
        except RuntimeFailure as error:
            _log.warning("pod %s cannot be ended: %s", uid, error)
