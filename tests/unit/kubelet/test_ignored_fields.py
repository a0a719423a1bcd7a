"""Fields that have no effect are found, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from podpass.api.defaults import apply_defaults
from podpass.api.resources import PODS, Object
from podpass.kubelet.ignored_fields import ignored_fields


def pod(*, container: Object | None = None, **spec: Any) -> Object:
    one = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "ns"},
        "spec": {"containers": [{"name": "c", "image": "i"} | (container or {})]} | spec,
    }
    apply_defaults(PODS, one)
    return one


def test_a_pod_that_gets_all_it_asks_for() -> None:
    sidecar = {"name": "s", "image": "i", "restartPolicy": "Always"}
    container = {
        "ports": [{"containerPort": 80}],
        "resources": {"requests": {"cpu": "1"}},
        "lifecycle": {"preStop": {"sleep": {"seconds": 1}}},
        "securityContext": {
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": "e", "mountPath": "/e", "mountPropagation": "None"}],
    }
    volumes = [{"name": "e", "emptyDir": {}}]
    wanted = pod(container=container, volumes=volumes, initContainers=[sidecar], hostUsers=True)
    assert ignored_fields(wanted) == []


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        pytest.param({"hostPID": True}, "spec.hostPID", id="a field of the pod"),
        pytest.param({"hostUsers": False}, "spec.hostUsers", id="user namespaces"),
        pytest.param(
            {"securityContext": {"sysctls": [{"name": "a", "value": "b"}]}},
            "spec.securityContext.sysctls",
            id="the pod's security context",
        ),
        pytest.param(
            {"volumes": [{"name": "m", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}]},
            "spec.volumes[m].emptyDir.medium,spec.volumes[m].emptyDir.sizeLimit",
            id="a volume in memory",
        ),
    ],
)
def test_fields_of_the_pod(spec: dict[str, Any], path: str) -> None:
    assert ignored_fields(pod(**spec)) == path.split(",")


@pytest.mark.parametrize(
    ("container", "path"),
    [
        pytest.param({"resources": {"limits": {"cpu": "1"}}}, "resources.limits", id="limits"),
        pytest.param(
            {"ports": [{"containerPort": 80, "hostPort": 80}]},
            "ports.hostPort",
            id="a port of the node",
        ),
        pytest.param({"restartPolicy": "Never"}, "restartPolicy", id="a policy of its own"),
        pytest.param(
            {"securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "p"}}},
            "securityContext.seccompProfile",
            id="a seccomp profile",
        ),
        pytest.param(
            {"securityContext": {"procMount": "Unmasked"}}, "securityContext.procMount", id="proc"
        ),
        pytest.param(
            {
                "volumeMounts": [
                    {"name": "v", "mountPath": "/v", "mountPropagation": "Bidirectional"}
                ]
            },
            "volumeMounts[v].mountPropagation",
            id="propagation",
        ),
    ],
)
def test_fields_of_a_container(container: dict[str, Any], path: str) -> None:
    assert ignored_fields(pod(container=container)) == [f"spec.containers[c].{path}"]


def test_a_port_of_the_node_needs_nothing_on_its_network() -> None:
    wanted = pod(container={"ports": [{"containerPort": 80}]}, hostNetwork=True)
    assert ignored_fields(wanted) == []
