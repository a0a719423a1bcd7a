"""Which nodes a pod insists on or prefers, by their labels."""

import pytest

from podpass.api.resources import Object
from podpass.controllers.node_affinity import matches_required, preference

NODE: Object = {"metadata": {"name": "n", "labels": {"zone": "a", "cpus": "8", "empty": ""}}}


def requirement(key: str, operator: str, *values: str) -> Object:
    return {"key": key, "operator": operator} | ({"values": list(values)} if values else {})


def requiring(*terms: Object) -> Object:
    required = {"nodeSelectorTerms": list(terms)}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    return {"spec": {"affinity": affinity}}


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        pytest.param(None, True, id="no selector"),
        pytest.param({"zone": "a"}, True, id="label has the value"),
        pytest.param({"zone": "b"}, False, id="label has another value"),
        pytest.param({"missing": ""}, False, id="label is missing"),
        pytest.param({"empty": ""}, True, id="label is empty"),
        pytest.param({"zone": "a", "cpus": "4"}, False, id="one of two"),
    ],
)
def test_node_selector(selector: dict[str, str] | None, expected: bool) -> None:
    assert matches_required({"spec": {"nodeSelector": selector}}, NODE) is expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param(requirement("zone", "In", "b", "a"), True, id="In"),
        pytest.param(requirement("zone", "In", "b"), False, id="In, another value"),
        pytest.param(requirement("none", "In", "b"), False, id="In, missing"),
        pytest.param(requirement("zone", "NotIn", "b"), True, id="NotIn"),
        pytest.param(requirement("zone", "NotIn", "a"), False, id="NotIn, has it"),
        pytest.param(requirement("none", "NotIn", "a"), True, id="NotIn, missing"),
        pytest.param(requirement("empty", "Exists"), True, id="Exists"),
        pytest.param(requirement("none", "Exists"), False, id="Exists, missing"),
        pytest.param(requirement("none", "DoesNotExist"), True, id="DoesNotExist"),
        pytest.param(requirement("zone", "DoesNotExist"), False, id="DoesNotExist, has it"),
        pytest.param(requirement("cpus", "Gt", "7"), True, id="Gt"),
        pytest.param(requirement("cpus", "Gt", "8"), False, id="Gt, equal"),
        pytest.param(requirement("cpus", "Lt", "9"), True, id="Lt"),
        pytest.param(requirement("cpus", "Lt", "8"), False, id="Lt, equal"),
        pytest.param(requirement("zone", "Gt", "1"), False, id="Gt, no number"),
        pytest.param(requirement("none", "Lt", "1"), False, id="Lt, missing"),
        pytest.param(requirement("cpus", "Gt"), False, id="Gt without a value"),
        pytest.param(requirement("cpus", "Near", "8"), False, id="unknown operator"),
    ],
)
def test_match_expressions(expression: Object, expected: bool) -> None:
    assert matches_required(requiring({"matchExpressions": [expression]}), NODE) is expected


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        pytest.param([], False, id="no term matches nothing"),
        pytest.param([{}], False, id="an empty term matches nothing"),
        pytest.param(
            [
                {"matchExpressions": [requirement("zone", "In", "b")]},
                {"matchExpressions": [requirement("zone", "In", "a")]},
            ],
            True,
            id="terms are alternatives",
        ),
        pytest.param(
            [{"matchExpressions": [requirement("zone", "Exists"), requirement("x", "Exists")]}],
            False,
            id="expressions must all hold",
        ),
        pytest.param(
            [{"matchFields": [requirement("metadata.name", "In", "n")]}], True, id="the node's name"
        ),
        pytest.param(
            [{"matchFields": [requirement("metadata.name", "In", "m")]}], False, id="another name"
        ),
        pytest.param(
            [
                {
                    "matchExpressions": [requirement("zone", "In", "b")],
                    "matchFields": [requirement("metadata.name", "In", "n")],
                }
            ],
            False,
            id="expressions and fields must both hold",
        ),
    ],
)
def test_terms(terms: list[Object], expected: bool) -> None:
    assert matches_required(requiring(*terms), NODE) is expected


def test_selector_and_affinity_must_both_hold() -> None:
    pod = requiring({"matchExpressions": [requirement("zone", "In", "a")]})
    pod["spec"]["nodeSelector"] = {"zone": "b"}
    assert not matches_required(pod, NODE)


def test_preference_adds_up_the_weights_of_matching_terms() -> None:
    def term(weight: int, zone: str) -> Object:
        return {
            "weight": weight,
            "preference": {"matchExpressions": [requirement("zone", "In", zone)]},
        }

    preferred = [term(5, "a"), term(7, "b"), term(20, "a")]
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}
    assert preference({"spec": {"affinity": affinity}}, NODE) == 25
    assert preference({"spec": {}}, NODE) == 0
