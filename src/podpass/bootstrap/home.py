"""Where everything of one cluster lives: one directory, and the names in it.

```text
home/
  cluster.json     nodes, port and options
  seeded           there once the first objects were created
  lock             held while `up` or `down` changes the home
  audit/           audit policy, if one was given
  bin/             oc and kubectl, for `podpass env`
  etcd/            client certificate for an etcd, if that is the store
  images/          image catalog
  kubeconfigs/     one file a user of the API
  pki/             CA, certificates and keys (0600)
  run/             unix sockets and pid files
  store/           the database
  nodes/NODE/      manifests, kubelet, runtime, logs, resources of its static pods
```
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class HomeError(Exception):
    """The home cannot be used; the message says why and what to do."""


def default_home(environ: Mapping[str, str]) -> Path:
    """Return `PODPASS_HOME`, else `podpass` below `XDG_STATE_HOME` (`~/.local/state`)."""
    if environ.get("PODPASS_HOME"):
        return Path(environ["PODPASS_HOME"])
    state = environ.get("XDG_STATE_HOME") or os.path.join(  # noqa: PTH118 - may hold a `~`
        environ.get("HOME", "~"), ".local", "state"
    )
    return Path(state).expanduser() / "podpass"


@dataclass(frozen=True, slots=True)
class NodeHome:
    """The part of a home that belongs to one node."""

    root: Path

    @property
    def manifests(self) -> Path:
        """Static pod manifests that the kubelet reads."""
        return self.root / "manifests"

    @property
    def kubelet(self) -> Path:
        """The kubelet's root directory: pods and their volumes."""
        return self.root / "kubelet"

    @property
    def runtime(self) -> Path:
        """State of sandboxes and containers."""
        return self.root / "runtime"

    @property
    def logs(self) -> Path:
        """Logs of the containers."""
        return self.root / "logs"

    @property
    def resources(self) -> Path:
        """Files that static pods mount, one directory a pod."""
        return self.root / "resources"

    @property
    def kubelet_log(self) -> Path:
        """What the kubelet says."""
        return self.root / "kubelet.log"


@dataclass(frozen=True, slots=True)
class Home:
    """A home directory.

    Attributes:
        root: Its absolute path.
    """

    root: Path

    @property
    def cluster_file(self) -> Path:
        """Nodes, port and options."""
        return self.root / "cluster.json"

    @property
    def lock_file(self) -> Path:
        """Held while the home is being changed."""
        return self.root / "lock"

    @property
    def seeded_file(self) -> Path:
        """There once the first objects were created."""
        return self.root / "seeded"

    @property
    def audit(self) -> Path:
        """Audit policy of the API servers."""
        return self.root / "audit"

    @property
    def bin(self) -> Path:
        """Programs for the user's PATH."""
        return self.root / "bin"

    @property
    def etcd(self) -> Path:
        """CA, client certificate and key for an etcd."""
        return self.root / "etcd"

    @property
    def images(self) -> Path:
        """Image catalog, shared by the nodes."""
        return self.root / "images"

    @property
    def kubeconfigs(self) -> Path:
        """One kubeconfig a user of the API."""
        return self.root / "kubeconfigs"

    @property
    def admin_kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.kubeconfigs / "admin.kubeconfig"

    @property
    def pki(self) -> Path:
        """Certificates and keys."""
        return self.root / "pki"

    @property
    def run(self) -> Path:
        """Sockets and pid files."""
        return self.root / "run"

    @property
    def store(self) -> Path:
        """Directory of the database."""
        return self.root / "store"

    def node(self, name: str) -> NodeHome:
        """Return the part of node `name`."""
        return NodeHome(self.root / "nodes" / name)

    def api_socket(self, node_name: str) -> Path:
        """Unix socket on which the API server of a node answers too."""
        return self.run / f"apiserver-{node_name}.sock"

    def kubelet_pid_file(self, node_name: str) -> Path:
        """Pid and start time of a node's kubelet."""
        return self.run / f"kubelet-{node_name}.pid"
