"""Tables as `kubectl get` prints them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from podpass.api import resources
from podpass.api.resources import RESOURCES, Object, Resource
from podpass.api.tables import (
    partial_object_metadata_list,
    pod_status,
    table,
)
from podpass.api.tables.columns import human_duration, since

NOW = datetime(2026, 1, 2, tzinfo=UTC)
DAY_AGO = "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        pytest.param(-2, "<invalid>", id="in the future"),
        pytest.param(-1, "0s", id="a small skew"),
        pytest.param(0, "0s", id="now"),
        pytest.param(119, "119s", id="last of seconds"),
        pytest.param(120, "2m", id="two minutes"),
        pytest.param(599, "9m59s", id="last of minutes and seconds"),
        pytest.param(600, "10m", id="ten minutes"),
        pytest.param(3 * 3600 - 1, "179m", id="last of minutes"),
        pytest.param(3 * 3600, "3h", id="three hours"),
        pytest.param(8 * 3600 - 1, "7h59m", id="last of hours and minutes"),
        pytest.param(8 * 3600, "8h", id="eight hours"),
        pytest.param(48 * 3600 - 1, "47h", id="last of hours"),
        pytest.param(48 * 3600, "2d", id="two days"),
        pytest.param(8 * 86400 - 1, "7d23h", id="last of days and hours"),
        pytest.param(8 * 86400, "8d", id="eight days"),
        pytest.param(730 * 86400 - 1, "729d", id="last of days"),
        pytest.param(730 * 86400, "2y", id="two years"),
        pytest.param(731 * 86400, "2y1d", id="years and days"),
        pytest.param(8 * 365 * 86400, "8y", id="eight years"),
    ],
)
def test_human_duration(seconds: int, text: str) -> None:
    assert human_duration(timedelta(seconds=seconds)) == text


def test_since_without_a_readable_time() -> None:
    assert since(None, NOW) == "<unknown>"
    assert since("yesterday", NOW) == "<unknown>"


def pod(
    statuses: list[Object] | None = None,
    *,
    phase: str = "Running",
    init: list[Object] | None = None,
    sidecars: int = 0,
    conditions: dict[str, str] | None = None,
    reason: str = "",
    deleted: bool = False,
) -> Object:
    plain = len(init or ()) - sidecars
    metadata: Object = {"name": "p", "creationTimestamp": DAY_AGO}
    if deleted:
        metadata["deletionTimestamp"] = DAY_AGO
    return {
        "metadata": metadata,
        "spec": {
            "containers": [{}] * max(1, len(statuses or ())),
            "initContainers": [
                *({"name": f"s{n}", "restartPolicy": "Always"} for n in range(sidecars)),
                *({"name": f"i{n}"} for n in range(plain)),
            ],
        },
        "status": {
            "phase": phase,
            "reason": reason,
            "containerStatuses": statuses or [],
            "initContainerStatuses": init or [],
            "conditions": [{"type": k, "status": v} for k, v in (conditions or {}).items()],
        },
    }


RUNNING: Object = {"ready": True, "state": {"running": {}}}


def waiting(reason: str) -> Object:
    return {"state": {"waiting": {"reason": reason}}}


def ended(code: int, reason: str = "", **fields: Any) -> Object:
    return {"state": {"terminated": {"exitCode": code, "reason": reason, **fields}}}


@pytest.mark.parametrize(
    ("obj", "status"),
    [
        pytest.param(pod(phase="Pending"), "Pending", id="the phase"),
        pytest.param(pod([RUNNING]), "Running", id="running"),
        pytest.param(pod(reason="Evicted", phase="Failed"), "Evicted", id="the reason wins"),
        pytest.param(pod([waiting("ErrImagePull")]), "ErrImagePull", id="why it waits"),
        pytest.param(pod([waiting("CrashLoopBackOff")]), "CrashLoopBackOff", id="crash loop"),
        pytest.param(pod([waiting("")]), "Running", id="waiting without a reason"),
        pytest.param(pod([ended(0, "Completed")]), "Completed", id="completed"),
        pytest.param(pod([ended(1, "Error")]), "Error", id="error"),
        pytest.param(pod([ended(3)]), "ExitCode:3", id="exit code"),
        pytest.param(pod([ended(0, signal=9)]), "Signal:9", id="signal"),
        pytest.param(
            pod([ended(0, "Completed"), RUNNING], conditions={"Ready": "True"}),
            "Running",
            id="one completed, ready",
        ),
        pytest.param(
            pod([ended(0, "Completed"), RUNNING]), "NotReady", id="one completed, not ready"
        ),
        pytest.param(
            pod([waiting("x")], init=[ended(0), {"state": {"running": {}}}]),
            "Init:1/2",
            id="the second init container",
        ),
        pytest.param(pod(init=[waiting("PodInitializing")]), "Init:0/1", id="starting"),
        pytest.param(pod(init=[waiting("ErrImagePull")]), "Init:ErrImagePull", id="init waits"),
        pytest.param(pod(init=[ended(1, "Error")]), "Init:Error", id="init failed"),
        pytest.param(pod(init=[ended(2)]), "Init:ExitCode:2", id="init exit code"),
        pytest.param(pod(init=[ended(2, signal=9)]), "Init:Signal:9", id="init signal"),
        pytest.param(
            pod([RUNNING], init=[{"name": "s0", "started": True}], sidecars=1),
            "Running",
            id="a started sidecar",
        ),
        pytest.param(
            pod([RUNNING], init=[waiting("Oops")], conditions={"Initialized": "True"}),
            "Init:Oops",
            id="initialized before",
        ),
        pytest.param(pod([RUNNING], deleted=True), "Terminating", id="terminating"),
        pytest.param(pod(phase="Succeeded", deleted=True), "Succeeded", id="over and deleted"),
        pytest.param(pod(reason="NodeLost", deleted=True), "Unknown", id="node lost"),
        pytest.param(
            {
                "status": {
                    "phase": "Pending",
                    "conditions": [{"type": "PodScheduled", "reason": "SchedulingGated"}],
                }
            },
            "SchedulingGated",
            id="gated",
        ),
    ],
)
def test_pod_status(obj: Object, status: str) -> None:
    assert pod_status(obj) == status


def cells(resource: Resource, obj: Object) -> list[Any]:
    return list(table(resource, [obj], now=NOW)["rows"][0]["cells"])


def test_pod_row() -> None:
    obj = pod(
        [{**RUNNING, "restartCount": 2}, {"restartCount": 1}],
        init=[{"name": "s0", "started": True, "ready": True, "restartCount": 4}, ended(0)],
        sidecars=1,
    )
    obj["status"]["containerStatuses"][1]["lastState"] = {
        "terminated": {"finishedAt": "2026-01-01T23:59:00Z"}
    }
    obj["status"] |= {"podIPs": [{"ip": "10.0.0.5"}], "nominatedNodeName": "n2"}
    obj["spec"] |= {"nodeName": "n1", "readinessGates": [{"conditionType": "x"}]}
    assert cells(resources.PODS, obj) == [
        "p", "2/3", "Running", "7 (60s ago)", "24h", "10.0.0.5", "n1", "n2", "0/1",
    ]  # fmt: skip


def test_pod_row_with_nothing_known() -> None:
    assert cells(resources.PODS, {"metadata": {"name": "p"}}) == [
        "p", "0/0", "", "0", "<unknown>", "<none>", "<none>", "<none>", "<none>",
    ]  # fmt: skip


def node(**fields: Any) -> Object:
    return {"metadata": {"name": "n", "creationTimestamp": DAY_AGO}, **fields}


@pytest.mark.parametrize(
    ("obj", "status", "roles"),
    [
        pytest.param(node(), "Unknown", "<none>", id="nothing known"),
        pytest.param(
            node(status={"conditions": [{"type": "Ready", "status": "True"}]}),
            "Ready",
            "<none>",
            id="ready",
        ),
        pytest.param(
            node(
                status={"conditions": [{"type": "Ready", "status": "Unknown"}]},
                spec={"unschedulable": True},
            ),
            "NotReady,SchedulingDisabled",
            "<none>",
            id="cordoned and silent",
        ),
        pytest.param(
            node(
                metadata={
                    "name": "n",
                    "labels": {
                        "node-role.kubernetes.io/worker": "",
                        "node-role.kubernetes.io/": "",
                        "node-role.kubernetes.io/control-plane": "",
                        "kubernetes.io/role": "old",
                        "other": "x",
                    },
                }
            ),
            "Unknown",
            "control-plane,old,worker",
            id="roles",
        ),
    ],
)
def test_node_status_and_roles(obj: Object, status: str, roles: str) -> None:
    assert cells(resources.NODES, obj)[1:3] == [status, roles]


def test_node_row() -> None:
    status = {
        "addresses": [
            {"type": "Hostname", "address": "n"},
            {"type": "InternalIP", "address": "127.0.0.11"},
        ],
        "nodeInfo": {
            "kubeletVersion": "v1",
            "osImage": "Linux",
            "kernelVersion": "6",
            "containerRuntimeVersion": "podpass://1",
        },
    }
    assert cells(resources.NODES, node(status=status))[3:] == [
        "24h", "v1", "127.0.0.11", "<none>", "Linux", "6", "podpass://1",
    ]  # fmt: skip
    assert cells(resources.NODES, node())[7:] == ["<unknown>"] * 3


INVOLVED: Object = {"kind": "Pod", "name": "p", "fieldPath": "spec.containers{c}"}


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        pytest.param(
            {
                "involvedObject": INVOLVED,
                "firstTimestamp": DAY_AGO,
                "lastTimestamp": "2026-01-01T23:59:00Z",
                "count": 3,
                "type": "Normal",
                "reason": "Pulled",
                "message": " text\n",
                "source": {"component": "kubelet", "host": "n1"},
            },
            [
                "60s", "Normal", "Pulled", "pod/p", "spec.containers{c}", "kubelet, n1", "text",
                "24h", 3, "e",
            ],
            id="old form",
        ),
        pytest.param(
            {
                "involvedObject": {"kind": "Pod"},
                "eventTime": DAY_AGO,
                "reportingComponent": "scheduler",
            },
            ["24h", "", "", "pod", "", "scheduler", "", "24h", 1, "e"],
            id="new form",
        ),
        pytest.param(
            {"series": {"count": 9, "lastObservedTime": "2026-01-01T23:59:58Z"}},
            ["2s", "", "", "", "", "", "", "<unknown>", 9, "e"],
            id="series",
        ),
    ],
)  # fmt: skip
def test_event_row(event: Object, shown: list[Any]) -> None:
    assert cells(resources.EVENTS, {"metadata": {"name": "e"}, **event}) == shown


def test_binding_row() -> None:
    binding = {
        "metadata": {"name": "b", "creationTimestamp": DAY_AGO},
        "roleRef": {"kind": "Role", "name": "r"},
        "subjects": [
            {"kind": "User", "name": "u1"},
            {"kind": "User", "name": "u2"},
            {"kind": "Group", "name": "g"},
            {"kind": "ServiceAccount", "name": "s", "namespace": "ns"},
        ],
    }
    assert cells(resources.ROLE_BINDINGS, binding) == [
        "b", "Role/r", "24h", "u1, u2", "g", "ns/s",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("resource", "fields", "shown"),
    [
        pytest.param(
            resources.SECRETS, {"type": "Opaque", "data": {"a": ""}}, ["Opaque", 1, "24h"],
            id="secret",
        ),
        pytest.param(
            resources.CONFIG_MAPS, {"data": {"a": ""}, "binaryData": {"b": ""}}, [2, "24h"],
            id="config map",
        ),
        pytest.param(resources.SERVICE_ACCOUNTS, {"secrets": [{}]}, [1, "24h"], id="account"),
        pytest.param(
            resources.NAMESPACES, {"status": {"phase": "Active"}}, ["Active", "24h"],
            id="namespace",
        ),
        pytest.param(
            resources.LEASES, {"spec": {"holderIdentity": "me"}}, ["me", "24h"], id="lease"
        ),
        pytest.param(resources.ROLES, {}, [DAY_AGO], id="role"),
    ],
)  # fmt: skip
def test_other_rows(resource: Resource, fields: Object, shown: list[Any]) -> None:
    obj = {"metadata": {"name": "x", "creationTimestamp": DAY_AGO}, **fields}
    assert cells(resource, obj) == ["x", *shown]


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda one: one.qualified)
def test_every_kind_fills_its_columns_even_of_an_empty_object(resource: Resource) -> None:
    shown = table(resource, [{}], now=NOW)
    assert len(shown["rows"][0]["cells"]) == len(shown["columnDefinitions"])


def test_shape_of_a_table() -> None:
    obj: Object = {"metadata": {"name": "x"}, "spec": {}}
    shown = table(resources.ROLES, [obj], now=NOW, list_meta={"resourceVersion": "7"})
    assert shown["kind"] == "Table"
    assert shown["apiVersion"] == "meta.k8s.io/v1"
    assert shown["metadata"] == {"resourceVersion": "7"}
    assert shown["columnDefinitions"][0] == {
        "name": "Name", "type": "string", "format": "name", "description": "", "priority": 0,
    }  # fmt: skip
    assert shown["rows"][0]["object"] == {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"name": "x"},
    }


def test_how_much_of_the_object_goes_along() -> None:
    obj: Object = {"metadata": {"name": "x"}, "spec": {}}

    def row(include: Any) -> Object:
        return dict(table(resources.ROLES, [obj], now=NOW, include_object=include)["rows"][0])

    assert row("Object")["object"] is obj
    assert "object" not in row("None")


def test_a_watch_describes_columns_once() -> None:
    assert table(resources.PODS, [], now=NOW, with_columns=False)["columnDefinitions"] == []


def test_metadata_alone() -> None:
    listed = partial_object_metadata_list([{"metadata": {"name": "x"}, "spec": {}}], {"a": "b"})
    assert listed["kind"] == "PartialObjectMetadataList"
    assert listed["metadata"] == {"a": "b"}
    assert [one["metadata"]["name"] for one in listed["items"]] == ["x"]
    assert "spec" not in listed["items"][0]
