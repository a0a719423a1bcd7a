"""Label and field selectors: every operator, both ways, and what is refused."""

from typing import Any

import pytest

from podpass.api import resources
from podpass.api.errors import StatusError
from podpass.api.resources import Object, Resource
from podpass.api.selectors import (
    FieldSelector,
    LabelSelector,
    label_selector_text,
    matches_label_selector,
    selectable_fields,
)

WEB = {"app": "web", "tier": "front", "n": "5", "in": "x"}


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        pytest.param("", True, id="empty selects everything"),
        pytest.param("  ", True, id="so do spaces"),
        pytest.param("app=web", True, id="equal"),
        pytest.param("app==web", True, id="equal, the other way to write it"),
        pytest.param("app=db", False, id="not equal"),
        pytest.param("none=", False, id="empty value of a label that is not there"),
        pytest.param("app!=web", False, id="unequal"),
        pytest.param("app!=db", True, id="unequal holds"),
        pytest.param("none!=db", True, id="unequal holds without the label"),
        pytest.param("app in (web, db)", True, id="in"),
        pytest.param("app in (db)", False, id="not in"),
        pytest.param("none in (db)", False, id="in, without the label"),
        pytest.param("app notin (db,x)", True, id="notin"),
        pytest.param("app notin (web)", False, id="notin does not hold"),
        pytest.param("none notin (web)", True, id="notin, without the label"),
        pytest.param("app", True, id="exists"),
        pytest.param("none", False, id="does not exist"),
        pytest.param("!none", True, id="not"),
        pytest.param("! app", False, id="not does not hold"),
        pytest.param("app=web,tier=front", True, id="both"),
        pytest.param("app=web, tier=back", False, id="only one"),
        pytest.param("app,!none,n>4", True, id="three kinds"),
        pytest.param("n>4", True, id="greater"),
        pytest.param("n>5", False, id="not greater"),
        pytest.param("n<6", True, id="less"),
        pytest.param("n<5", False, id="not less"),
        pytest.param("none<5", False, id="less, without the label"),
        pytest.param("app>5", False, id="text is not greater"),
        pytest.param("in in (x)", True, id="a key called in"),
        pytest.param("app in ()", False, id="in nothing is in the empty value"),
        pytest.param("app in (,web)", True, id="an empty value among others"),
        pytest.param("app=,tier", False, id="empty value in the middle"),
    ],
)
def test_label_selector(text: str, selected: bool) -> None:
    assert LabelSelector.parse(text).matches(WEB) is selected


def test_empty_values() -> None:
    for text in ("x=", "x in ()", "x in (a,)"):
        assert LabelSelector.parse(text).matches({"x": ""})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("app=web,", "found '', expected: identifier after ','", id="trailing comma"),
        pytest.param(",", "found ',', expected: !, identifier", id="only a comma"),
        pytest.param("app=web tier=x", "found 'tier', expected: ','", id="no comma"),
        pytest.param("app in web", "found no '('", id="no bracket"),
        pytest.param("app in (web", "found '', expected: ',', ')'", id="not closed"),
        pytest.param("app in (a b)", "found 'b', expected: ',' or ')'", id="no comma inside"),
        pytest.param("app in (a, =)", "found '=', expected: identifier", id="symbol as value"),
        pytest.param("app (web)", "found '(', expected: in, notin", id="no operator"),
        pytest.param("app==!", "found '!', expected: identifier", id="symbol for a value"),
        pytest.param("n>x", "the value must be an integer: 'x'", id="no number"),
        pytest.param("-a=b", 'key: Invalid value: "-a": name part must consist', id="bad key"),
        pytest.param("a=-b", 'values: Invalid value: "-b": a valid label', id="bad value"),
    ],
)
def test_label_selector_that_is_refused(text: str, message: str) -> None:
    with pytest.raises(StatusError) as caught:
        LabelSelector.parse(text)
    assert caught.value.code == 400
    assert caught.value.message.startswith("unable to parse requirement: ")
    assert message in caught.value.message


def expression(operator: str, *values: str, key: str = "app") -> Object:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        pytest.param(None, False, id="no selector selects nothing"),
        pytest.param({}, True, id="an empty one selects everything"),
        pytest.param({"matchLabels": {"app": "web"}}, True, id="labels"),
        pytest.param({"matchLabels": {"app": "db"}}, False, id="other labels"),
        pytest.param(expression("In", "web", "db"), True, id="in"),
        pytest.param(expression("NotIn", "web"), False, id="not in"),
        pytest.param(expression("Exists"), True, id="exists"),
        pytest.param(expression("DoesNotExist"), False, id="does not exist"),
        pytest.param(expression("Gt", "4", key="n"), True, id="greater"),
        pytest.param(expression("Lt", "4", key="n"), False, id="less"),
    ],
)
def test_selector_objects(selector: Object | None, selected: bool) -> None:
    assert matches_label_selector(selector, WEB) is selected


def test_selector_object_with_an_unknown_operator() -> None:
    with pytest.raises(StatusError, match="'Near' is not a valid selector operator"):
        matches_label_selector(expression("Near"), WEB)


