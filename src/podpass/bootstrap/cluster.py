"""What a cluster is made of: its nodes, its port and its options, kept in `cluster.json`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from podpass.base.files import write_file
from podpass.bootstrap.home import HomeError
from podpass.storage.location import DEFAULT_ETCD_PREFIX

MAX_NODES = 32
SERVICE_IP = "172.30.0.1"
"""Address of the API inside a pod's own network (OpenShift's default service network)."""
SERVICE_PORT = 443
SHARED_IP = "127.0.0.1"
"""Every API server answers here; the kernel spreads the connections."""


@dataclass(frozen=True, slots=True)
class ClusterNode:
    """One node.

    Attributes:
        name: `master-0` and so on.
        ip: A loopback address of its own.
        pod_cidr: Addresses of its pods.
    """

    name: str
    ip: str
    pod_cidr: str


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster of one home.

    Attributes:
        port: TCP port of the API, on the shared and on every node's address.
        nodes: 1 to MAX_NODES nodes.
        signing_algorithm: `RS256` or `ES256`, of service account tokens.
        min_token_expiration_seconds: Shortest life that may be asked for; Kubernetes has 600.
        issuer_profile: What becomes of a former issuer: `legacy` or `trust24h`.
        timing: Waiting times of a rollout: `short` or `openshift`.
        signing_endpoint: Socket of an external signer: a whole path, or `@name`; empty for none.
        etcd_servers: Members of the etcd that keeps the objects, with commas between; empty for
            the home's own database.
        etcd_prefix: Root of the cluster's keys there.
        etcd_client_files: Whether the home has certificates for it.
        audit_policy: Whether the home has an audit policy.
        advertise_address: Where other hosts find the API; empty: none join.
        cluster_signing_seconds: Life of the certificates of hosts that join; 0 for a year.
        joined_server: URL of the API of the cluster that this host joined; empty: it is its own.
    """

    port: int
    nodes: tuple[ClusterNode, ...]
    signing_algorithm: str = "RS256"
    min_token_expiration_seconds: int = 600
    issuer_profile: str = "legacy"
    timing: str = "short"
    signing_endpoint: str = ""
    etcd_servers: str = ""
    etcd_prefix: str = DEFAULT_ETCD_PREFIX
    etcd_client_files: bool = False
    audit_policy: bool = False
    advertise_address: str = ""
    cluster_signing_seconds: int = 0
    joined_server: str = ""

    @property
    def server(self) -> str:
        """URL of the API."""
        return f"https://{SHARED_IP}:{self.port}"

    @property
    def advertised_server(self) -> str:
        """URL of the API for other hosts, empty if none join."""
        return f"https://{self.advertise_address}:{self.port}" if self.advertise_address else ""


def make_nodes(count: int) -> tuple[ClusterNode, ...]:
    """Return `count` nodes, named and numbered from 0.

    Raises:
        HomeError: `count` is not within 1 to MAX_NODES.
    """
    if not 1 <= count <= MAX_NODES:
        raise HomeError(f"--nodes must be 1 to {MAX_NODES}, got {count}")
    return tuple(
        ClusterNode(f"master-{index}", f"127.0.0.{11 + index}", f"10.128.{index}.0/24")
        for index in range(count)
    )


def save_cluster(path: Path, cluster: Cluster) -> None:
    """Write the cluster file.

    Raises:
        OSError: The directory cannot be written.
    """
    write_file(path, orjson.dumps(asdict(cluster), option=orjson.OPT_INDENT_2))


def load_cluster(path: Path) -> Cluster:
    """Read the cluster file.

    Raises:
        HomeError: There is none, or it is damaged.
    """
    try:
        fields = orjson.loads(path.read_bytes())
        nodes = tuple(ClusterNode(**node) for node in fields.pop("nodes"))
        if not nodes:
            raise ValueError("it names no node")
        return Cluster(nodes=nodes, **fields)
    except FileNotFoundError:
        raise HomeError(
            f"there is no cluster in {path.parent}; make one with `podpass up`"
        ) from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise HomeError(
            f"{path} is damaged ({error}); put back a copy of it, "
            "or move the home away to start anew"
        ) from error
