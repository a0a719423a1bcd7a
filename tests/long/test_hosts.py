"""Three hosts: one begins, two join, one is cut off and comes back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import claims_of, eventually

from tests.long.hosts_cluster import PODPASS, Cluster, running_hosts
from tests.long.network_hosts import NetworkHosts, why_not

REASON = why_not()
pytestmark = [pytest.mark.skipif(bool(REASON), reason=REASON), pytest.mark.timeout(600)]

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web"},
    "spec": {
        "nodeSelector": {"kubernetes.io/hostname": "host-3"},
        "tolerations": [{"operator": "Exists"}],
        "containers": [
            {
                "name": "nginx",
                "image": "nginx",
                "volumeMounts": [{"name": "vault", "mountPath": "/var/run/secrets/vault"}],
            }
        ],
        "volumes": [
            {
                "name": "vault",
                "projected": {
                    "sources": [
                        {
                            "serviceAccountToken": {
                                "path": "token",
                                "audience": "vault",
                                "expirationSeconds": 60,
                            }
                        }
                    ]
                },
            }
        ],
    },
}


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[NetworkHosts]:
    with running_hosts(tmp_path, 3) as made:
        yield made


def test_hosts_join_one_is_cut_off_and_comes_back(hosts: NetworkHosts) -> None:
    cluster = Cluster(hosts)
    words = cluster.begin()
    wrong = [word.replace("sha256:", "sha256:0")[:71] if ":" in word else word for word in words]
    refused = hosts.on(2, *PODPASS, *wrong[1:], "--home", str(hosts.home(2)))
    assert refused.code == 1
    assert "nothing was sent to it" in refused.err
    for number in (2, 3):
        cluster.join(number, words)
    first = {number: cluster.certificate(number) for number in (2, 3)}

    pod = hosts.home(1) / "pod.json"
    pod.write_text(json.dumps(POD))
    cluster.oc("create", "-f", str(pod))
    cluster.oc("wait", "--for=condition=Ready", "pod/web", "--timeout=60s")
    started = cluster.get("pod", "web")
    token = cluster.token(3)
    assert claims_of(token)["kubernetes.io"]["node"]["name"] == "host-3"
    # What the pods of a host without an API server reach one through:
    relayed = hosts.on(
        3, "curl", "-sk", "--unix-socket", str(hosts.home(3) / "run" / "apiserver-host-3.sock"),
        "https://localhost/livez",
    )  # fmt: skip
    assert relayed.out == "ok"

    hosts.cut_off(3)
    eventually(lambda: cluster.ready("host-3") == "Unknown", within=120, what="host-3 is missed")
    assert cluster.ready("host-2") == "True"
    eventually(lambda: cluster.certificate(2) != first[2], what="host-2 renews its certificate")
    eventually(lambda: cluster.has_run_out(3), what="that of host-3 runs out")
    hosts.connect(3)
    eventually(lambda: cluster.ready("host-3") == "True", within=120, what="host-3 is back")
    eventually(lambda: cluster.token(3) != token, within=120, what="its token is renewed")
    eventually(lambda: cluster.certificate(3) != first[3], within=120, what="and its certificate")
    now = cluster.get("pod", "web")
    assert now["metadata"]["uid"] == started["metadata"]["uid"]
    assert now["status"]["containerStatuses"][0]["restartCount"] == 0
    assert claims_of(cluster.token(3))["exp"] > claims_of(token)["exp"]
