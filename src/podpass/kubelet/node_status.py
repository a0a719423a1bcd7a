"""The Node object of this machine: what it is, what it has, how it is.

Source: Kubernetes v1.36, `pkg/kubelet/nodestatus/setters.go`.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from podpass import KUBERNETES_RELEASE
from podpass.api.meta import find_condition, format_time
from podpass.api.resources import Object

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_PRESSURES = {
    "MemoryPressure": ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    "DiskPressure": ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    "PIDPressure": ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
}


@dataclass(frozen=True, slots=True)
class Machine:
    """What does not change while the kubelet runs.

    Attributes:
        architecture: As Go names it, e.g. `amd64`.
        kernel: Release of the kernel.
        os_image: Name of the distribution.
        machine_id: Of the installation, or empty.
        boot_id: Of this boot, or empty.
        capacity: Resource to amount.
    """

    architecture: str
    kernel: str
    os_image: str
    machine_id: str
    boot_id: str
    capacity: Mapping[str, str]


def read_machine(max_pods: int) -> Machine:
    """Look at the machine that we run on."""
    system = os.uname()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024
    return Machine(
        architecture=_ARCHITECTURES.get(system.machine, system.machine),
        kernel=system.release,
        os_image=_os_image(),
        machine_id=_first_line("/etc/machine-id"),
        boot_id=_first_line("/proc/sys/kernel/random/boot_id"),
        capacity={
            "cpu": str(os.cpu_count() or 1),
            "memory": f"{memory}Ki",
            "pods": str(max_pods),
        },
    )


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _os_image() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"


def node_labels(name: str, machine: Machine, more: Mapping[str, str]) -> dict[str, str]:
    """Return the labels that the kubelet keeps on its Node object."""
    return {
        "beta.kubernetes.io/arch": machine.architecture,
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": machine.architecture,
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        **more,
    }


def node_conditions(former: list[Object], now: datetime, not_ready: str) -> list[Object]:
    """Return the node's conditions.

    Args:
        former: Those of the Node object, for their times of transition.
        now: Time of the heartbeat.
        not_ready: Why the node is not ready; empty if it is.
    """
    wanted = [(type_, "False", *texts) for type_, texts in _PRESSURES.items()]
    if not_ready:
        wanted.append(("Ready", "False", "KubeletNotReady", not_ready))
    else:
        wanted.append(("Ready", "True", "KubeletReady", "kubelet is posting ready status"))
    conditions = []
    for type_, status, reason, message in wanted:
        old = find_condition(former, type_)
        same = old is not None and old.get("status") == status
        since = old.get("lastTransitionTime") if old is not None and same else None
        conditions.append(
            {
                "type": type_,
                "status": status,
                "lastHeartbeatTime": format_time(now),
                "lastTransitionTime": since or format_time(now),
                "reason": reason,
                "message": message,
            }
        )
    return conditions


def node_status(
    machine: Machine,
    *,
    name: str,
    ip: str,
    port: int,
    runtime_version: str,
    conditions: list[Object],
) -> Object:
    """Return the status of the Node object."""
    return {
        "addresses": [
            {"type": "InternalIP", "address": ip},
            {"type": "Hostname", "address": name},
        ],
        "allocatable": dict(machine.capacity),
        "capacity": dict(machine.capacity),
        "conditions": conditions,
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        "nodeInfo": {
            "architecture": machine.architecture,
            "bootID": machine.boot_id,
            "containerRuntimeVersion": runtime_version,
            "kernelVersion": machine.kernel,
            "kubeProxyVersion": "",
            "kubeletVersion": KUBERNETES_RELEASE,
            "machineID": machine.machine_id,
            "operatingSystem": "linux",
            "osImage": machine.os_image,
            "systemUUID": machine.machine_id,
        },
    }
