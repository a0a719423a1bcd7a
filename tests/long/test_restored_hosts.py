"""The host with the control plane is lost and restored: the hosts that joined go on."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import claims_of, eventually

from tests.long.hosts_cluster import PODPASS, Cluster, running_hosts
from tests.long.network_hosts import NetworkHosts, why_not
from tests.long.test_hosts import POD

REASON = why_not()
pytestmark = [pytest.mark.skipif(bool(REASON), reason=REASON), pytest.mark.timeout(600)]


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[NetworkHosts]:
    with running_hosts(tmp_path, 3) as made:
        yield made


def create(cluster: Cluster, name: str, host: str) -> None:
    pod: dict[str, Any] = copy.deepcopy(POD)
    pod["metadata"]["name"] = name
    pod["spec"]["nodeSelector"] = {"kubernetes.io/hostname": host}
    file = cluster.hosts.home(1) / "pod.json"
    file.write_text(json.dumps(pod))
    cluster.oc("create", "-f", str(file))
    cluster.oc("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")


def ready_nodes(cluster: Cluster) -> set[str]:
    return {
        node["metadata"]["name"]
        for node in cluster.get("nodes")["items"]
        for one in node["status"]["conditions"]
        if (one["type"], one["status"]) == ("Ready", "True")
    }


def pods_on(hosts: NetworkHosts, number: int) -> set[str]:
    """UIDs of the pods that a host keeps."""
    node = hosts.home(number) / "nodes" / f"host-{number}"
    return {path.name for path in (node / "kubelet" / "pods").iterdir()}


def test_hosts_that_joined_outlive_the_control_plane(hosts: NetworkHosts, tmp_path: Path) -> None:
    cluster, home, backup = Cluster(hosts), str(hosts.home(1)), str(tmp_path / "b.tar")
    words = cluster.begin()
    cluster.join(2, words)
    create(cluster, "web", "host-2")
    web, token = cluster.get("pod", "web"), cluster.token(2)
    refused = hosts.on(2, *PODPASS, "backup", "--home", str(hosts.home(2)), "--output", backup)
    assert refused.code == 1
    assert "do it on that host" in refused.err
    made = hosts.on(1, *PODPASS, "backup", "--home", home, "--output", backup)
    assert made.code == 0, made.err
    # What the backup does not know: a pod, and a host with another one.
    create(cluster, "late", "host-2")
    late = cluster.get("pod", "late")["metadata"]["uid"]
    cluster.join(3, words)
    create(cluster, "later", "host-3")
    later = cluster.get("pod", "later")["metadata"]["uid"]
    certificate = cluster.certificate(3)

    assert hosts.on(1, *PODPASS, "down", "--home", home).code == 0
    hosts.home(1).rename(tmp_path / "lost")
    done = hosts.on(1, *PODPASS, "restore", backup, "--home", home)
    assert done.code == 0, done.err
    assert " init --home " in done.err
    begun = hosts.on(1, *PODPASS, "init", "--home", home)
    assert begun.code == 0, begun.err

    eventually(lambda: ready_nodes(cluster) == {"host-1", "host-2", "host-3"}, what="all hosts")
    eventually(lambda: late not in pods_on(hosts, 2), what="the end of a pod nobody knows")
    eventually(lambda: later not in pods_on(hosts, 3), what="and of that on the new host")
    now = cluster.get("pod", "web")
    assert now["metadata"]["uid"] == web["metadata"]["uid"]
    assert now["status"]["containerStatuses"] == web["status"]["containerStatuses"], "it ran on"
    eventually(lambda: cluster.token(2) != token, within=120, what="a token of the new life")
    issued, before = claims_of(cluster.token(2)), claims_of(token)
    assert issued["iss"] == before["iss"]
    assert issued["kubernetes.io"]["pod"] == before["kubernetes.io"]["pod"]
    eventually(lambda: cluster.certificate(3) != certificate, within=120, what="a certificate")
    create(cluster, "next", "host-3")
