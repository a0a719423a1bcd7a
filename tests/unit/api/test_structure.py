"""The shape of objects: what is refused, dropped, kept and made canonical."""

from typing import Any

import pytest

from podpass.api.schema import CORE
from podpass.api.structure import MAX_REPORTED, StructureError, conform

POD = CORE + "Pod"
CONTAINER = "spec.containers"


def pod(spec: Any) -> dict[str, Any]:
    return {"spec": spec}


def in_container(**fields: Any) -> dict[str, Any]:
    return pod({"containers": [fields]})


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        pytest.param(pod({"volumes": None}), pod({}), id="null is no value"),
        pytest.param(pod({"volumes": []}), pod({}), id="empty list"),
        pytest.param(pod({"containers": []}), pod({"containers": []}), id="list always shown"),
        pytest.param(pod({"nodeSelector": {}}), pod({}), id="empty map"),
        pytest.param(pod({"hostNetwork": False}), pod({}), id="false that Go omits"),
        pytest.param(
            pod({"enableServiceLinks": False}),
            pod({"enableServiceLinks": False}),
            id="false behind a pointer",
        ),
        pytest.param(pod({"nodeName": ""}), pod({}), id="empty text"),
        pytest.param(
            pod({"securityContext": {}}), pod({"securityContext": {}}), id="empty message"
        ),
        pytest.param(
            pod({"volumes": [{"name": "x", "emptyDir": {}}]}),
            pod({"volumes": [{"name": "x", "emptyDir": {}}]}),
            id="an inlined source",
        ),
        pytest.param(
            {"status": {"containerStatuses": [{"ready": False, "restartCount": 0}]}},
            {"status": {"containerStatuses": [{"ready": False, "restartCount": 0}]}},
            id="zeros that are always shown",
        ),
        pytest.param(
            in_container(livenessProbe={"tcpSocket": {"port": 0}}),
            in_container(livenessProbe={"tcpSocket": {"port": 0}}),
            id="a port that is zero",
        ),
        pytest.param(
            in_container(livenessProbe={"tcpSocket": {"port": "http"}}),
            in_container(livenessProbe={"tcpSocket": {"port": "http"}}),
            id="a port by name",
        ),
        pytest.param(
            in_container(resources={"limits": {"cpu": 1, "memory": "1024Mi"}}),
            in_container(resources={"limits": {"cpu": "1", "memory": "1Gi"}}),
            id="quantities become canonical",
        ),
        pytest.param(
            {"metadata": {"creationTimestamp": "2026-01-01t02:00:00.5+02:00"}},
            {"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}},
            id="times become UTC with whole seconds",
        ),
        pytest.param(
            {"metadata": {"managedFields": [{"fieldsV1": {"f:x": {}}}]}},
            {"metadata": {"managedFields": [{"fieldsV1": {"f:x": {}}}]}},
            id="any json",
        ),
        pytest.param({"kind": 3, "apiVersion": 3}, {}, id="the type stands elsewhere"),
        pytest.param(pod({"volumes": [None]}), pod({"volumes": [{}]}), id="null item is empty"),
        pytest.param(
            pod({"nodeSelector": {"a": None}}), pod({"nodeSelector": {"a": ""}}), id="null text"
        ),
        pytest.param(
            in_container(args=[None]), in_container(args=[""]), id="null in a list of texts"
        ),
        pytest.param(
            in_container(resources={"limits": {"cpu": None}}),
            in_container(resources={"limits": {"cpu": "0"}}),
            id="null quantity in a map",
        ),
        pytest.param(
            pod({"securityContext": {"supplementalGroups": [None]}}),
            pod({"securityContext": {"supplementalGroups": [0]}}),
            id="null number in a list",
        ),
    ],
)
def test_what_is_kept(value: Any, kept: Any) -> None:
    assert conform(value, POD) == kept


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param(None, "json: cannot unmarshal null into Go value of type v1.Pod", id="null"),
        pytest.param([], "json: cannot unmarshal array into Go value of type v1.Pod", id="no map"),
        pytest.param(
            pod("x"),
            "json: cannot unmarshal string into Go struct field Pod.spec of type v1.PodSpec",
            id="text for a message",
        ),
        pytest.param(
            pod({"containers": {}}),
            "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type "
            "[]v1.Container",
            id="map for a list",
        ),
        pytest.param(
            pod({"containers": [3]}),
            "json: cannot unmarshal number into Go struct field PodSpec.spec.containers of type "
            "v1.Container",
            id="number for an item",
        ),
        pytest.param(
            pod({"nodeSelector": []}),
            "json: cannot unmarshal array into Go struct field PodSpec.spec.nodeSelector of type "
            "map[string]string",
            id="list for a map",
        ),
        pytest.param(
            pod({"nodeSelector": {"a": True}}),
            "json: cannot unmarshal bool into Go struct field PodSpec.spec.nodeSelector.a of type "
            "string",
            id="boolean for a text in a map",
        ),
        pytest.param(
            pod({"hostNetwork": "true"}),
            "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type "
            "bool",
            id="text for a boolean",
        ),
        pytest.param(
            pod({"terminationGracePeriodSeconds": 1.5}),
            "json: cannot unmarshal number 1.5 into Go struct field "
            "PodSpec.spec.terminationGracePeriodSeconds of type int64",
            id="fraction for a whole number",
        ),
        pytest.param(
            pod({"priority": True}),
            "json: cannot unmarshal bool into Go struct field PodSpec.spec.priority of type int32",
            id="boolean for a number",
        ),
        pytest.param(
            pod({"priority": 2**31}),
            "json: cannot unmarshal number 2147483648 into Go struct field "
            "PodSpec.spec.priority of type int32",
            id="number out of range",
        ),
        pytest.param(
            in_container(livenessProbe={"tcpSocket": {"port": 1.5}}),
            "json: cannot unmarshal number 1.5 into Go struct field "
            "TCPSocketAction.spec.containers.livenessProbe.tcpSocket.port of type "
            "intstr.IntOrString",
            id="fraction for a port",
        ),
        pytest.param(
            in_container(livenessProbe={"tcpSocket": {"port": 2**31}}),
            "json: cannot unmarshal number 2147483648 into Go struct field "
            "TCPSocketAction.spec.containers.livenessProbe.tcpSocket.port of type "
            "intstr.IntOrString",
            id="port out of range",
        ),
        pytest.param(
            in_container(resources={"limits": {"cpu": True}}),
            "json: cannot unmarshal bool into Go struct field "
            "ResourceRequirements.spec.containers.resources.limits.cpu of type resource.Quantity",
            id="boolean for a quantity",
        ),
        pytest.param(
            in_container(resources={"limits": {"cpu": "much"}}),
            "spec.containers[0].resources.limits.cpu: quantities must match the regular expression "
            "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
            id="no quantity",
        ),
        pytest.param(
            {"metadata": {"creationTimestamp": "yesterday"}},
            "metadata.creationTimestamp: time 'yesterday' is not RFC 3339",
            id="no time",
        ),
        pytest.param(
            {"metadata": {"creationTimestamp": "2026-02-30T00:00:00Z"}},
            "metadata.creationTimestamp: day is out of range for month",
            id="no such day",
        ),
    ],
)
def test_what_is_refused(value: Any, message: str) -> None:
    with pytest.raises(StructureError) as caught:
        conform(value, POD)
    assert str(caught.value) == message


