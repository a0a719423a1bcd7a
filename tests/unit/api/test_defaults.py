"""Defaults: what is filled in, and that what is there stays."""

import copy

import pytest

from podpass.api import resources
from podpass.api.defaults import apply_defaults
from podpass.api.pod_defaults import image_pull_policy
from podpass.api.resources import Object, Resource


def filled(resource: Resource, obj: Object) -> Object:
    obj = copy.deepcopy(obj)
    apply_defaults(resource, obj)
    again = copy.deepcopy(obj)
    apply_defaults(resource, again)
    assert again == obj, "defaults are not stable"
    return obj


def filled_spec(**spec: object) -> Object:
    return dict(filled(resources.PODS, {"spec": spec})["spec"])


def filled_container(**fields: object) -> Object:
    return dict(filled_spec(containers=[fields])["containers"][0])


@pytest.mark.rule("projected.default-mode", "projected.token-defaults")
def test_the_pod_of_the_example() -> None:
    spec = filled_spec(
        containers=[{"name": "nginx", "image": "nginx"}],
        serviceAccountName="build-robot",
        volumes=[
            {
                "name": "vault-token",
                "projected": {"sources": [{"serviceAccountToken": {"path": "vault-token"}}]},
            }
        ],
    )
    assert spec == {
        "containers": [
            {
                "name": "nginx",
                "image": "nginx",
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
                "imagePullPolicy": "Always",
                "resources": {},
            }
        ],
        "serviceAccountName": "build-robot",
        "serviceAccount": "build-robot",
        "volumes": [
            {
                "name": "vault-token",
                "projected": {
                    "defaultMode": 420,
                    "sources": [
                        {"serviceAccountToken": {"path": "vault-token", "expirationSeconds": 3600}}
                    ],
                },
            }
        ],
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
        "enableServiceLinks": True,
        "securityContext": {},
    }


def test_what_is_there_stays() -> None:
    spec: Object = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
        "dnsPolicy": "Default",
        "schedulerName": "mine",
        "enableServiceLinks": False,
        "securityContext": {"runAsUser": 0},
    }
    assert filled_spec(**spec) == spec


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        pytest.param("nginx", "Always", id="no tag"),
        pytest.param("nginx:latest", "Always", id="latest"),
        pytest.param("nginx:1.2", "IfNotPresent", id="a tag"),
        pytest.param("host:5000/nginx", "Always", id="a port is no tag"),
        pytest.param("host:5000/nginx:1", "IfNotPresent", id="port and tag"),
        pytest.param("nginx@sha256:0", "IfNotPresent", id="a digest"),
        pytest.param("", "Always", id="no image"),
    ],
)
def test_image_pull_policy(image: str, policy: str) -> None:
    assert image_pull_policy(image) == policy


def test_the_old_name_of_the_account_counts_when_the_new_is_missing() -> None:
    spec = filled_spec(serviceAccount="old")
    assert (spec["serviceAccountName"], spec["serviceAccount"]) == ("old", "old")
    spec = filled_spec(serviceAccount="old", serviceAccountName="new")
    assert (spec["serviceAccountName"], spec["serviceAccount"]) == ("new", "new")


def test_limits_are_what_is_asked_for() -> None:
    resources_ = {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}
    assert filled_container(resources=resources_)["resources"]["requests"] == {
        "cpu": "500m",
        "memory": "1Gi",
    }
    assert filled_container(resources={"requests": {"cpu": "1"}})["resources"] == {
        "requests": {"cpu": "1"}
    }


def test_ports() -> None:
    assert filled_container(ports=[{"containerPort": 80}])["ports"] == [
        {"containerPort": 80, "protocol": "TCP"}
    ]
    spec = filled_spec(
        hostNetwork=True,
        containers=[{"ports": [{"containerPort": 80}, {"containerPort": 1, "hostPort": 2}]}],
    )
    assert [port["hostPort"] for port in spec["containers"][0]["ports"]] == [80, 2]


