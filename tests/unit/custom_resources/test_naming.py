from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from custom_resources.definitions import GROUP, cron_tab_definition

from podpass.api.custom_resources.definition import (
    fill_in_names,
    remember_stored_version,
    served_resources,
    version_priority,
)
from podpass.api.custom_resources.naming import settled_status, terminating_status

NOW = datetime(2026, 1, 2, tzinfo=UTC)
LATER = datetime(2026, 1, 3, tzinfo=UTC)


def definition(plural: str = "crontabs", **names: Any) -> dict[str, Any]:
    made = cron_tab_definition()
    made["metadata"]["name"] = f"{plural}.{GROUP}"
    made["spec"]["names"] = {"plural": plural, "kind": plural.title(), **names}
    fill_in_names(made)
    return made


def settled(made: dict[str, Any], *others: dict[str, Any]) -> dict[str, Any]:
    return made | {"status": settled_status(made, [*others, made], now=NOW)}


def test_names_that_are_free_are_accepted_and_the_kind_is_established() -> None:
    made = settled(definition(shortNames=["ct"]))
    assert made["status"]["acceptedNames"] == {
        "plural": "crontabs", "singular": "crontabs", "kind": "Crontabs",
        "listKind": "CrontabsList", "shortNames": ["ct"],
    }  # fmt: skip
    conditions = made["status"]["conditions"]
    assert [(one["type"], one["status"], one["reason"]) for one in conditions] == [
        ("NamesAccepted", "True", "NoConflicts"),
        ("Established", "True", "InitialNamesAccepted"),
    ]
    assert settled_status(made, [made], now=LATER) == made["status"]


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ({"singular": "crontab"}, "SingularConflict"),
        ({"kind": "CronTab", "listKind": "OtherList"}, "KindConflict"),
        ({"listKind": "CronTabList"}, "ListKindConflict"),
        ({"shortNames": ["ct"]}, "ShortNamesConflict"),
    ],
)
def test_a_taken_name_is_not_accepted(names: dict[str, Any], reason: str) -> None:
    first = settled(definition(singular="crontab", kind="CronTab", shortNames=["ct"]))
    second = settled(definition("others", **names), first)
    accepted, established = second["status"]["conditions"]
    assert (accepted["status"], accepted["reason"]) == ("False", reason)
    assert (established["status"], established["reason"]) == ("False", "NotAccepted")
    assert served_resources(second) == []


def test_names_of_another_group_do_not_matter() -> None:
    first = settled(definition(shortNames=["ct"]))
    second = definition("others", shortNames=["ct"])
    second["spec"]["group"] = "other.example.com"
    assert settled(second, first)["status"]["conditions"][1]["status"] == "True"


def test_what_was_established_stays_so() -> None:
    first = settled(definition(shortNames=["ct"]))
    second = settled(definition("others"), first)
    second["spec"]["names"]["shortNames"] = ["ct"]
    again = settled(second, first)
    assert [one["status"] for one in again["status"]["conditions"]] == ["False", "True"]
    assert "shortNames" not in again["status"]["acceptedNames"]


def test_the_end_is_told_by_a_condition() -> None:
    status = terminating_status(settled(definition()), finished=False, now=NOW)
    assert status["conditions"][-1]["reason"] == "InstanceDeletionInProgress"


def test_versions_are_sorted_as_discovery_lists_them() -> None:
    versions = ["foo10", "v1", "v11alpha2", "v10", "foo1", "v12alpha1", "v3beta1", "v2",
                "v10beta3", "v11beta2"]  # fmt: skip
    assert sorted(versions, key=version_priority) == [
        "v10", "v2", "v1", "v11beta2", "v10beta3", "v3beta1", "v12alpha1", "v11alpha2", "foo1",
        "foo10",
    ]  # fmt: skip


def test_a_version_that_is_not_served_has_no_resource() -> None:
    made = settled(definition())
    assert [one.version for one in served_resources(made)] == ["v1", "v1beta1"]
    made["spec"]["versions"][0]["served"] = False
    assert [one.version for one in served_resources(made)] == ["v1beta1"]


def test_storage_versions_are_remembered() -> None:
    made = definition()
    remember_stored_version(made, None)
    assert made["status"] == {"storedVersions": ["v1"]}
    changed = definition()
    changed["spec"]["versions"][0]["storage"] = False
    changed["spec"]["versions"][1]["storage"] = True
    remember_stored_version(changed, made)
    assert changed["status"] == {"storedVersions": ["v1", "v1beta1"]}