@pytest.mark.parametrize("number", [2**31 - 1, -(2**31)])
def test_the_last_numbers_in_range(number: int) -> None:
    assert conform(pod({"priority": number}), POD) == pod({"priority": number})


def test_unknown_fields_are_dropped_and_reported_with_their_place() -> None:
    unknown: list[str] = []
    value = {"a": 1, "spec": {"b": 1, "containers": [{"name": "x"}, {"name": "y", "c": 1}]}}
    assert conform(value, POD, unknown) == pod({"containers": [{"name": "x"}, {"name": "y"}]})
    assert unknown == ["a", "spec.b", "spec.containers[1].c"]


def test_not_more_unknown_fields_are_reported_than_anyone_reads() -> None:
    unknown: list[str] = []
    conform({f"x{n}": n for n in range(MAX_REPORTED + 1)}, POD, unknown)
    assert len(unknown) == MAX_REPORTED


@pytest.mark.parametrize(
    ("text", "at"),
    [
        pytest.param("a b=", 1, id="a space"),
        pytest.param("YQ=", 0, id="too short"),
        pytest.param("YWJj!GFi", 4, id="a sign of no alphabet"),
        pytest.param("A===", 1, id="too much padding"),
    ],
)
def test_what_is_no_base64(text: str, at: int) -> None:
    with pytest.raises(StructureError, match=f"^illegal base64 data at input byte {at}$"):
        conform({"data": {"a": text}}, CORE + "Secret")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        pytest.param("YQ==", "YQ==", id="padding of two"),
        pytest.param("YWI=", "YWI=", id="padding of one"),
        pytest.param("YW\r\nJj", "YWJj", id="line breaks are dropped"),
        pytest.param("", "", id="empty"),
        pytest.param(None, "", id="null"),
    ],
)
def test_base64_becomes_canonical(text: str | None, kept: str) -> None:
    assert conform({"data": {"a": text}}, CORE + "Secret") == {"data": {"a": kept}}


def test_micro_times_keep_six_decimals() -> None:
    lease = {"spec": {"renewTime": "2026-01-01T00:00:00.123456789Z"}}
    assert conform(lease, "k8s.io.api.coordination.v1.Lease") == {
        "spec": {"renewTime": "2026-01-01T00:00:00.123456Z"}
    }


def test_lists_of_texts_that_the_wire_hides_in_a_message() -> None:
    message = "k8s.io.api.authentication.v1.TokenReview"

    def review(extra: Any) -> dict[str, Any]:
        return {"status": {"user": {"extra": extra}}}

    assert conform(review({"a": ["b"], "c": None}), message) == review({"a": ["b"], "c": []})
    with pytest.raises(StructureError, match=r"Go struct field UserInfo.status.user.extra.a"):
        conform(review({"a": "b"}), message)


def test_null_in_a_map_of_times_and_in_a_list_of_anything() -> None:
    status = {"disruptedPods": {"a": None}}
    assert conform(status, "k8s.io.api.policy.v1.PodDisruptionBudgetStatus") == status
    assert conform({"items": [None]}, CORE + "List") == {"items": [None]}
