"""Pod sandboxes: those that run, and those that are yet to be removed."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from podpass.base.clock import Clock
from podpass.kubelet.runtime import pod_sandbox
from podpass.kubelet.runtime.bubblewrap import is_rootful
from podpass.kubelet.runtime.interface import (
    ContainerGone,
    RuntimeFailure,
    SandboxConfig,
    SandboxID,
    SandboxState,
    SandboxStatus,
)
from podpass.kubelet.runtime.own_process import last_words, new_id, start_and_hear
from podpass.kubelet.runtime.process_watch import ProcessWatch, send_signal
from podpass.kubelet.runtime.removal import remove_tree
from podpass.kubelet.runtime.socket_path import short_address
from podpass.kubelet.runtime.specs import SandboxSpec
from podpass.kubelet.runtime.state import Process, SandboxRecord, StateDirectory

_CONNECT_TIMEOUT = 5.0
"""Seconds until a port of a pod has answered."""


class Sandboxes:
    """The sandboxes of a state directory.

    Args:
        state: Where they are kept.
        watch: Tells when their processes end.
        clock: Source of creation times.
        changed: Called when a sandbox has changed its state.
    """

    def __init__(
        self,
        state: StateDirectory,
        watch: ProcessWatch,
        clock: Clock,
        changed: Callable[[], None],
    ) -> None:
        self._state = state
        self._watch = watch
        self._clock = clock
        self._changed = changed
        self._rootful = is_rootful()
        self._records = {record.status.id: record for record in state.sandboxes()}

    def attach(self) -> None:
        """Watch what an earlier kubelet has left running; needs the event loop."""
        for record in list(self._records.values()):
            if record.process is not None:
                self._observe(record.status.id, record.process)

    def statuses(self) -> tuple[SandboxStatus, ...]:
        """Return all sandboxes, stopped ones too."""
        return tuple(record.status for record in self._records.values())

    async def run(self, config: SandboxConfig) -> SandboxID:
        """Make a sandbox.

        Raises:
            RuntimeFailure: The kernel or the disk refused.
        """
        sandbox_id = SandboxID(new_id())
        status = SandboxStatus(sandbox_id, config, SandboxState.READY, self._clock.now())
        directory = self._state.sandbox(sandbox_id)
        process = None
        try:
            directory.mkdir(mode=0o700)
            config.log_directory.mkdir(parents=True, exist_ok=True)
            await asyncio.to_thread(self._state.save_sandbox, status)
            if not config.host_network:
                process = await self._start(sandbox_id, config, directory)
        except OSError as error:
            remove_tree(directory)
            raise RuntimeFailure(f"cannot make the pod sandbox: {error}") from error
        except (RuntimeFailure, asyncio.CancelledError):
            remove_tree(directory)
            raise
        self._records[sandbox_id] = SandboxRecord(status, process)
        if process is not None:
            self._observe(sandbox_id, process)
        self._changed()
        return sandbox_id

    async def _start(
        self, sandbox_id: SandboxID, config: SandboxConfig, directory: Path
    ) -> Process:
        service = config.service_address
        addresses = [config.pod_ip] if config.pod_ip else []
        if service and service[0] not in ("127.0.0.1", config.pod_ip):
            addresses.append(service[0])
        spec = SandboxSpec(
            directory=str(directory),
            rootful=self._rootful,
            hostname=config.hostname,
            addresses=addresses,
            service_host=service[0] if service else "",
            service_port=service[1] if service else 0,
            endpoints=[str(path) for path in config.api_endpoints],
        )
        pid, reply = await start_and_hear("pod_sandbox", spec, directory, self._watch)
        process = self._state.sandbox_process(sandbox_id)
        if reply != pod_sandbox.READY or process is None:
            self._watch.reap(pid)
            text = reply.decode(errors="replace") or last_words(directory)
            raise RuntimeFailure(f"cannot make the pod sandbox: {text}")
        return process

    def _observe(self, sandbox_id: SandboxID, process: Process) -> None:
        if not self._watch.watch(process.pid, process.ticks, lambda: self._ended(sandbox_id)):
            self._ended(sandbox_id)

    def _ended(self, sandbox_id: SandboxID) -> None:
        record = self._records.get(sandbox_id)
        if record is not None:
            status = replace(record.status, state=SandboxState.NOT_READY)
            self._records[sandbox_id] = SandboxRecord(status, None)
            self._changed()

    def stop(self, sandbox_id: SandboxID) -> None:
        """Give up the namespaces; its containers are the caller's business."""
        record = self._records.get(sandbox_id)
        if record is None:
            return
        self._state.mark_stopped(sandbox_id)
        if record.process is not None:
            send_signal(record.process.pid, record.process.ticks, signal.SIGKILL)
        self._ended(sandbox_id)

    async def remove(self, sandbox_id: SandboxID) -> None:
        """Forget a stopped sandbox."""
        if self._records.pop(sandbox_id, None) is not None:
            await asyncio.to_thread(remove_tree, self._state.sandbox(sandbox_id))
            self._changed()

    def ready(self, sandbox_id: SandboxID) -> SandboxRecord:
        """Return a sandbox that containers can join.

        Raises:
            ContainerGone: It is not ready.
        """
        record = self._records.get(sandbox_id)
        if record is None or record.status.state is not SandboxState.READY:
            raise ContainerGone(f"sandbox {sandbox_id} is not ready")
        return record

    async def connect(self, sandbox_id: SandboxID, port: int) -> int:
        """Open a TCP connection to a port of the pod; return the descriptor.

        Raises:
            ConnectionError: Nobody listens there.
            ContainerGone: The sandbox is not ready.
        """
        sandbox = self.ready(sandbox_id)
        if sandbox.process is None:
            connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        else:
            control = self._state.sandbox(sandbox_id) / pod_sandbox.CONTROL_SOCKET
            connection = await asyncio.to_thread(_socket_inside, str(control))
        connection.setblocking(False)  # noqa: FBT003 - positional only
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT):
                await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
        except BaseException:
            connection.close()
            raise
        return connection.detach()


def _socket_inside(control: str) -> socket.socket:
    """Get an unconnected TCP socket of a pod's network from its sandbox.

    Raises:
        ContainerGone: The sandbox does not answer.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(_CONNECT_TIMEOUT)
        try:
            with short_address(control) as address:
                client.connect(address)
            _, descriptors, _, _ = socket.recv_fds(client, len(pod_sandbox.READY), 1)
        except OSError as error:
            raise ContainerGone("the pod sandbox does not answer") from error
    if not descriptors:
        raise ContainerGone("the pod sandbox does not answer")
    return socket.socket(fileno=descriptors[0])
