"""Each pod has its own network, and every pod reaches the API at KUBERNETES_SERVICE_HOST."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from harness import ClusterUnderTest, eventually

CLIENT = """
import json, os, ssl, urllib.request
base = '/var/run/secrets/kubernetes.io/serviceaccount/'
host, port = os.environ['KUBERNETES_SERVICE_HOST'], os.environ['KUBERNETES_SERVICE_PORT']
context = ssl.create_default_context(cafile=base + 'ca.crt')
request = urllib.request.Request(
    f'https://{host}:{port}/apis/authentication.k8s.io/v1/selfsubjectreviews',
    data=b'{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}',
    headers={'Authorization': 'Bearer ' + open(base + 'token').read(),
             'Content-Type': 'application/json'})
print(json.load(urllib.request.urlopen(request, context=context))['status']['userInfo']['username'])
print(open(base + 'namespace').read())
"""


def pod(namespace: str, name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"terminationGracePeriodSeconds": 0} | spec,
    }


@pytest.mark.rule("client.in-cluster", "self-subject-review.answer")
def test_a_program_in_a_pod_logs_in_with_its_token(
    cluster: ClusterUnderTest, namespace: str
) -> None:
    container = {"name": "c", "image": "python", "command": ["python3", "-c", CLIENT]}
    for host_network in (False, True):
        name = "host" if host_network else "own"
        cluster.create(
            pod(
                namespace, name, hostNetwork=host_network, restartPolicy="Never",
                containers=[container],
            )
        )  # fmt: skip
    for name in ("own", "host"):
        phase = eventually(functools.partial(final_phase, cluster, namespace, name))
        logs = cluster.ok("logs", "-n", namespace, name)
        assert phase == "Succeeded", logs
        assert logs == f"system:serviceaccount:{namespace}:default\n{namespace}\n"


def final_phase(cluster: ClusterUnderTest, namespace: str, name: str) -> str | None:
    phase = str(cluster.get("-n", namespace, "pod", name)["status"]["phase"])
    return phase if phase in {"Succeeded", "Failed"} else None


def test_two_pods_listen_on_the_same_port_of_one_node(
    cluster: ClusterUnderTest, namespace: str
) -> None:
    probe = {"httpGet": {"port": 80, "path": "/"}, "periodSeconds": 1}
    container = {"name": "c", "image": "nginx", "readinessProbe": probe}
    for name in ("one", "two"):
        cluster.create(pod(namespace, name, nodeName="master-1", containers=[container]))
    for name in ("one", "two"):
        cluster.wait_ready(name, namespace)
    addresses = {
        cluster.get("-n", namespace, "pod", name)["status"]["podIP"] for name in ("one", "two")
    }
    assert len(addresses) == 2
