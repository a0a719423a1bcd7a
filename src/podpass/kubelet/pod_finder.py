"""Finds the containers that requests to the kubelet's server name."""

from __future__ import annotations

from podpass.api.errors import bad_request, not_found
from podpass.api.resources import Object
from podpass.kubelet.pod_manager import PodManager
from podpass.kubelet.pod_runner import PodRunner
from podpass.kubelet.pod_spec import all_containers
from podpass.kubelet.runtime.interface import ContainerState, ContainerStatus
from podpass.kubelet.runtime_cache import RuntimeCache
from podpass.kubelet.server import FoundContainer, FoundSandbox


class PodFinder:
    """Looks into the pods of this node; the server's ContainerDirectory."""

    def __init__(self, pods: PodManager, cache: RuntimeCache) -> None:
        self._pods = pods
        self._cache = cache

    def find_container(
        self, namespace: str, pod: str, container: str, *, previous: bool = False
    ) -> FoundContainer:
        runner = self._pods.find(namespace, pod)
        if runner is None:
            raise not_found("pods", pod)
        if not any(one["name"] == container for one in all_containers(runner.pod)):
            raise bad_request(f"container {container} is not valid for pod {pod}")
        history = self._cache.pod(runner.uid).containers.get(container, ())
        if previous:
            ended = bool(history) and history[0].state is ContainerState.EXITED
            if not (ended and _reason(runner, container)):
                history = history[1:]  # else the last run has ended, and the next one is waited for
            if not history:
                raise bad_request(
                    f'previous terminated container "{container}" in pod "{pod}" not found'
                )
        if not history or history[0].state is ContainerState.CREATED:
            raise bad_request(
                f'container "{container}" in pod "{pod}" is waiting to start: '
                f"{_reason(runner, container) or 'ContainerCreating'}"
            )
        return self._found(runner.uid, history[0])

    def find_sandbox(self, namespace: str, pod: str) -> FoundSandbox:
        runner = self._pods.find(namespace, pod)
        if runner is None:
            raise not_found("pods", pod)
        sandbox = self._cache.pod(runner.uid).ready_sandbox
        if sandbox is None:
            raise bad_request(f"pod {pod} is not running")
        return FoundSandbox(sandbox.id, runner.uid)

    def pods(self) -> list[Object]:
        return [one.pod | {"status": one.status} for one in self._pods.runners()]

    def _found(self, uid: str, status: ContainerStatus) -> FoundContainer:
        def is_running() -> bool:
            return any(one.id == status.id for one in self._cache.pod(uid).running())

        return FoundContainer(status.id, status.config.log_path, is_running)


def _reason(runner: PodRunner, container: str) -> str:
    """Return why a container waits; empty if it does not."""
    for kind in ("containerStatuses", "initContainerStatuses"):
        for one in runner.status.get(kind) or []:
            if one["name"] == container and "waiting" in one["state"]:
                return str(one["state"]["waiting"]["reason"])
    return ""
