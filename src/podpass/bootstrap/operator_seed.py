"""What the operator finds in a new home: its settings, and everything at revision 1."""

from __future__ import annotations

import asyncio
from datetime import datetime

from podpass.base.files import write_file
from podpass.bootstrap.cluster import SHARED_IP, Cluster
from podpass.bootstrap.home import Home, HomeError
from podpass.bootstrap.manifests import SERVING_CA
from podpass.operator.pod_manifests import NodeAddress
from podpass.operator.profiles import PROFILES
from podpass.operator.seed import Seed, initial_objects
from podpass.operator.settings import TIMINGS, ControlPlane, OperatorSettings


def operator_settings(home: Home, cluster: Cluster) -> OperatorSettings:
    """Return how the operator of this home runs."""
    return OperatorSettings(
        control_plane=ControlPlane(
            node_directory=str(home.node("NODE_NAME").root),
            store_directory=str(home.store),
            run_directory=str(home.run),
            port=cluster.port,
            shared_ip=SHARED_IP,
            min_token_expiration_seconds=cluster.min_token_expiration_seconds,
            signing_algorithm=cluster.signing_algorithm,
            signing_endpoint=cluster.signing_endpoint,
            etcd_servers=cluster.etcd_servers,
            etcd_prefix=cluster.etcd_prefix if cluster.etcd_servers else "",
            etcd_directory=str(home.etcd) if cluster.etcd_client_files else "",
            audit_directory=str(home.audit) if cluster.audit_policy else "",
        ),
        profile=PROFILES[cluster.issuer_profile],
        timing=TIMINGS[cluster.timing],
    )


def cluster_seed(home: Home, cluster: Cluster) -> Seed:
    """Return what the first objects and files are made of.

    Raises:
        OSError: A certificate or key is missing.
    """
    pki = home.pki
    serving_ca = pki / f"{SERVING_CA}.crt"
    return Seed(
        nodes=[NodeAddress(node.name, node.ip) for node in cluster.nodes],
        server_url=cluster.server,
        ca_certificate=(pki / "ca.crt").read_bytes(),
        kubelet_serving_ca=serving_ca.read_bytes() if serving_ca.exists() else b"",
        serving_certificate=(pki / "apiserver.crt").read_bytes(),
        serving_key=(pki / "apiserver.key").read_bytes(),
        kubelet_client_certificate=(pki / "apiserver-kubelet-client.crt").read_bytes(),
        kubelet_client_key=(pki / "apiserver-kubelet-client.key").read_bytes(),
        signing_key=(pki / "sa.key").read_bytes(),
        signing_public_key=(pki / "sa.pub").read_bytes(),
        operator_kubeconfig=(home.kubeconfigs / "operator.kubeconfig").read_bytes(),
        installer_kubeconfig=(home.kubeconfigs / "installer.kubeconfig").read_bytes(),
    )


def create_first_objects(home: Home, cluster: Cluster, *, now: datetime) -> None:
    """Create the operator and its objects, once in the life of a home.

    Raises:
        HomeError: The API refused, or went away.
        OSError: A certificate or key is missing.
    """
    if home.seeded_file.exists():
        return
    from podpass.api.errors import StatusError  # noqa: PLC0415 - only a new home needs a client
    from podpass.client.config import load_kubeconfig  # noqa: PLC0415
    from podpass.client.connection import ConnectionFailed  # noqa: PLC0415
    from podpass.client.rest import RestClient  # noqa: PLC0415
    from podpass.operator.seed_objects import create_initial_objects  # noqa: PLC0415

    objects = initial_objects(
        cluster_seed(home, cluster), operator_settings(home, cluster), now=now
    )

    async def create() -> None:
        async with RestClient(load_kubeconfig(home.admin_kubeconfig)) as client:
            unserved = await create_initial_objects(client, objects)
        if unserved:
            raise HomeError(f"the API server does not serve {unserved[0]['kind']}")

    try:
        asyncio.run(create())
    except (StatusError, ConnectionFailed) as error:
        raise HomeError(f"cannot create the first objects: {error}") from error
    write_file(home.seeded_file, b"")
