"""A real cluster as a user has it: own home, own port, the bundled kubectl as `oc`."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

REPOSITORY = Path(__file__).parents[2]
T = TypeVar("T")


def eventually(probe: Callable[[], T | None], *, within: float = 60.0, what: str = "") -> T:
    """Return the first true value of `probe`, which is asked again and again for `within` s."""
    deadline = time.monotonic() + within
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {what or probe}")
        time.sleep(0.05)  # noqa: TID251 - real processes


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def claims_of(token: str) -> dict[str, Any]:
    """Decode a token's claims, trusting nothing."""
    payload = token.split(".")[1]
    decoded: dict[str, Any] = json.loads(
        base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    )
    return decoded


@dataclass
class Result:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


@dataclass
class ClusterUnderTest:
    """A home, and the commands that a user would type."""

    home: Path
    port: int
    nodes: int = 3
    options: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)

    def podpass(self, *arguments: str, timeout: float = 180) -> Result:
        return run([sys.executable, "-m", "podpass", *arguments], timeout=timeout)

    def up(self, *more: str) -> Result:
        return self.podpass(
            "up", "--home", str(self.home), "--port", str(self.port), "--nodes", str(self.nodes),
            "--detach", *self.options, *more,
        )  # fmt: skip

    def down(self) -> Result:
        return self.podpass("down", "--home", str(self.home))

    def oc(self, *arguments: str, stdin: str | None = None, timeout: float = 60) -> Result:
        return run(
            [str(self.home / "bin" / "oc"), *arguments],
            stdin=stdin,
            timeout=timeout,
            env={"KUBECONFIG": str(self.home / "kubeconfigs" / "admin.kubeconfig")},
        )

    def ok(self, *arguments: str, stdin: str | None = None, timeout: float = 60) -> str:
        """Run `oc`, which must succeed, and return what it printed."""
        result = self.oc(*arguments, stdin=stdin, timeout=timeout)
        assert result.code == 0, f"oc {' '.join(arguments)}: {result.err}{result.out}"
        return result.out

    def get(self, *arguments: str) -> Any:
        return json.loads(self.ok("get", *arguments, "-o", "json"))

    def create(self, obj: dict[str, Any], *arguments: str) -> str:
        return self.ok("create", "-f", "-", *arguments, stdin=json.dumps(obj))

    def wait_ready(self, pod: str, namespace: str = "default") -> None:
        self.ok("wait", "-n", namespace, "--for=condition=Ready", f"pod/{pod}", "--timeout=60s")

    def kubelet_pid(self, node: str) -> int:
        return int((self.home / "run" / f"kubelet-{node}.pid").read_text().split()[0])

    def payloads(self, node: str, command: str) -> list[int]:
        """Pids of the podpass processes of a node's pods that run `command`."""
        parents: dict[int, int] = {}
        arguments: dict[int, list[str]] = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                arguments[int(entry.name)] = (entry / "cmdline").read_text().split("\0")
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(stat[1])

        def of_node(pid: int) -> bool:
            while pid in parents:
                if any(f"{self.home}/nodes/{node}/" in one for one in arguments.get(pid, ())):
                    return True
                pid = parents[pid]
            return False

        found = [
            pid
            for pid, words in arguments.items()
            if "podpass" in words and command in words and of_node(pid)
        ]
        assert found, f"no {command} on {node}"
        return found

    def logs_tail(self) -> str:
        """The end of every kubelet's log, for a failing test."""
        return "\n".join(
            f"--- {path}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-40:])
            for path in self.home.glob("nodes/*/kubelet.log")
        )


def run(
    command: list[str],
    *,
    stdin: str | None = None,
    timeout: float = 60,
    env: dict[str, str] | None = None,
) -> Result:
    done = subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env=os.environ | (env or {}),
    )
    return Result(done.returncode, done.stdout, done.stderr)
