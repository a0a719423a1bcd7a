"""The kubelet processes of a home: started in sessions of their own, found again by pid file.

A pid alone does not name a process, since numbers are used again: the file also holds the start
time that the kernel keeps.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from podpass.base.files import write_file
from podpass.bootstrap.cluster import SERVICE_IP, SERVICE_PORT, SHARED_IP, Cluster, ClusterNode
from podpass.bootstrap.home import Home

_START_TIME_FIELD = 19
"""Index of `starttime` in /proc/PID/stat behind the closing bracket (proc(5), field 22)."""

NODE_LABELS = (
    "node-role.kubernetes.io/control-plane=",
    "node-role.kubernetes.io/master=",
    "node-role.kubernetes.io/worker=",
)


def _start_time(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, *_ = fields = stat.rpartition(")")[2].split()
    return None if state == "Z" else fields[_START_TIME_FIELD]


def running_kubelet(home: Home, node_name: str) -> int | None:
    """Return the pid of the node's kubelet, or None if it does not run."""
    try:
        pid_text, start_time = home.kubelet_pid_file(node_name).read_text().split()
    except (OSError, ValueError):
        return None
    pid = int(pid_text)
    return pid if _start_time(pid) == start_time else None


def start_kubelet(home: Home, cluster: Cluster, node: ClusterNode) -> int:
    """Start the node's kubelet and note its pid.

    Raises:
        OSError: The program or its log cannot be opened.
    """
    pki = home.pki
    return launch_kubelet(
        home,
        node,
        (
            f"--kubeconfig={home.kubeconfigs}/kubelet-{node.name}.kubeconfig",
            f"--client-ca-file={pki}/ca.crt",
            f"--tls-cert-file={pki}/kubelet-server-{node.name}.crt",
            f"--tls-private-key-file={pki}/kubelet-server-{node.name}.key",
            *(f"--api-endpoint={home.api_socket(one.name)}" for one in _own_first(cluster, node)),
            f"--cluster-service-address={SERVICE_IP}:{SERVICE_PORT}",
            f"--service-host-for-host-network={SHARED_IP}",
            f"--service-port={cluster.port}",
            *(f"--node-labels={label}" for label in NODE_LABELS),
        ),
    )


def launch_kubelet(home: Home, node: ClusterNode, options: Sequence[str]) -> int:
    """Start a kubelet with the directories of its node and these options, and note its pid.

    Raises:
        OSError: The program or its log cannot be opened.
    """
    paths = home.node(node.name)
    command = [
        sys.executable, "-m", "podpass", "kubelet",
        f"--node-name={node.name}",
        f"--node-ip={node.ip}",
        f"--root-dir={paths.kubelet}",
        f"--manifest-dir={paths.manifests}",
        f"--runtime-dir={paths.runtime}",
        f"--pod-logs-dir={paths.logs}",
        f"--images-dir={home.images}",
        f"--pod-cidr={node.pod_cidr}",
        *options,
    ]  # fmt: skip
    with paths.kubelet_log.open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=os.environ | {"MALLOC_ARENA_MAX": "1"},
        )
    start_time = _start_time(process.pid) or "0"
    write_file(home.kubelet_pid_file(node.name), f"{process.pid} {start_time}\n".encode())
    return process.pid


def _own_first(cluster: Cluster, node: ClusterNode) -> list[ClusterNode]:
    return [node, *(one for one in cluster.nodes if one != node)]


def signal_kubelet(home: Home, node_name: str, number: signal.Signals) -> None:
    """Send a signal to the node's kubelet; not running is fine."""
    pid = running_kubelet(home, node_name)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
