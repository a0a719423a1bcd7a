"""`kubelet.container_environment` and `kubelet.downward_api`."""

from __future__ import annotations

from typing import Any

import pytest

from podpass.api.resources import Object
from podpass.kubelet.container_environment import (
    EnvironmentContext,
    EnvironmentFailed,
    container_environment,
    expand,
    service_environment,
)
from podpass.kubelet.downward_api import NodeFacts, UnknownField, field_value, resource_value
from podpass.testing.fake_object_source import FakeObjectSource

NODE = NodeFacts("master-0", "127.0.0.11", {"cpu": "2", "memory": "4Gi"})
CONTEXT = EnvironmentContext(NODE, "10.128.0.7", "172.30.0.1", 443)
POD: Object = {
    "metadata": {
        "name": "p",
        "namespace": "ns",
        "uid": "u",
        "labels": {"app": "web"},
        "annotations": {"a/b": "c"},
    },
    "spec": {
        "serviceAccountName": "robot",
        "containers": [
            {"name": "c", "resources": {"limits": {"memory": "1500Ki"}, "requests": {}}},
            {"name": "d", "resources": {"requests": {"cpu": "250m"}}},
        ],
    },
}


@pytest.fixture
def source() -> FakeObjectSource:
    return FakeObjectSource(
        config_maps={"ns/cm": {"k": "v", "a=b": "x"}}, secrets={"ns/s": {"k": b"secret"}}
    )


async def environment(container: Object, source: FakeObjectSource) -> dict[str, str]:
    found = await container_environment(POD, container, CONTEXT, source)
    services = service_environment(CONTEXT.service_host, CONTEXT.service_port)
    return {key: value for key, value in found.items() if services.get(key) != value}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        pytest.param("$(A)", "1", id="known"),
        pytest.param("x$(A)y$(B)", "x1y2", id="several"),
        pytest.param("$(C)", "$(C)", id="unknown stays"),
        pytest.param("$$(A)", "$(A)", id="escaped"),
        pytest.param("$$$(A)", "$1", id="an escaped dollar before a reference"),
        pytest.param("$A ${A} $", "$A ${A} $", id="other dollars stay"),
        pytest.param("$(A", "$(A", id="not closed"),
    ],
)
def test_expand(text: str, expanded: str) -> None:
    assert expand(text, {"A": "1", "B": "2"}) == expanded


@pytest.mark.rule("client.in-cluster")
def test_the_api_is_found_in_the_environment() -> None:
    assert service_environment("172.30.0.1", 443) == {
        "KUBERNETES_SERVICE_HOST": "172.30.0.1",
        "KUBERNETES_SERVICE_PORT": "443",
        "KUBERNETES_SERVICE_PORT_HTTPS": "443",
        "KUBERNETES_PORT": "tcp://172.30.0.1:443",
        "KUBERNETES_PORT_443_TCP": "tcp://172.30.0.1:443",
        "KUBERNETES_PORT_443_TCP_PROTO": "tcp",
        "KUBERNETES_PORT_443_TCP_PORT": "443",
        "KUBERNETES_PORT_443_TCP_ADDR": "172.30.0.1",
    }


