"""What a container left to be said about its end.

1. A file of the node is mounted at `terminationMessagePath`; the container may write there.
2. Policy `File` shows up to 4096 bytes from the end of it. `FallbackToLogsOnError` shows the last
   lines of the log instead, if the file is empty and the container ended with an error.
3. All containers of a pod together show up to 12 KiB.

Source: Kubernetes v1.36, `pkg/kubelet/kuberuntime/kuberuntime_container.go`
(`getTerminationMessage`) and `pkg/kubelet/status/status_manager.go` (`normalizeStatus`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from podpass.api.resources import Object
from podpass.base.tasks import random_suffix
from podpass.kubelet.container_logs import last_lines
from podpass.kubelet.runtime.interface import (
    ContainerConfig,
    ContainerID,
    ContainerState,
    ContainerStatus,
    Mount,
)

PATH = "io.kubernetes.container.terminationMessagePath"
"""Annotation of a container: the path inside."""
POLICY = "io.kubernetes.container.terminationMessagePolicy"
"""Annotation of a container: `File` or `FallbackToLogsOnError`."""

MAX_FILE_BYTES = 4096
MAX_LOG_LINES = 80
MAX_LOG_BYTES = 2048
MAX_POD_BYTES = 12 * 1024
_FALLBACK = "FallbackToLogsOnError"


def with_message_file(
    config: ContainerConfig, container: Object, directory: Path
) -> ContainerConfig:
    """Make the file of a new container and return the container with the file mounted.

    Args:
        config: The container to create.
        container: Its spec, which says where.
        directory: Of the pod's containers; made if it is missing.

    Raises:
        OSError: The disk refused.
    """
    inside = container.get("terminationMessagePath")
    if not inside:
        return config
    path = directory / config.name / f"{config.attempt}-{random_suffix(8)}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    path.chmod(0o666)  # whatever user the container runs as
    policy = str(container.get("terminationMessagePolicy") or "File")
    return replace(
        config,
        mounts=(*config.mounts, Mount(path, str(inside))),
        annotations={**config.annotations, PATH: str(inside), POLICY: policy},
    )


def termination_message(container: ContainerStatus) -> str:
    """Return the runtime's own message about an ended container, and what the container left."""
    left = _left_behind(container)
    return ": ".join(text for text in (container.message, left) if text)


def remove_message_file(config: ContainerConfig) -> None:
    """Remove the file of a container that nobody will ask for any more."""
    file = _file_of(config)
    if file is not None:
        file.unlink(missing_ok=True)


def _file_of(config: ContainerConfig) -> Path | None:
    path = config.annotations.get(PATH)
    mounts = (one for one in reversed(config.mounts) if one.container_path == path)
    return next((one.host_path for one in mounts), None)


def _left_behind(container: ContainerStatus) -> str:
    path = container.config.annotations.get(PATH)
    file = _file_of(container.config)
    if file is None:
        return ""
    try:
        text = _end_of(file)
    except OSError as error:
        text = f"Error on reading termination log {path}: {error.strerror}".encode()
    fallback = container.config.annotations.get(POLICY) == _FALLBACK
    if not text and fallback and container.exit_code != 0:
        text = last_lines(container.config.log_path, MAX_LOG_LINES, MAX_LOG_BYTES)
    return text.decode(errors="replace")


def _end_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - MAX_FILE_BYTES))
            return file.read(MAX_FILE_BYTES)
    except FileNotFoundError:
        return b""


class TerminationMessages:
    """The messages of a pod's ended containers, each read once."""

    def __init__(self) -> None:
        self._known: dict[ContainerID, str] = {}

    def of(self, containers: Iterable[ContainerStatus]) -> dict[ContainerID, str]:
        """Return the messages of those that have ended; others are forgotten."""
        self._known = {
            one.id: self._known[one.id] if one.id in self._known else termination_message(one)
            for one in containers
            if one.state is ContainerState.EXITED
        }
        return self._known


def limit_messages(statuses: list[Object]) -> None:
    """Shorten the messages in the container statuses of a pod; rule 3."""
    limit = MAX_POD_BYTES // max(1, len(statuses))
    for status in statuses:
        for state in (status.get("state"), status.get("lastState")):
            ended = (state or {}).get("terminated") or {}
            if len(text := ended.get("message", "").encode()) > limit:
                ended["message"] = text[:limit].decode(errors="ignore")