def test_is_empty() -> None:
    assert LabelSelector.parse("").is_empty
    assert not LabelSelector.parse("a").is_empty
    assert FieldSelector.parse("", resources.PODS).is_empty
    assert not FieldSelector.parse("metadata.name=a", resources.PODS).is_empty


POD: Object = {
    "metadata": {"name": "nginx", "namespace": "default"},
    "spec": {"nodeName": "n1"},
    "status": {"phase": "Running"},
}
EVENT: Object = {
    "involvedObject": {"kind": "Pod", "name": "nginx"},
    "reason": "a,b=c",
    "reportingComponent": "kubelet",
}


@pytest.mark.parametrize(
    ("resource", "obj", "text", "selected"),
    [
        pytest.param(resources.PODS, POD, "", True, id="empty"),
        pytest.param(resources.PODS, POD, "metadata.name=nginx", True, id="name"),
        pytest.param(resources.PODS, POD, "spec.nodeName=n1,status.phase=Running", True, id="both"),
        pytest.param(resources.PODS, POD, "spec.nodeName=n1,status.phase=Failed", False, id="one"),
        pytest.param(resources.PODS, POD, "status.phase!=Failed", True, id="unequal"),
        pytest.param(resources.PODS, POD, "status.phase!=Running", False, id="unequal fails"),
        pytest.param(resources.PODS, POD, "status.podIP=", True, id="not set is empty"),
        pytest.param(resources.PODS, {}, "spec.nodeName==", True, id="nothing there"),
        pytest.param(resources.PODS, POD, "spec.hostNetwork=false", True, id="false by default"),
        pytest.param(
            resources.NODES, {"spec": {"unschedulable": True}}, "spec.unschedulable=true", True,
            id="a boolean",
        ),
        pytest.param(resources.NODES, {}, "spec.unschedulable=false", True, id="not set is false"),
        pytest.param(resources.EVENTS, EVENT, "involvedObject.name=nginx", True, id="event"),
        pytest.param(resources.EVENTS, EVENT, r"reason=a\,b\=c", True, id="escapes"),
        pytest.param(resources.EVENTS, EVENT, "source=kubelet", True, id="new source"),
        pytest.param(
            resources.EVENTS, {"source": {"component": "x"}}, "source=x", True, id="old source"
        ),
        pytest.param(resources.SECRETS, {"type": "Opaque"}, "type=Opaque", True, id="secret type"),
        pytest.param(
            resources.NAMESPACES, {"status": {"phase": "Active"}}, "status.phase=Active", True,
            id="phase of a namespace",
        ),
    ],
)  # fmt: skip
def test_field_selector(resource: Resource, obj: Object, text: str, selected: bool) -> None:
    assert FieldSelector.parse(text, resource).matches(obj) is selected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("spec.color=red", "field label not supported: spec.color", id="unknown field"),
        pytest.param("metadata.name", "invalid selector: 'metadata.name'", id="no operator"),
        pytest.param(r"metadata.name=a\b", "invalid escape sequence", id="bad escape"),
        pytest.param("metadata.name=a\\", "invalid escape sequence", id="open escape"),
    ],
)
def test_field_selector_that_is_refused(text: str, message: str) -> None:
    with pytest.raises(StatusError) as caught:
        FieldSelector.parse(text, resources.PODS)
    assert caught.value.code == 400
    assert message in caught.value.message


def test_cluster_scoped_kinds_have_no_namespace_to_select() -> None:
    assert "metadata.namespace" not in selectable_fields(resources.NODES)
    assert selectable_fields(resources.CONFIG_MAPS) == ("metadata.name", "metadata.namespace")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("spec.nodeName=n1", "n1", id="demanded"),
        pytest.param("spec.nodeName!=n1", None, id="excluded"),
        pytest.param("status.phase=x", None, id="not named"),
    ],
)
def test_required_value(text: str, value: Any) -> None:
    assert FieldSelector.parse(text, resources.PODS).required_value("spec.nodeName") == value


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        pytest.param(None, "", id="none"),
        pytest.param({}, "", id="everything"),
        pytest.param({"matchLabels": {"b": "2", "a": "1"}}, "a=1,b=2", id="labels, in order"),
        pytest.param(
            {"matchExpressions": [{"key": "a", "operator": "In", "values": ["y", "x"]}]},
            "a in (x,y)",
            id="one of several",
        ),
        pytest.param(
            {"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["x"]}]},
            "a notin (x)",
            id="not one",
        ),
        pytest.param({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, "a", id="present"),
        pytest.param(
            {"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, "!a", id="absent"
        ),
    ],
)
def test_the_text_of_a_selector_selects_the_same(selector: Object | None, text: str) -> None:
    assert label_selector_text(selector) == text
    meant = LabelSelector.from_object(selector).requirements
    assert set(LabelSelector.parse(text).requirements) == set(meant)


@pytest.mark.parametrize(
    ("resource", "status", "text"),
    [
        pytest.param(resources.JOBS, {"succeeded": 2}, "status.successful=2", id="job"),
        pytest.param(resources.JOBS, {}, "status.successful=0", id="new job"),
        pytest.param(resources.REPLICA_SETS, {"replicas": 2}, "status.replicas=2", id="set"),
    ],
)
def test_fields_of_workloads(resource: Resource, status: Object, text: str) -> None:
    assert FieldSelector.parse(text, resource).matches({"status": status})