def key_ref(kind: str, name: str, key: str, **fields: Any) -> Object:
    return {"name": "X", "valueFrom": {kind: {"name": name, "key": key} | fields}}


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        pytest.param({}, {}, id="nothing"),
        pytest.param({"env": [{"name": "A", "value": "1"}]}, {"A": "1"}, id="a value"),
        pytest.param({"env": [{"name": "A"}]}, {"A": ""}, id="an empty value"),
        pytest.param(
            {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)$(C)"}]},
            {"A": "1", "B": "1$(C)"},
            id="a value sees those before it",
        ),
        pytest.param(
            {"env": [{"name": "U", "value": "$(KUBERNETES_SERVICE_HOST)"}]},
            {"U": "172.30.0.1"},
            id="and the API's address",
        ),
        pytest.param(
            {"env": [{"name": "KUBERNETES_SERVICE_HOST", "value": "mine"}]},
            {"KUBERNETES_SERVICE_HOST": "mine"},
            id="the pod's own value wins",
        ),
        pytest.param(
            {"envFrom": [{"configMapRef": {"name": "cm"}, "prefix": "P_"}]},
            {"P_k": "v"},
            id="all of a ConfigMap, but no name with an equals sign",
        ),
        pytest.param(
            {
                "envFrom": [{"secretRef": {"name": "s"}}, {"configMapRef": {"name": "cm"}}, {}],
                "env": [{"name": "k2", "value": "$(k)"}],
            },
            {"k": "v", "k2": "v"},
            id="the later object wins",
        ),
        pytest.param(
            {"envFrom": [{"secretRef": {"name": "none", "optional": True}}]}, {}, id="optional"
        ),
        pytest.param(
            {"env": [key_ref("configMapKeyRef", "cm", "k")]}, {"X": "v"}, id="a ConfigMap's key"
        ),
        pytest.param(
            {"env": [key_ref("secretKeyRef", "s", "k")]}, {"X": "secret"}, id="a Secret's key"
        ),
        pytest.param(
            {"env": [key_ref("secretKeyRef", "s", "none", optional=True)]},
            {},
            id="an optional key that is missing",
        ),
        pytest.param(
            {"env": [{"name": "X", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]},
            {"X": "10.128.0.7"},
            id="a field",
        ),
        pytest.param(
            {
                "env": [
                    {"name": "X", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}
                ],
                "resources": {"limits": {"cpu": "1500m"}},
            },
            {"X": "2"},
            id="a resource, rounded up",
        ),
    ],
)
async def test_environment(
    container: Object, expected: dict[str, str], source: FakeObjectSource
) -> None:
    assert await environment({"name": "c"} | container, source) == expected


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        pytest.param(
            key_ref("configMapKeyRef", "none", "k"), 'configmap "none" not found', id="no ConfigMap"
        ),
        pytest.param(
            key_ref("secretKeyRef", "none", "k"), 'secret "none" not found', id="no Secret"
        ),
        pytest.param(
            key_ref("configMapKeyRef", "cm", "x"),
            "couldn't find key x in ConfigMap ns/cm",
            id="no key of a ConfigMap",
        ),
        pytest.param(
            key_ref("secretKeyRef", "s", "x"),
            "couldn't find key x in Secret ns/s",
            id="no key of a Secret",
        ),
        pytest.param(
            {"name": "X", "valueFrom": {"fieldRef": {"fieldPath": "spec.x"}}},
            "unsupported fieldPath: spec.x",
            id="no such field",
        ),
        pytest.param(
            {"name": "X", "valueFrom": {"fileKeyRef": {}}}, "unknown source", id="no such source"
        ),
    ],
)
async def test_what_is_missing_is_said(
    entry: Object, message: str, source: FakeObjectSource
) -> None:
    with pytest.raises(EnvironmentFailed, match=message):
        await environment({"name": "c", "env": [entry]}, source)


async def test_an_api_that_is_away_is_a_failure(source: FakeObjectSource) -> None:
    source.away = "connection refused"
    with pytest.raises(EnvironmentFailed, match="connection refused"):
        await environment({"name": "c", "envFrom": [{"secretRef": {"name": "s"}}]}, source)


@pytest.mark.rule("case.projected.downward")
@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "p"),
        ("metadata.namespace", "ns"),
        ("metadata.uid", "u"),
        ("metadata.labels['app']", "web"),
        ("metadata.labels['none']", ""),
        ("metadata.annotations['a/b']", "c"),
        ("metadata.labels", 'app="web"'),
        ("metadata.annotations", 'a/b="c"'),
        ("spec.nodeName", "master-0"),
        ("spec.serviceAccountName", "robot"),
        ("status.hostIP", "127.0.0.11"),
        ("status.podIPs", "10.128.0.7"),
    ],
)
def test_fields(path: str, value: str) -> None:
    assert field_value(POD, path, NODE, "10.128.0.7") == value


def test_a_pod_without_an_address_has_an_empty_one() -> None:
    assert field_value(POD, "status.podIP", NODE, None) == ""


@pytest.mark.rule("case.e2e.projected-downward-resources")
@pytest.mark.parametrize(
    ("reference", "value"),
    [
        pytest.param(
            {"containerName": "c", "resource": "limits.memory"}, str(1500 * 1024), id="bytes"
        ),
        pytest.param(
            {"containerName": "c", "resource": "limits.memory", "divisor": "1Mi"},
            "2",
            id="divided and rounded up",
        ),
        pytest.param({"containerName": "c", "resource": "limits.cpu"}, "2", id="the node's"),
        pytest.param(
            {"containerName": "c", "resource": "requests.memory", "divisor": "0"},
            str(1500 * 1024),
            id="requests default to limits, zero divides by one",
        ),
        pytest.param(
            {"containerName": "d", "resource": "requests.cpu", "divisor": "1m"}, "250", id="millis"
        ),
        pytest.param({"containerName": "d", "resource": "requests.memory"}, "0", id="none asked"),
        pytest.param({"containerName": "d", "resource": "limits.other"}, "0", id="unknown to all"),
    ],
)
def test_resources(reference: Object, value: str) -> None:
    assert resource_value(POD, reference, NODE) == value


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        pytest.param(
            {"containerName": "x", "resource": "limits.cpu"},
            "container x not found",
            id="container",
        ),
        pytest.param({"containerName": "c", "resource": "cpu"}, "unsupported", id="resource"),
        pytest.param(
            {"containerName": "c", "resource": "limits.cpu", "divisor": "x"},
            "quantit",
            id="divisor",
        ),
    ],
)
def test_resources_that_do_not_exist(reference: Object, message: str) -> None:
    with pytest.raises(UnknownField, match=message):
        resource_value(POD, reference, NODE)
