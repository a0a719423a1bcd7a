"""What the runtime keeps on disk, so that the next kubelet finds everything again.

    sandboxes/<id>/config.json     written by the kubelet, whole or not at all
                   state.json      written by the sandbox process
                   control.sock
    containers/<id>/config.json    written by the kubelet
                    state.json     written by the shim
                    root, layers   files of the container
    boot                           the machine's boot; after another one nothing can run

Files of a damaged or half-made sandbox or container are removed when they are met.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from podpass.base.files import write_file
from podpass.kubelet.runtime.credentials import ROOT_CAPABILITIES
from podpass.kubelet.runtime.interface import (
    ContainerConfig,
    ContainerID,
    ContainerState,
    ContainerStatus,
    Mount,
    SandboxConfig,
    SandboxID,
    SandboxState,
    SandboxStatus,
)
from podpass.kubelet.runtime.removal import remove_tree

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Process:
    """A process that cannot be mistaken for another one.

    Attributes:
        pid: Process id.
        ticks: Its start, see `record.start_ticks`.
    """

    pid: int
    ticks: int


@dataclass(frozen=True, slots=True)
class SandboxRecord:
    """A sandbox on disk.

    Attributes:
        status: What the kubelet is told.
        process: Who holds its namespaces; None with the node's network, or when it has ended.
    """

    status: SandboxStatus
    process: Process | None


@dataclass(frozen=True, slots=True)
class Launch:
    """How the commands of a container run, decided when it was created.

    Attributes:
        arguments: Program and arguments.
        environment: The whole environment.
        working_directory: Absolute path inside.
        uid: User id.
        gid: Group id.
        groups: Supplementary groups.
        stop_signal: Signal number that asks it to end.
        root_arguments: bubblewrap's arguments that build its root.
        capabilities: Numbers of what root may do.
    """

    arguments: list[str]
    environment: dict[str, str]
    working_directory: str
    uid: int
    gid: int
    groups: list[int]
    stop_signal: int
    root_arguments: list[str]
    capabilities: list[int] = field(default_factory=lambda: sorted(ROOT_CAPABILITIES))


@dataclass(frozen=True, slots=True)
class ContainerRecord:
    """A container on disk.

    Attributes:
        status: What the kubelet is told.
        launch: How its commands run.
        shim: Who looks after it; None before its start.
        process: Its first process; None unless it runs.
    """

    status: ContainerStatus
    launch: Launch
    shim: Process | None = None
    process: Process | None = None


class StateDirectory:
    """Reads and writes the records.

    Args:
        path: The runtime's directory; made if it is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        for name in ("sandboxes", "containers"):
            (path / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        boot = _BOOT_ID.read_text()
        self._lost: set[str] = set()  # what was there before the machine was booted again
        if _read_text(path / "boot") != boot:
            self._lost = {entry.name for entry in path.glob("*/*")}
            write_file(path / "boot", boot.encode())

    def sandbox(self, sandbox_id: SandboxID) -> Path:
        """Return the directory of a sandbox."""
        return self.path / "sandboxes" / sandbox_id

    def container(self, container_id: ContainerID) -> Path:
        """Return the directory of a container."""
        return self.path / "containers" / container_id

    def save_sandbox(self, status: SandboxStatus) -> None:
        """Write a new sandbox's configuration.

        Raises:
            OSError: The disk refused.
        """
        record = {"created_at": status.created_at.isoformat(), "config": asdict(status.config)}
        _save(self.sandbox(status.id) / "config.json", record)

    def save_container(self, status: ContainerStatus, launch: Launch) -> None:
        """Write a new container's configuration.

        Raises:
            OSError: The disk refused.
        """
        record = {
            "created_at": status.created_at.isoformat(),
            "sandbox_id": status.sandbox_id,
            "image_id": status.image_id,
            "config": asdict(status.config),
            "launch": asdict(launch),
        }
        _save(self.container(status.id) / "config.json", record)

    def sandboxes(self) -> Iterator[SandboxRecord]:
        """Yield all sandboxes; whether their processes still live is the caller's to find out."""
        for directory in sorted((self.path / "sandboxes").iterdir()):
            record = _load(directory / "config.json")
            if record is None:
                remove_tree(directory)
                continue
            config = _sandbox_config(record["config"])
            status = SandboxStatus(
                id=SandboxID(directory.name),
                config=config,
                state=SandboxState.READY,
                created_at=datetime.fromisoformat(record["created_at"]),
            )
            process = self.sandbox_process(status.id)
            gone = process is None and not config.host_network
            if gone or directory.name in self._lost or (directory / "stopped").exists():
                status = replace(status, state=SandboxState.NOT_READY)
            yield SandboxRecord(status, process)

    def sandbox_process(self, sandbox_id: SandboxID) -> Process | None:
        """Return who holds the namespaces of a sandbox, by its own word."""
        state = _load(self.sandbox(sandbox_id) / "state.json")
        if state is None or sandbox_id in self._lost:
            return None
        return Process(state["pid"], state["pid_ticks"])

    def mark_stopped(self, sandbox_id: SandboxID) -> None:
        """Remember that a sandbox was stopped."""
        (self.sandbox(sandbox_id) / "stopped").touch()

    def containers(self) -> Iterator[ContainerRecord]:
        """Yield all containers as they were last heard of."""
        for directory in sorted((self.path / "containers").iterdir()):
            record = _load(directory / "config.json")
            if record is None:
                remove_tree(directory)
                continue
            status = ContainerStatus(
                id=ContainerID(directory.name),
                sandbox_id=SandboxID(record["sandbox_id"]),
                config=_container_config(record["config"]),
                state=ContainerState.CREATED,
                image_id=record["image_id"],
                created_at=datetime.fromisoformat(record["created_at"]),
            )
            yield self.refresh(ContainerRecord(status, Launch(**record["launch"])))

    def refresh(self, record: ContainerRecord) -> ContainerRecord:
        """Return the record with what its shim has written since."""
        state = _load(self.container(record.status.id) / "state.json")
        if state is None:
            return record
        shim = None
        if record.status.id not in self._lost:
            shim = Process(state["shim_pid"], state["shim_ticks"])
        if "exit_code" in state:
            status = replace(
                record.status,
                state=ContainerState.EXITED,
                started_at=_moment(state["started_at"]),
                finished_at=_moment(state["finished_at"]),
                exit_code=state["exit_code"],
                reason=state["reason"],
                message=state["message"],
                pid=None,
            )
            return replace(record, status=status, shim=shim, process=None)
        if "pid" not in state:
            status = replace(record.status, state=ContainerState.RUNNING)
            return replace(record, status=status, shim=shim)
        status = replace(
            record.status,
            state=ContainerState.RUNNING,
            started_at=_moment(state["started_at"]),
            pid=state["pid"],
        )
        return replace(
            record,
            status=status,
            shim=shim,
            process=Process(state["pid"], state["pid_ticks"]) if shim else None,
        )


def _moment(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC)


def _read_text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _save(path: Path, record: Mapping[str, Any]) -> None:
    write_file(path, json.dumps(record, default=str).encode())


def _load(path: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def _sandbox_config(record: Mapping[str, Any]) -> SandboxConfig:
    known = _known(SandboxConfig, record)
    address = known.pop("service_address", None)
    known["hosts"] = {ip: tuple(names) for ip, names in known.get("hosts", {}).items()}
    known["api_endpoints"] = tuple(Path(path) for path in known.get("api_endpoints", ()))
    known["log_directory"] = Path(known["log_directory"])
    return SandboxConfig(**known, service_address=(address[0], address[1]) if address else None)


def _container_config(record: Mapping[str, Any]) -> ContainerConfig:
    known = _known(ContainerConfig, record)
    for name in ("command", "args", "supplemental_groups", "add_capabilities", "drop_capabilities"):
        known[name] = tuple(known.get(name, ()))
    known["mounts"] = tuple(
        Mount(Path(mount["host_path"]), mount["container_path"], mount["read_only"])
        for mount in known.get("mounts", ())
    )
    known["log_path"] = Path(known["log_path"])
    return ContainerConfig(**known)


def _known(kind: type, record: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what another version of podpass wrote."""
    return {f.name: record[f.name] for f in fields(kind) if f.name in record}
