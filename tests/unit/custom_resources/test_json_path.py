from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from podpass.api.custom_resources.columns import printer
from podpass.api.custom_resources.json_path import BadPath, first, parse

NOW = datetime(2026, 1, 2, tzinfo=UTC)
OBJECT = {
    "metadata": {
        "name": "n",
        "creationTimestamp": (NOW - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "labels": {"example.com/a": "b"},
    },
    "spec": {"n": 3, "f": 1.5, "on": True, "list": [{"name": "x"}, {"name": "y"}]},
    "status": {"conditions": [{"type": "A", "status": "False"}, {"type": "Ready", "n": 2}]},
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (".spec.n", 3),
        ("{.spec.n}", 3),
        (".spec.missing.deep", None),
        (".spec.list[1].name", "y"),
        (".spec.list[-1].name", "y"),
        (".spec.list[9].name", None),
        (".spec.list[*].name", "x"),
        (r".metadata.labels.example\.com/a", "b"),
        (".metadata.labels['example.com/a']", "b"),
        ('.status.conditions[?(@.type=="Ready")].n', 2),
        (".status.conditions[?(@.type=='A')].status", "False"),
        (".status.conditions[?(@.n>1)].type", "Ready"),
        (".status.conditions[?(@.n)].type", "Ready"),
        ('.status.conditions[?(@.type=="None")].status', None),
    ],
)
def test_values_at_paths(path: str, value: Any) -> None:
    assert first(OBJECT, path) == value


@pytest.mark.parametrize("path", ["spec", ".spec[", ".spec[?(@.a", ".spec['a]", ". .", ".a..b"])
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(BadPath):
        parse(path)


@pytest.mark.parametrize(
    ("type_", "path", "cell"),
    [
        ("integer", ".spec.n", 3),
        ("integer", ".spec.f", 1),
        ("integer", ".spec.list", None),
        ("number", ".spec.n", 3.0),
        ("boolean", ".spec.on", True),
        ("boolean", ".spec.n", None),
        ("string", ".spec.n", "3"),
        ("string", ".spec.on", "true"),
        ("string", ".spec.list[0]", '{"name":"x"}'),
        ("date", ".metadata.creationTimestamp", "5m"),
        ("date", ".metadata.name", "<invalid>"),
        ("string", ".nowhere", None),
    ],
)
def test_cells_have_the_type_of_their_column(type_: str, path: str, cell: Any) -> None:
    shown = printer([{"name": "X", "type": type_, "jsonPath": path}])
    assert shown.cells(OBJECT, NOW) == ["n", cell]


def test_without_columns_the_age_is_shown() -> None:
    shown = printer(())
    assert [one.name for one in shown.columns] == ["Name", "Age"]
    assert shown.cells(OBJECT, NOW) == ["n", "5m"]
