"""The status of one container: waiting, running or terminated, and how often it was restarted.

Source: Kubernetes v1.36, `pkg/kubelet/kubelet_pods.go`, `convertToAPIContainerStatuses`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from podpass.api.meta import format_time
from podpass.api.resources import Object
from podpass.kubelet.runtime.interface import ContainerID, ContainerState, ContainerStatus

UNKNOWN_EXIT_CODE = 137
"""What is shown for an exit code that was lost (the reference does the same)."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a container is not started.

    Attributes:
        reason: e.g. `ErrImagePull`.
        message: More about it, or empty.
    """

    reason: str
    message: str = ""

    def to_json(self) -> Object:
        """Return the wire form."""
        waiting = {"reason": self.reason}
        return {"waiting": waiting | {"message": self.message} if self.message else waiting}


def container_id(container: ContainerStatus) -> str:
    """Return the id as the API shows it."""
    return f"podpass://{container.id}"


def container_status(
    spec: Object,
    history: Sequence[ContainerStatus],
    *,
    former: Object | None,
    waiting: Waiting | None,
    default_waiting: str,
    ready: bool,
    started: bool,
    initializing: bool,
    messages: Mapping[ContainerID, str],
) -> Object:
    """Return the status of one container.

    Args:
        spec: The container as wanted.
        history: Its incarnations, newest first.
        former: The status shown last.
        waiting: Why it is not started, if something holds it back.
        default_waiting: The reason while nothing does.
        ready: Whether it runs and passes its readiness probe.
        started: Whether it runs and passed its startup probe.
        initializing: It is an init container that is ready once it ended with 0.
        messages: What is to be said about the ends of incarnations.
    """
    newest = history[0] if history else None
    former_count = int((former or {}).get("restartCount", 0))
    status: Object = {
        "name": spec["name"],
        "state": {},
        "lastState": {},
        "ready": False,
        "restartCount": newest.config.attempt if newest else former_count,
        "image": spec.get("image", ""),
        "imageID": newest.image_id if newest else "",
        "started": False,
    }
    if newest is None:
        status["state"] = (waiting or Waiting(default_waiting)).to_json()
        if former is not None and former.get("lastState"):
            status["lastState"] = former["lastState"]
        return status
    status["containerID"] = container_id(newest)
    if len(history) > 1:
        status["lastState"] = _terminated(history[1], messages)
    elif newest.config.attempt > 0 and former is not None and former.get("lastState"):
        status["lastState"] = former["lastState"]
    if newest.state is ContainerState.RUNNING:
        begin = newest.started_at or newest.created_at
        status["state"] = {"running": {"startedAt": format_time(begin)}}
        status["started"] = started
        status["ready"] = ready and started and not initializing
    elif newest.state is ContainerState.EXITED:
        if waiting is None:
            status["state"] = _terminated(newest, messages)
            status["ready"] = initializing and newest.exit_code == 0
        else:
            status["state"] = waiting.to_json()
            status["lastState"] = _terminated(newest, messages)
    else:
        status["state"] = (waiting or Waiting(default_waiting)).to_json()
    return status


def _terminated(container: ContainerStatus, messages: Mapping[ContainerID, str]) -> Object:
    code = UNKNOWN_EXIT_CODE if container.exit_code is None else container.exit_code
    ended: Object = {
        "exitCode": code,
        "reason": container.reason or ("Completed" if code == 0 else "Error"),
        "startedAt": format_time(container.started_at or container.created_at),
        "finishedAt": format_time(container.finished_at or container.created_at),
        "containerID": container_id(container),
    }
    if message := messages.get(container.id, container.message):
        ended["message"] = message
    return {"terminated": ended}