def test_probes_and_hooks() -> None:
    container = filled_container(
        livenessProbe={"httpGet": {"port": 80}},
        readinessProbe={"grpc": {"port": 80}, "periodSeconds": 3, "timeoutSeconds": 0},
        startupProbe={"exec": {"command": ["true"]}, "failureThreshold": 7},
        lifecycle={
            "preStop": {"httpGet": {"port": 80, "path": "/x"}},
            "postStart": {"exec": {}},
            "stopSignal": "SIGTERM",
        },
    )
    numbers = {"timeoutSeconds": 1, "successThreshold": 1, "failureThreshold": 3}
    assert container["livenessProbe"] == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "periodSeconds": 10,
        **numbers,
    }
    assert container["readinessProbe"] == {
        "grpc": {"port": 80, "service": ""},
        "periodSeconds": 3,
        **numbers,
    }
    assert container["startupProbe"]["failureThreshold"] == 7
    assert container["lifecycle"]["preStop"]["httpGet"] == {
        "port": 80,
        "path": "/x",
        "scheme": "HTTP",
    }


def test_references_to_fields_of_the_pod() -> None:
    reference = {"fieldPath": "metadata.name"}
    wanted = {"fieldPath": "metadata.name", "apiVersion": "v1"}
    container = filled_container(
        env=[
            {"name": "a", "valueFrom": {"fieldRef": dict(reference)}},
            {"name": "b", "valueFrom": {"secretKeyRef": {"name": "s"}}},
            {"name": "c", "value": "x"},
        ]
    )
    assert container["env"][0]["valueFrom"]["fieldRef"] == wanted
    item = {"path": "x", "fieldRef": reference}
    volumes = filled_spec(
        volumes=[
            {"name": "a", "downwardAPI": {"items": [item, {"path": "y"}]}},
            {"name": "b", "projected": {"sources": [{"downwardAPI": {"items": [item]}}, {}]}},
        ]
    )["volumes"]
    assert volumes[0]["downwardAPI"]["items"][0]["fieldRef"] == wanted
    assert volumes[1]["projected"]["sources"][0]["downwardAPI"]["items"][0]["fieldRef"] == wanted


def test_volumes() -> None:
    volumes = filled_spec(
        volumes=[
            {"name": "none"},
            {"name": "secret", "secret": {"secretName": "s"}},
            {"name": "mode", "configMap": {"name": "c", "defaultMode": 0}},
            {"name": "host", "hostPath": {"path": "/"}},
        ]
    )["volumes"]
    assert volumes[0]["emptyDir"] == {}
    assert volumes[1]["secret"]["defaultMode"] == 0o644
    assert volumes[2]["configMap"]["defaultMode"] == 0
    assert volumes[3]["hostPath"]["type"] == ""


def test_topology_spread() -> None:
    spec = filled_spec(topologySpreadConstraints=[{"maxSkew": 1}])
    assert spec["topologySpreadConstraints"] == [
        {"maxSkew": 1, "nodeAffinityPolicy": "Honor", "nodeTaintsPolicy": "Ignore"}
    ]


def test_secrets() -> None:
    secret = filled(
        resources.SECRETS,
        {"data": {"a": "eA==", "b": "eA=="}, "stringData": {"b": "y", "c": "ä"}},
    )
    assert secret == {"data": {"a": "eA==", "b": "eQ==", "c": "w6Q="}, "type": "Opaque"}
    assert filled(resources.SECRETS, {"type": "x"}) == {"type": "x"}


def test_namespaces() -> None:
    assert filled(resources.NAMESPACES, {"metadata": {"name": "n", "labels": {"a": "b"}}}) == {
        "metadata": {"name": "n", "labels": {"a": "b", "kubernetes.io/metadata.name": "n"}},
        "status": {"phase": "Active"},
    }
    assert "labels" not in filled(resources.NAMESPACES, {})["metadata"]


def test_nodes() -> None:
    node = filled(resources.NODES, {"status": {"capacity": {"cpu": "2"}}})
    assert node["status"]["allocatable"] == {"cpu": "2"}
    assert filled(resources.NODES, {}) == {}


@pytest.mark.parametrize("resource", [resources.ROLE_BINDINGS, resources.CLUSTER_ROLE_BINDINGS])
def test_bindings(resource: Resource) -> None:
    group = "rbac.authorization.k8s.io"
    binding = filled(
        resource,
        {
            "roleRef": {"kind": "Role", "name": "r"},
            "subjects": [{"kind": "User"}, {"kind": "ServiceAccount"}, {"kind": "Group"}],
        },
    )
    assert binding["roleRef"]["apiGroup"] == group
    assert [one.get("apiGroup") for one in binding["subjects"]] == [group, None, group]
    assert filled(resource, {}) == {}


def test_kinds_without_defaults() -> None:
    assert filled(resources.CONFIG_MAPS, {}) == {}
