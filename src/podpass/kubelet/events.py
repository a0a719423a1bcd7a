"""What the kubelet says about pods and the node, for `describe`."""

from __future__ import annotations

from typing import Literal, Protocol

from podpass.api.resources import Object
from podpass.kubelet.pod_spec import field_path


class Recorder(Protocol):
    """Takes events; `client.events.EventRecorder` is one."""

    def record(
        self,
        obj: Object,
        type_: Literal["Normal", "Warning"],
        reason: str,
        message: str,
        *,
        field_path: str = "",
    ) -> None:
        """Say something about an object; never waits, never fails."""
        ...


class PodEvents:
    """The events of one pod and its containers."""

    def __init__(self, recorder: Recorder, pod: Object) -> None:
        self._recorder = recorder
        self._pod = pod

    def normal(self, reason: str, message: str, container: Object | None = None) -> None:
        """Say that something went as it should."""
        self._record("Normal", reason, message, container)

    def warning(self, reason: str, message: str, container: Object | None = None) -> None:
        """Say that something went wrong."""
        self._record("Warning", reason, message, container)

    def _record(
        self,
        type_: Literal["Normal", "Warning"],
        reason: str,
        message: str,
        container: Object | None,
    ) -> None:
        path = "" if container is None else field_path(self._pod, container)
        self._recorder.record(self._pod, type_, reason, message, field_path=path)
