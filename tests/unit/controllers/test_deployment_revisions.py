"""The replica sets of a deployment as its revisions."""

import copy
from typing import Any

import pytest
from controllers.workload_samples import names, workload

from podpass.api.resources import DEPLOYMENTS, REPLICA_SETS, Object
from podpass.controllers.deployment_revisions import (
    DESIRED_REPLICAS,
    MAX_REPLICAS,
    REVISION,
    REVISION_HISTORY,
    annotations_of_new,
    find_new,
    history_to_drop,
    new_replica_set,
    number_in,
    revision_of,
)
from podpass.controllers.pod_templates import TEMPLATE_HASH_LABEL


def deployment(annotations: dict[str, str] | None = None, **spec: Any) -> Object:
    made = workload(DEPLOYMENTS, **{"replicas": 4} | spec)
    made["metadata"]["annotations"] = annotations or {}
    return made


def replica_set(
    name: str = "web-1",
    revision: str = "",
    image: str = "nginx",
    created: str = "2026-01-01T00:00:00Z",
    **fields: Any,
) -> Object:
    made = workload(REPLICA_SETS, name, replicas=fields.pop("replicas", 0))
    made["metadata"] |= {
        "annotations": {REVISION: revision} if revision else {},
        "creationTimestamp": created,
    }
    made["spec"]["template"]["spec"]["containers"][0]["image"] = image
    made["spec"]["template"]["metadata"]["labels"][TEMPLATE_HASH_LABEL] = name
    made["status"] = {"observedGeneration": 1} | fields.pop("status", {})
    made["metadata"] |= fields
    return made


@pytest.mark.parametrize(
    ("text", "number"),
    [("7", 7), ("", 0), ("x", 0), ("-1", 0), ("²", 0)],
    ids=["a number", "nothing", "a word", "negative", "a digit of another kind"],
)
def test_numbers_in_annotations(text: str, number: int) -> None:
    assert number_in(replica_set(revision=text), REVISION) == number
    assert revision_of(replica_set(revision=text)) == number


def test_the_new_one_has_the_template_and_is_the_oldest_of_several() -> None:
    sets = [
        replica_set("late", created="2026-01-03T00:00:00Z"),
        replica_set("early", created="2026-01-02T00:00:00Z"),
        replica_set("other", image="nginx:1"),
    ]
    found = find_new(deployment(), sets)
    assert found is sets[1]
    assert find_new(deployment(), sets[2:]) is None


def test_a_new_replica_set() -> None:
    annotations = {
        "kubernetes.io/change-cause": "why",
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
        REVISION: "2",
    }
    made = new_replica_set(deployment(annotations, minReadySeconds=3), 3, 2)
    digest = made["metadata"]["labels"][TEMPLATE_HASH_LABEL]
    labels = {"app": "web", TEMPLATE_HASH_LABEL: digest}
    assert made["metadata"] == {
        "name": f"web-{digest}",
        "namespace": "ns",
        "labels": labels,
        "annotations": {
            "kubernetes.io/change-cause": "why",
            REVISION: "3",
            DESIRED_REPLICAS: "4",
            MAX_REPLICAS: "5",
        },
        "ownerReferences": [
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": "web",
                "uid": "uid-of-web",
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }
    assert made["spec"] == {
        "replicas": 2,
        "minReadySeconds": 3,
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "c", "image": "nginx"}]},
        },
    }


def test_the_name_follows_from_the_template_and_the_collisions() -> None:
    first = new_replica_set(deployment(), 1, 0)["metadata"]["name"]
    assert new_replica_set(deployment(), 2, 5)["metadata"]["name"] == first
    collided = deployment() | {"status": {"collisionCount": 1}}
    assert new_replica_set(collided, 1, 0)["metadata"]["name"] != first


def test_the_deployment_is_not_changed() -> None:
    before = deployment()
    after = copy.deepcopy(before)
    new_replica_set(after, 1, 1)
    assert after == before


@pytest.mark.parametrize(
    ("before", "revision", "after"),
    [
        pytest.param({}, 2, {REVISION: "2"}, id="it had none"),
        pytest.param({REVISION: "2"}, 2, {REVISION: "2"}, id="it is the newest"),
        pytest.param({REVISION: "3"}, 2, {REVISION: "3"}, id="it has a higher one"),
        pytest.param(
            {REVISION: "1"}, 4, {REVISION: "4", REVISION_HISTORY: "1"}, id="rolled back to"
        ),
        pytest.param(
            {REVISION: "4", REVISION_HISTORY: "1"},
            6,
            {REVISION: "6", REVISION_HISTORY: "1,4"},
            id="rolled back to again",
        ),
        pytest.param(
            {REVISION: "4", REVISION_HISTORY: "4"},
            6,
            {REVISION: "6", REVISION_HISTORY: "4"},
            id="nothing is listed twice",
        ),
    ],
)
def test_annotations_of_one_that_is_there(
    before: dict[str, str], revision: int, after: dict[str, str]
) -> None:
    current = replica_set()
    current["metadata"]["annotations"] = before
    assert annotations_of_new(deployment(), revision, current) == after


@pytest.mark.parametrize(
    ("limit", "dropped"),
    [
        pytest.param(None, [], id="no limit"),
        pytest.param(4, [], id="as many as allowed"),
        pytest.param(3, ["one"], id="the lowest revision"),
        pytest.param(0, ["one", "two", "three"], id="all that are empty"),
    ],
)
def test_history_to_drop(limit: int | None, dropped: list[str]) -> None:
    old = [
        replica_set("three", "10"),
        replica_set("one", "2"),
        replica_set("busy", "12", replicas=1),
        replica_set("two", "9"),
        replica_set("going", "1", deletionTimestamp="2026-01-01T00:00:00Z"),
    ]
    assert names(history_to_drop(deployment(revisionHistoryLimit=limit), old)) == dropped


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param(replica_set("a", status={"replicas": 1}), id="it still has a pod"),
        pytest.param(replica_set("a", replicas=1), id="it is to have a pod"),
        pytest.param(replica_set("a", generation=2), id="its controller has not caught up"),
    ],
)
def test_what_is_not_empty_stays(kept: Object) -> None:
    assert history_to_drop(deployment(revisionHistoryLimit=0), [kept]) == []
