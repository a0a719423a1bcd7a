"""The kubelet keeps a token fresh, and a reader in the container never sees half of it."""

from __future__ import annotations

import json
import os
import signal

import pytest
from harness import ClusterUnderTest, claims_of, eventually

READER = """
import collections, sys, time
seen = []
while True:
    try:
        token = open('/var/run/secrets/tokens/token').read()
    except OSError as error:
        print('MISSING', error, flush=True)
        continue
    if token.count('.') != 2 or len(token) < 500 or token != token.strip():
        print('TORN', len(token), flush=True)
    if token not in seen:
        seen.append(token)
        print('TOKEN', len(seen), flush=True)
    time.sleep(0.0005)
"""
LIFE = 20
"""Seconds; the kubelet asks anew at 80 % of it."""


def reader_pod(namespace: str, *, node: str | None = None) -> dict[str, object]:
    spec: dict[str, object] = {
        "serviceAccountName": "build-robot",
        "terminationGracePeriodSeconds": 1,
        "containers": [
            {
                "name": "reader",
                "image": "python",
                "command": ["python3", "-c", READER],
                "volumeMounts": [{"name": "t", "mountPath": "/var/run/secrets/tokens"}],
            }
        ],
        "volumes": [
            {
                "name": "t",
                "projected": {
                    "sources": [
                        {
                            "serviceAccountToken": {
                                "path": "token",
                                "expirationSeconds": LIFE,
                                "audience": "vault",
                            }
                        }
                    ]
                },
            }
        ],
    }
    if node:
        spec["nodeName"] = node
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "reader", "namespace": namespace},
        "spec": spec,
    }


def tokens_seen(cluster: ClusterUnderTest, namespace: str) -> int:
    lines = cluster.ok("logs", "-n", namespace, "reader").splitlines()
    bad = [line for line in lines if not line.startswith("TOKEN")]
    assert not bad, bad
    return len(lines)


@pytest.mark.rule("atomic.switch", "token-manager.refresh-share")
def test_a_reader_sees_whole_tokens_through_every_rotation(
    cluster: ClusterUnderTest, namespace: str
) -> None:
    cluster.create(reader_pod(namespace))
    cluster.wait_ready("reader", namespace)
    eventually(lambda: tokens_seen(cluster, namespace) >= 3, within=60, what="two rotations")


@pytest.mark.rule("token-manager.memory")
def test_tokens_stay_fresh_when_the_kubelet_is_killed_and_started_again(
    cluster: ClusterUnderTest, namespace: str
) -> None:
    cluster.create(reader_pod(namespace, node="master-1"))
    cluster.wait_ready("reader", namespace)
    before = cluster.get("-n", namespace, "pod", "reader")
    os.kill(cluster.kubelet_pid("master-1"), signal.SIGKILL)
    assert cluster.up().code == 0
    eventually(lambda: tokens_seen(cluster, namespace) >= 2, within=60, what="a rotation")
    after = cluster.get("-n", namespace, "pod", "reader")
    ids = [
        [one["containerID"] for one in pod["status"]["containerStatuses"]]
        for pod in (before, after)
    ]
    assert ids[0] == ids[1], "the container was restarted"
    assert after["status"]["containerStatuses"][0]["restartCount"] == 0
    token = cluster.ok(
        "exec", "-n", namespace, "reader", "--", "cat", "/var/run/secrets/tokens/token"
    )
    assert claims_of(token)["kubernetes.io"]["pod"]["uid"] == before["metadata"]["uid"]


def test_an_api_server_that_is_killed_comes_back_and_tokens_stay(
    cluster: ClusterUnderTest, namespace: str
) -> None:
    cluster.create(reader_pod(namespace, node="master-2"))
    cluster.wait_ready("reader", namespace)

    def restarts() -> int:
        pod = cluster.get("-n", "openshift-kube-apiserver", "pod", "kube-apiserver-master-2")
        return int(pod["status"]["containerStatuses"][0]["restartCount"])

    before = restarts()
    for process in cluster.payloads("master-2", "apiserver"):
        os.kill(process, signal.SIGKILL)
    eventually(lambda: restarts() > before, within=60, what="a restart of the API server")
    eventually(lambda: cluster.podpass("status", "--home", str(cluster.home)).code == 0, within=60)
    assert tokens_seen(cluster, namespace) >= 1
    eventually(lambda: tokens_seen(cluster, namespace) >= 2, within=60, what="a rotation")


def test_a_dry_run_shows_the_projected_volume(cluster: ClusterUnderTest, namespace: str) -> None:
    manifest = reader_pod(namespace)
    dry = cluster.ok(
        "create", "--dry-run=server", "-o", "json", "-f", "-", stdin=json.dumps(manifest)
    )
    sources = json.loads(dry)["spec"]["volumes"][0]["projected"]["sources"]
    assert sources[0]["serviceAccountToken"]["expirationSeconds"] == LIFE
