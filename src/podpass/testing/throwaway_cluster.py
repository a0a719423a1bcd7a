"""A cluster that lives as long as a block: `podpass up` at a free port, and `podpass down`."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from podpass.bootstrap.home import Home

_TRIES = 3
"""A port that was free may be taken by somebody else before the cluster has it."""
_UP_TIMEOUT = 300.0
"""Seconds, like the next."""
_DOWN_TIMEOUT = 120.0
_TAKEN = "cannot listen on"


class CommandFailed(Exception):
    """A command ended with another code than 0; the message is what it said."""


@dataclass(frozen=True)
class ThrowawayCluster:
    """A running cluster.

    Attributes:
        home: Its directory, gone at the end.
        server: URL of the API.
    """

    home: Path
    server: str

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return Home(self.home).admin_kubeconfig

    @property
    def ca_file(self) -> Path:
        """What signed the certificate of `server`, PEM."""
        return Home(self.home).pki / "ca.crt"

    @cached_property
    def issuer(self) -> str:
        """The `iss` of its tokens."""
        document = json.loads(self.kubectl("get", "--raw", "/.well-known/openid-configuration"))
        return str(document["issuer"])

    def kubectl(self, *arguments: str, stdin: str | None = None, timeout: float = 60) -> str:
        """Run the bundled kubectl as the administrator and return what it printed.

        Args:
            arguments: As on the command line.
            stdin: What it reads.
            timeout: Seconds.

        Raises:
            CommandFailed: It ended with another code than 0.
            subprocess.TimeoutExpired: It did not end in time.
        """
        return _run(
            [str(Home(self.home).bin / "kubectl"), *arguments],
            stdin=stdin,
            timeout=timeout,
            environment={"KUBECONFIG": str(self.kubeconfig)},
        )

    def create_token(self, service_account: str, *arguments: str, namespace: str = "") -> str:
        """Return a new token of a service account.

        Args:
            service_account: Its name.
            arguments: More of `kubectl create token`, such as `--audience=vault`.
            namespace: Of the account; empty for the one of the kubeconfig.

        Raises:
            CommandFailed: There is no such account, or the request is refused.
        """
        where = ("--namespace", namespace) if namespace else ()
        return self.kubectl("create", "token", service_account, *where, *arguments).strip()


@contextlib.contextmanager
def throwaway_cluster(
    *, nodes: int = 1, min_token_expiration: int = 600
) -> Iterator[ThrowawayCluster]:
    """Start a cluster in a temporary home; stop and remove it at the end of the block.

    Args:
        nodes: How many.
        min_token_expiration: Shortest life of a token that may be asked for, in seconds.

    Raises:
        CommandFailed: It does not start.
    """
    # Not pytest's own directory: its path may be too long for the unix sockets in a home.
    root = Path(tempfile.mkdtemp(prefix="podpass-"))
    home = root / "home"
    try:
        port = _up(home, nodes, min_token_expiration)
        yield ThrowawayCluster(home, f"https://127.0.0.1:{port}")
    finally:
        try:
            if (home / "cluster.json").exists():
                _podpass("down", "--home", str(home), timeout=_DOWN_TIMEOUT)
        finally:
            shutil.rmtree(root, ignore_errors=True)


def _up(home: Path, nodes: int, min_token_expiration: int) -> int:
    for left in reversed(range(_TRIES)):
        port = _free_port()
        try:
            _podpass(
                "up", "--detach", "--home", str(home), "--port", str(port),
                "--nodes", str(nodes), "--min-token-expiration", f"{min_token_expiration}s",
                timeout=_UP_TIMEOUT,
            )  # fmt: skip
        except CommandFailed as error:
            if not left or _TAKEN not in str(error):
                raise
            shutil.rmtree(home, ignore_errors=True)  # it keeps its port
        else:
            return port
    raise AssertionError("unreachable")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _podpass(*arguments: str, timeout: float) -> None:
    _run([sys.executable, "-m", "podpass", *arguments], timeout=timeout)


def _run(
    command: list[str],
    *,
    timeout: float,
    stdin: str | None = None,
    environment: dict[str, str] | None = None,
) -> str:
    done = subprocess.run(
        command,
        input=stdin if stdin is not None else "",
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env=os.environ | (environment or {}),
    )
    if done.returncode:
        shown = " ".join([Path(command[0]).name, *command[1:]])
        raise CommandFailed(f"{shown} ended with {done.returncode}: {done.stderr or done.stdout}")
    return done.stdout
