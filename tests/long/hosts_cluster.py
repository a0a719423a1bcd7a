"""A cluster over hosts that are network namespaces."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography import x509
from harness import Result

from podpass.base.clock import SystemClock
from tests.long.network_hosts import NetworkHosts

PODPASS = (sys.executable, "-m", "podpass")


@contextmanager
def running_hosts(homes: Path, count: int) -> Iterator[NetworkHosts]:
    """Make hosts; stop what runs on them, and remove them, in the end."""
    made = NetworkHosts(homes, count)
    try:
        yield made
    finally:
        for number in range(count, 0, -1):
            made.on(number, *PODPASS, "down", "--home", str(made.home(number)))
        made.close()


class Cluster:
    """The cluster as its administrator sees it, on the first host."""

    def __init__(self, hosts: NetworkHosts) -> None:
        self.hosts = hosts

    def begin(self, *, signing: str = "1m") -> list[str]:
        """Start it; returns the words of the command that joins.

        Args:
            signing: How long the certificates of the hosts that join are good.
        """
        begun = self.hosts.on(
            1, *PODPASS, "init", "--home", str(self.hosts.home(1)), "--node-name", "host-1",
            "--apiserver-advertise-address", self.hosts.address(1), "--min-token-expiration", "10",
            "--cluster-signing-duration", signing,
        )  # fmt: skip
        assert begun.code == 0, begun.err
        return shlex.split(begun.out.strip())

    def join(self, number: int, words: list[str]) -> None:
        """Make a host a node, with the words of `begin`."""
        home = str(self.hosts.home(number))
        joined = self.hosts.on(
            number, *PODPASS, *words[1:], "--home", home, "--node-name", f"host-{number}"
        )
        assert joined.code == 0, joined.err

    @property
    def program(self) -> str:
        """Path of `oc`."""
        return str(self.hosts.home(1) / "bin" / "oc")

    @property
    def environment(self) -> dict[str, str]:
        """What makes it the administrator's."""
        return {"KUBECONFIG": str(self.hosts.home(1) / "kubeconfigs" / "admin.kubeconfig")}

    def try_oc(self, *arguments: str, stdin: str | None = None) -> Result:
        """Run `oc` on the first host."""
        return self.hosts.on(1, self.program, *arguments, env=self.environment, stdin=stdin)

    def oc(self, *arguments: str, stdin: str | None = None) -> str:
        """Return what `oc` prints, which must succeed."""
        done = self.try_oc(*arguments, stdin=stdin)
        assert done.code == 0, done.err
        return done.out

    def get(self, *arguments: str) -> Any:
        """Return an object."""
        return json.loads(self.oc("get", *arguments, "-o", "json"))

    def ready(self, name: str) -> str:
        """Return the status of a node's condition Ready."""
        conditions = self.get("node", name)["status"]["conditions"]
        return str(next(one["status"] for one in conditions if one["type"] == "Ready"))

    def certificate(self, number: int, kind: str = "client") -> x509.Certificate:
        """Return the `client` or `server` certificate of a host that joined."""
        node = self.hosts.home(number) / "nodes" / f"host-{number}"
        file = node / "kubelet" / "pki" / f"kubelet-{kind}-current.pem"
        return x509.load_pem_x509_certificate(file.read_bytes())

    def has_run_out(self, number: int) -> bool:
        """Tell whether the client certificate of a host has ended."""
        return self.certificate(number).not_valid_after_utc < SystemClock().now()

    def token(self, number: int) -> str:
        """Return the token of the one pod of a host."""
        pods = self.hosts.home(number) / "nodes" / f"host-{number}" / "kubelet" / "pods"
        [file] = pods.glob("*/volumes/kubernetes.io~projected/vault/token")
        return file.read_text()
