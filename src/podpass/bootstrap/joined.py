"""A host that joined another one's cluster: a home with one kubelet and nothing of a control plane.

Its `cluster.json` names the control plane (`joined_server`); the CA and a bootstrap kubeconfig are
all the secrets that came from there. The kubelet makes its own key.
"""

from __future__ import annotations

import contextlib
import ssl
import time
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from podpass.api.meta import format_time
from podpass.base.files import write_file
from podpass.base.logs import Secret
from podpass.bootstrap.cluster import SERVICE_IP, SERVICE_PORT, Cluster, save_cluster
from podpass.bootstrap.home import Home, HomeError
from podpass.bootstrap.lifecycle import START_TIMEOUT, Report, last_words
from podpass.bootstrap.processes import launch_kubelet, running_kubelet
from podpass.bootstrap.readiness import AdminApi, ApiAway, ready_nodes
from podpass.kubelet.certificate_file import FILE_NAME

_POLL = 0.1


def prepare_joined(home: Home, cluster: Cluster, ca_certificate: bytes, token: Secret) -> None:
    """Write what the kubelet needs for its first contact.

    Raises:
        HomeError: The home cannot be written.
    """
    import base64  # noqa: PLC0415 - once in the life of a host

    import orjson  # noqa: PLC0415

    node = home.node(cluster.nodes[0].name)
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "podpass",
                "cluster": {
                    "server": cluster.joined_server,
                    "certificate-authority-data": base64.b64encode(ca_certificate).decode(),
                },
            }
        ],
        "users": [{"name": "bootstrap", "user": {"token": token.reveal()}}],
        "contexts": [{"name": "podpass", "context": {"cluster": "podpass", "user": "bootstrap"}}],
        "current-context": "podpass",
    }
    try:
        for directory in (
            home.pki, home.kubeconfigs, home.run, home.images,
            node.manifests, node.kubelet, node.runtime, node.logs,
        ):  # fmt: skip
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_file(home.pki / "ca.crt", ca_certificate, mode=0o644)
        write_file(home.kubeconfigs / "bootstrap.kubeconfig", orjson.dumps(kubeconfig))
        save_cluster(home.cluster_file, cluster)
    except OSError as error:
        raise HomeError(f"cannot write the home {home.root}: {error}") from error


def next_second(now: datetime) -> tuple[str, float]:
    """Return the next whole second, and how many seconds that is from now.

    Nodes report in whole seconds: of what is reported in the present one nobody can say whether the
    kubelet that is starting said it or the one that has just ended.
    """
    start = now.replace(microsecond=0) + timedelta(seconds=1)
    return format_time(start), (start - now).total_seconds()


def start_joined(home: Home, cluster: Cluster, *, now: datetime, report: Report) -> None:
    """Start the kubelet unless it runs, and wait until its node is Ready.

    A kubelet that is started must have said so since `now`: what it said before counts for nothing.

    Raises:
        HomeError: The kubelet ended, or START_TIMEOUT went by.
    """
    node = cluster.nodes[0]
    paths = home.node(node.name)
    url = urlsplit(cluster.joined_server)
    host, port = str(url.hostname), int(url.port or SERVICE_PORT)
    since = ""
    certificate = paths.kubelet / "pki" / FILE_NAME
    if running_kubelet(home, node.name) is None:
        since = format_time(now)
        if certificate.exists():
            since, wait = next_second(now)
            time.sleep(wait)  # noqa: TID251 - real kubelets, real seconds
        launch_kubelet(
            home,
            node,
            (
                f"--kubeconfig={home.kubeconfigs}/kubelet-{node.name}.kubeconfig",
                f"--bootstrap-kubeconfig={home.kubeconfigs}/bootstrap.kubeconfig",
                f"--client-ca-file={home.pki}/ca.crt",
                "--rotate-server-certificates",
                f"--api-endpoint={home.api_socket(node.name)}",
                f"--relay-to={host}:{port}",
                f"--cluster-service-address={SERVICE_IP}:{SERVICE_PORT}",
                f"--service-host-for-host-network={host}",
                f"--service-port={port}",
            ),
        )
    report(f"waiting for the certificate of {node.name}")
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if running_kubelet(home, node.name) is None:
            raise HomeError(f"the kubelet of {node.name} ended: {last_words(home, node.name)}")
        if certificate.exists():
            context = ssl.create_default_context(cafile=str(home.pki / "ca.crt"))
            context.load_cert_chain(certificate)
            with contextlib.suppress(ApiAway):
                found = AdminApi(port, context).get(f"/api/v1/nodes/{node.name}", host=host)
                if ready_nodes([found], since=since):
                    return
                report(f"waiting for {node.name} to be Ready")
        time.sleep(_POLL)  # noqa: TID251 - waits for other processes
    raise HomeError(
        f"{node.name} was not Ready within {START_TIMEOUT:.0f} s; see {paths.kubelet_log}"
    )
