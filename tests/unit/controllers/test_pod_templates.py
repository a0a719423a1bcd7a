"""Pods from templates, and names from content."""

import pytest
from controllers.workload_samples import owner_reference

from podpass.api.resources import DEPLOYMENTS, Object
from podpass.controllers.pod_templates import (
    content_hash,
    fnv32a,
    pod_from_template,
    safe_name,
    same_template,
)

OWNER = owner_reference(DEPLOYMENTS, "web", "u")
TEMPLATE: Object = {
    "metadata": {"labels": {"app": "web"}, "annotations": {"a": "b"}, "finalizers": ["x/y"]},
    "spec": {"containers": [{"name": "c"}]},
}


def test_a_pod_from_a_template() -> None:
    pod = pod_from_template(
        TEMPLATE, namespace="ns", base="web-", suffix="abcde", owner=OWNER, labels={"more": "1"}
    )
    assert pod == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "web-abcde",
            "generateName": "web-",
            "namespace": "ns",
            "labels": {"app": "web", "more": "1"},
            "annotations": {"a": "b"},
            "finalizers": ["x/y"],
            "ownerReferences": [OWNER],
        },
        "spec": {"containers": [{"name": "c"}]},
    }
    pod["spec"]["containers"].clear()
    pod["metadata"]["finalizers"].clear()
    assert TEMPLATE["spec"]["containers"]
    assert TEMPLATE["metadata"]["finalizers"]


def test_a_fixed_name_and_an_empty_template() -> None:
    pod = pod_from_template({}, namespace="ns", base="web-0", suffix="", owner=OWNER)
    assert pod["metadata"] == {
        "name": "web-0",
        "namespace": "ns",
        "labels": {},
        "ownerReferences": [OWNER],
    }


def test_a_long_name_leaves_room_for_the_suffix() -> None:
    pod = pod_from_template({}, namespace="ns", base="a" * 80 + "-", suffix="bcdfg", owner=OWNER)
    assert pod["metadata"]["name"] == "a" * 58 + "bcdfg"


@pytest.mark.parametrize(
    ("labels", "image", "same"),
    [
        pytest.param({"app": "web", "pod-template-hash": "1"}, "nginx", True, id="but for a hash"),
        pytest.param({"app": "web"}, "nginx:2", False, id="another image"),
        pytest.param({"app": "web", "more": "1"}, "nginx", False, id="another label"),
    ],
)
def test_same_template(labels: dict[str, str], image: str, same: bool) -> None:
    def template(labels: dict[str, str], image: str) -> Object:
        return {"metadata": {"labels": labels}, "spec": {"containers": [{"image": image}]}}

    assert same_template(template({"app": "web"}, "nginx"), template(labels, image)) is same


@pytest.mark.parametrize(
    ("data", "value"),
    [(b"", 0x811C9DC5), (b"a", 0xE40C292C), (b"foobar", 0xBF9CF968)],
    ids=["nothing", "a letter", "a word"],
)
def test_fnv_1a_as_published(data: bytes, value: int) -> None:
    assert fnv32a(data) == value


def test_the_hash_depends_on_content_and_collisions_but_not_on_order() -> None:
    assert content_hash({"a": 1, "b": 2}) == content_hash({"b": 2, "a": 1})
    assert content_hash({"a": 1}) != content_hash({"a": 2})
    assert content_hash({"a": 1}, 1) != content_hash({"a": 1})


def test_a_safe_name_has_only_the_letters_of_generated_names() -> None:
    assert safe_name(1234567890) == safe_name(1234567890)
    assert len(safe_name(1234567890)) == 10
    assert set(safe_name(9876543210)) <= set("bcdfghjklmnpqrstvwxz2456789")
