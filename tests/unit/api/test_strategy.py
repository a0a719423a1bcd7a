"""What the server decides itself on create and update."""

from datetime import UTC, datetime
from typing import Any

import pytest

from podpass.api import resources
from podpass.api.errors import StatusError
from podpass.api.qos import qos_class
from podpass.api.resources import Object, Resource
from podpass.api.strategy import prepare_for_create, prepare_for_update

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def created(
    obj: Object, resource: Resource = resources.CONFIG_MAPS, *, namespace: str = "ns"
) -> Object:
    prepare_for_create(resource, obj, now=NOW, uid="u1", namespace=namespace, suffix="abcde")
    return obj


def test_system_fields_of_a_new_object() -> None:
    obj = created(
        {
            "metadata": {
                "name": "x",
                "uid": "mine",
                "generation": 7,
                "selfLink": "/x",
                "deletionTimestamp": "2020-01-01T00:00:00Z",
                "deletionGracePeriodSeconds": 3,
                "managedFields": [],
                "labels": {"a": "b"},
            }
        }
    )
    assert obj["metadata"] == {
        "name": "x",
        "namespace": "ns",
        "uid": "u1",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": {"a": "b"},
    }


@pytest.mark.parametrize(
    ("metadata", "name"),
    [
        pytest.param({"generateName": "web-"}, "web-abcde", id="base and suffix"),
        pytest.param({"generateName": "a" * 58}, "a" * 58 + "abcde", id="longest base"),
        pytest.param({"generateName": "a" * 59}, "a" * 58 + "abcde", id="longer base is cut"),
        pytest.param({"generateName": "web-", "name": "x"}, "x", id="a name wins"),
        pytest.param({}, None, id="neither is left to validation"),
    ],
)
def test_names(metadata: Object, name: str | None) -> None:
    assert created({"metadata": metadata})["metadata"].get("name") == name


def test_another_namespace_is_refused() -> None:
    with pytest.raises(StatusError, match="the namespace of the provided object does not match"):
        created({"metadata": {"namespace": "other"}})
    assert created({"metadata": {"namespace": "ns"}})["metadata"]["namespace"] == "ns"
    node = created({"metadata": {"namespace": "x"}}, resources.NODES, namespace="")
    assert "namespace" not in node["metadata"]


def test_a_resource_version_is_refused() -> None:
    with pytest.raises(StatusError, match="resourceVersion should not be set") as caught:
        created({"metadata": {"resourceVersion": "1"}})
    assert caught.value.code == 400


def test_new_pods_are_pending_whatever_the_client_says() -> None:
    pod = created({"status": {"phase": "Running", "podIP": "1.2.3.4"}}, resources.PODS)
    assert pod["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    assert pod["metadata"]["generation"] == 1


def test_new_namespaces_have_the_finalizer_once() -> None:
    for spec in ({}, {"finalizers": ["kubernetes"]}):
        namespace = created({"spec": dict(spec)}, resources.NAMESPACES, namespace="")
        assert namespace["spec"] == {"finalizers": ["kubernetes"]}
        assert namespace["status"] == {"phase": "Active"}


def test_new_nodes_keep_the_status_of_the_kubelet() -> None:
    node = created({"status": {"capacity": {"cpu": "2"}}}, resources.NODES, namespace="")
    assert node["status"] == {"capacity": {"cpu": "2"}}


OLD: Object = {
    "metadata": {
        "name": "x",
        "namespace": "ns",
        "uid": "u1",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "generation": 2,
        "finalizers": ["f"],
        "ownerReferences": [{"uid": "o"}],
    },
    "spec": {"nodeName": "n"},
    "status": {"phase": "Running", "qosClass": "Burstable"},
}


def updated(new: Object, resource: Resource, subresource: str = "") -> Object:
    before = repr(OLD)
    prepare_for_update(resource, new, OLD, subresource)
    assert repr(OLD) == before
    return new


def test_what_belongs_to_the_system_stays() -> None:
    new = updated(
        {
            "metadata": {
                "creationTimestamp": "1999-01-01T00:00:00Z",
                "deletionTimestamp": "1999-01-01T00:00:00Z",
                "generation": 9,
                "selfLink": "x",
                "managedFields": [],
                "labels": {"a": "b"},
            },
            "spec": {"nodeName": "n"},
        },
        resources.PODS,
    )
    assert new["metadata"] == {
        "name": "x",
        "namespace": "ns",
        "uid": "u1",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "generation": 2,
        "labels": {"a": "b"},
    }


def test_another_uid_is_left_for_validation_to_refuse() -> None:
    assert updated({"metadata": {"uid": "u2"}}, resources.SECRETS)["metadata"]["uid"] == "u2"


@pytest.mark.parametrize(
    ("resource", "subresource", "spec", "phase", "generation"),
    [
        pytest.param(resources.PODS, "", "new", "Running", 3, id="a pod: spec and generation"),
        pytest.param(resources.PODS, "status", "n", "New", 2, id="status of a pod"),
        pytest.param(resources.NODES, "", "new", "Running", 2, id="a node: spec"),
        pytest.param(resources.NODES, "status", "n", "New", 2, id="status of a node"),
        pytest.param(resources.NAMESPACES, "", "n", "Running", 2, id="a namespace: neither"),
        pytest.param(resources.NAMESPACES, "status", "n", "New", 2, id="status of a namespace"),
        pytest.param(resources.NAMESPACES, "finalize", "new", "Running", 2, id="finalize"),
    ],
)
def test_spec_and_status_are_apart(
    resource: Resource, subresource: str, spec: str, phase: str, generation: int
) -> None:
    new = updated({"spec": {"nodeName": "new"}, "status": {"phase": "New"}}, resource, subresource)
    assert new["spec"]["nodeName"] == spec
    assert new["status"]["phase"] == phase
    assert new["metadata"]["generation"] == generation


def test_status_requests_change_neither_owners_nor_finalizers() -> None:
    new = updated({"metadata": {"labels": {"a": "b"}}, "extra": 1}, resources.PODS, "status")
    assert new["metadata"]["finalizers"] == ["f"]
    assert new["metadata"]["ownerReferences"] == [{"uid": "o"}]
    assert new["metadata"]["labels"] == {"a": "b"}
    assert new["status"] == {"qosClass": "Burstable"}
    assert "extra" not in new


def container(limits: Any = None, requests: Any = None) -> Object:
    return {"resources": {"limits": limits, "requests": requests}}


BOTH = {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        pytest.param([{}], "BestEffort", id="nothing said"),
        pytest.param([container({"cpu": "0"})], "BestEffort", id="zero says nothing"),
        pytest.param([container({"gpu": "1"})], "BestEffort", id="other resources do not count"),
        pytest.param([container(BOTH, BOTH)], "Guaranteed", id="all limited and asked for"),
        pytest.param([container(BOTH)], "Guaranteed", id="requests follow the limits"),
        pytest.param(
            [container(BOTH, {"cpu": "1000m"})], "Guaranteed", id="amounts and not texts count"
        ),
        pytest.param([container(BOTH, {"cpu": "1m"})], "Burstable", id="less asked for"),
        pytest.param([container({"cpu": "1"})], "Burstable", id="only one limited"),
        pytest.param([container(None, {"cpu": "1"})], "Burstable", id="only asked for"),
        pytest.param([container(BOTH, BOTH), {}], "Burstable", id="one container says nothing"),
    ],
)
def test_qos_class(containers: list[Object], expected: str) -> None:
    assert qos_class({"spec": {"containers": containers}}) == expected
    assert qos_class({"spec": {"initContainers": containers}}) == expected
