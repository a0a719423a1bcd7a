"""The conditions of a namespace that is being deleted."""

from datetime import UTC, datetime

from podpass.api.meta import find_condition
from podpass.api.resources import LEASES, PODS, Object
from podpass.controllers.namespace_conditions import Remains, deletion_conditions

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def said(conditions: list[Object], type_: str) -> tuple[str, str]:
    condition = find_condition(conditions, type_)
    assert condition is not None
    return condition["status"], condition["message"]


def test_what_remains_is_counted() -> None:
    remains = Remains()
    remains.add(PODS, {"metadata": {"name": "a", "finalizers": ["x/y"]}})
    remains.add(PODS, {"metadata": {"name": "b"}})
    remains.add(LEASES, {"metadata": {"name": "c", "finalizers": ["x/y", "z"]}})
    remains.failures.append("no")
    conditions = deletion_conditions((), remains, now=NOW)
    assert said(conditions, "NamespaceContentRemaining") == (
        "True",
        (
            "Some resources are remaining: leases.coordination.k8s.io has 1 resource instances, "
            "pods. has 2 resource instances"
        ),
    )
    assert said(conditions, "NamespaceFinalizersRemaining") == (
        "True",
        (
            "Some content in the namespace has finalizers remaining: "
            "x/y in 2 resource instances, z in 1 resource instances"
        ),
    )
    assert said(conditions, "NamespaceDeletionContentFailure") == (
        "True",
        "Failed to delete all resource types, 1 remaining: no",
    )


def test_an_empty_namespace_has_nothing_against_its_end() -> None:
    conditions = deletion_conditions((), Remains(), now=NOW)
    assert {one["status"] for one in conditions} == {"False"}
    assert len(conditions) == 5


def test_former_conditions_are_not_changed_in_place() -> None:
    former = deletion_conditions((), Remains(), now=NOW)
    remains = Remains()
    remains.add(PODS, {"metadata": {"name": "a"}})
    new = deletion_conditions(former, remains, now=NOW)
    assert {one["status"] for one in former} == {"False"}
    assert said(new, "NamespaceContentRemaining")[0] == "True"
