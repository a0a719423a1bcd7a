"""Start and stop the cluster of a home.

Start: prepare the home, start the kubelets, wait for every API server and every node. Stop: every
kubelet stops its pods, workloads before static pods, and ends; what is left is killed.
Spans are in seconds.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from datetime import datetime

from podpass.api.meta import format_time
from podpass.bootstrap.cluster import SHARED_IP, Cluster
from podpass.bootstrap.home import Home, HomeError
from podpass.bootstrap.leftovers import has_leftovers, kill_leftovers
from podpass.bootstrap.operator_seed import create_first_objects
from podpass.bootstrap.prepare import prepare_home
from podpass.bootstrap.processes import running_kubelet, signal_kubelet, start_kubelet
from podpass.bootstrap.readiness import AdminApi, ApiAway, admin_api, ready_nodes

START_TIMEOUT = 120.0
STOP_TIMEOUT = 60.0
_POLL = 0.02
"""Between two looks at a condition; short, since start-up time is measured."""
_LOG_TAIL = 5
"""Lines of a kubelet's log to show when it ended."""

Report = Callable[[str], None]


@contextlib.contextmanager
def locked(home: Home) -> Iterator[None]:
    """Hold the home's lock.

    Raises:
        HomeError: Another command holds it, or the home cannot be written.
    """
    try:
        home.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(home.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise HomeError(f"cannot use the home {home.root}: {error}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HomeError(
                f"another `podpass up` or `podpass down` is at work in {home.root}; wait for it"
            ) from None
        yield
    finally:
        os.close(descriptor)


def check_stopped(home: Home, cluster: Cluster) -> None:
    """See that nothing of the cluster runs.

    Raises:
        HomeError: Something does.
    """
    running = any(running_kubelet(home, node.name) for node in cluster.nodes)
    if (
        running
        or has_leftovers(home)
        or (home.admin_kubeconfig.exists() and _is_ours(admin_api(home, cluster)))
    ):
        raise HomeError(f"the cluster in {home.root} runs; stop it first, with `podpass down`")


def start_cluster(home: Home, cluster: Cluster, *, now: datetime, report: Report) -> None:
    """Start what does not run yet, and wait until all nodes are Ready.

    A start that fails stops what it has started.

    Raises:
        HomeError: The port is taken, a kubelet ended, or START_TIMEOUT went by.
    """
    report("preparing certificates, kubeconfigs and manifests")
    prepare_home(home, cluster, now=now)
    api = admin_api(home, cluster)
    running = [node for node in cluster.nodes if running_kubelet(home, node.name)]
    if not running:
        _check_ports(api, cluster)
    for node in cluster.nodes:
        if node not in running:
            start_kubelet(home, cluster, node)
    started = {node.name for node in cluster.nodes if node not in running}
    try:
        _wait_api(home, cluster, api, report)
        create_first_objects(home, cluster, now=now)
        _wait_ready(home, cluster, api, report, started=started, since=format_time(now))
    except HomeError:
        if not running:
            stop_cluster(home, cluster, report=report)
        raise


def _check_ports(api: AdminApi, cluster: Cluster) -> None:
    for address in (SHARED_IP, *(node.ip for node in cluster.nodes)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, cluster.port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE and _is_ours(api):
                    continue  # API servers go on while their kubelet is away
                raise HomeError(
                    f"cannot listen on {address}:{cluster.port}: {error.strerror}; "
                    "choose another port with --port"
                ) from error


def _is_ours(api: AdminApi) -> bool:
    try:
        api.get("/livez")
    except ApiAway:
        return False
    return True


def _wait_api(home: Home, cluster: Cluster, api: AdminApi, report: Report) -> None:
    """Wait for the first API server."""
    report(f"0 of {len(cluster.nodes)} API servers are ready")
    deadline = time.monotonic() + START_TIMEOUT
    while not any(api.is_ready(node.ip) for node in cluster.nodes):
        _check_kubelets(home, cluster)
        if time.monotonic() > deadline:
            raise _not_ready(home, cluster)
        time.sleep(_POLL)  # noqa: TID251 - waits for other processes


def _check_kubelets(home: Home, cluster: Cluster) -> None:
    for node in cluster.nodes:
        if running_kubelet(home, node.name) is None:
            raise HomeError(f"the kubelet of {node.name} ended: {last_words(home, node.name)}")


def _not_ready(home: Home, cluster: Cluster) -> HomeError:
    return HomeError(
        f"the cluster was not ready within {START_TIMEOUT:.0f} s; "
        f"see {home.node(cluster.nodes[0].name).kubelet_log}"
    )


def _wait_ready(
    home: Home,
    cluster: Cluster,
    api: AdminApi,
    report: Report,
    *,
    started: set[str],
    since: str,
) -> None:
    """Wait for every API server and node; those just `started` must have reported since."""
    deadline = time.monotonic() + START_TIMEOUT
    names = {node.name for node in cluster.nodes}
    waiting_apis = {node.name: node.ip for node in cluster.nodes}
    while time.monotonic() < deadline:
        _check_kubelets(home, cluster)
        waiting_apis = {
            name: address for name, address in waiting_apis.items() if not api.is_ready(address)
        }
        missing = names
        if len(waiting_apis) < len(names):
            with contextlib.suppress(ApiAway):
                nodes = api.nodes()
                missing = (names - started - ready_nodes(nodes)) | (
                    started - ready_nodes(nodes, since=since)
                )
        if not waiting_apis and not missing:
            return
        if waiting_apis:
            report(f"{len(names) - len(waiting_apis)} of {len(names)} API servers are ready")
        else:
            report(f"{len(names) - len(missing)} of {len(names)} nodes are Ready")
        time.sleep(_POLL)  # noqa: TID251 - waits for other processes
    raise _not_ready(home, cluster)


def last_words(home: Home, node_name: str) -> str:
    """Return the end of a kubelet's log, for an error."""
    log = home.node(node_name).kubelet_log
    try:
        lines = log.read_text(errors="replace").splitlines()[-_LOG_TAIL:]
    except OSError as error:
        return f"{log}: {error}"
    return f"{' | '.join(lines)} (all of it: {log})"


def stop_cluster(home: Home, cluster: Cluster, *, report: Report) -> None:
    """Stop all pods and kubelets; what does not run is fine."""
    for node in cluster.nodes:
        signal_kubelet(home, node.name, signal.SIGUSR1)
    deadline = time.monotonic() + STOP_TIMEOUT
    while time.monotonic() < deadline:
        left = [node.name for node in cluster.nodes if running_kubelet(home, node.name)]
        if not left:
            break
        report(f"{len(cluster.nodes) - len(left)} of {len(cluster.nodes)} nodes are stopped")
        time.sleep(_POLL)  # noqa: TID251 - waits for other processes
    for node in cluster.nodes:
        signal_kubelet(home, node.name, signal.SIGKILL)
        home.kubelet_pid_file(node.name).unlink(missing_ok=True)
    kill_leftovers(home)
