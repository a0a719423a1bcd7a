from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.compatibility.evidence import evidence_by_rule, unknown_marks
from tests.compatibility.page import DIFFERENT, NOT_SERVED, PROVEN, UNPROVEN, render, states
from tests.compatibility.rule_list import Rule, RuleFileError, Topic, read_topics


def topic_of(*rules: Rule) -> Topic:
    return Topic("Tokens", "", rules)


RULES = topic_of(
    Rule("a", "An a | happens.", source="KEP-1205", differs="no a"),
    Rule("b", "A b happens.", not_served="no b here"),
    Rule("c", "A c happens."),
    Rule("d", "A d happens.", covered_by=("a", "b")),
    Rule("e", "An e happens.", covered_by=("a", "c")),
    Rule("f", "An f happens.", covered_by=("b",)),
    Rule("g", "A g happens.", deviates="an h happens"),
    Rule("h", "An h happens.", covered_by=("a", "g")),
)


def test_a_rule_is_proven_by_tests_or_by_the_rules_that_cover_it() -> None:
    found = states([RULES], {"a": ["unit/test_a.py::test_a"], "g": ["unit/test_a.py::test_g"]})

    assert found == {
        "a": PROVEN,
        "b": NOT_SERVED,
        "c": UNPROVEN,
        "d": PROVEN,
        "e": UNPROVEN,
        "f": UNPROVEN,
        "g": DIFFERENT,
        "h": DIFFERENT,
    }


def test_the_page_counts_and_names_the_tests() -> None:
    page = render([RULES], {"a": ["unit/test_a.py::test_a"], "g": ["unit/test_a.py::test_g"]})

    assert "| **all** | 8 | 2 | 2 | 1 | 3 |" in page
    notes = "Source: KEP-1205. 1.20 to 1.24: no a."
    assert f"| `a` | An a \\| happens. | `unit/test_a.py::test_a` | {notes} |" in page
    assert "| `b` | A b happens. | **not served** | Not served: no b here. |" in page
    assert "**Otherwise on purpose**; Kubernetes: an h happens." in page
    assert "| `c` | A c happens. | **unproven** |  |" in page


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("topic: T\nrules: [{id: a}]", id="a rule says nothing"),
        pytest.param("topic: T\nrules: [{id: a, rule: A, rull: B}]", id="a key is unknown"),
        pytest.param("topic: T\nrules: [{id: a, rule: A}, {id: a, rule: B}]", id="an id twice"),
        pytest.param(
            "topic: T\nrules: [{id: a, rule: A, covered_by: [b]}]", id="a covering rule is unknown"
        ),
        pytest.param("- a", id="no topic"),
    ],
)
def test_rules_that_cannot_be_used(tmp_path: Path, text: str) -> None:
    (tmp_path / "01.yaml").write_text(text)

    with pytest.raises(RuleFileError):
        read_topics(tmp_path)


@dataclasses.dataclass
class CollectedTest:
    nodeid: str
    rules: tuple[str, ...] = ()
    skipped: bool = False

    def iter_markers(self, name: str) -> list[pytest.Mark]:
        if name == "rule":
            return [pytest.mark.rule(rule).mark for rule in self.rules]
        return [pytest.mark.skip.mark] if name == "skip" and self.skipped else []


def test_marks_are_gathered_by_function_or_by_case() -> None:
    items = [
        CollectedTest("tests/unit/test_a.py::test_all[1]", ("token-request.created",)),
        CollectedTest("tests/unit/test_a.py::test_all[2]", ("token-request.created",)),
        CollectedTest("tests/unit/test_a.py::test_one[1]", ("token-request.created",)),
        CollectedTest("tests/unit/test_a.py::test_one[2]"),
        CollectedTest("tests/unit/test_a.py::test_skipped", ("token-request.created",), True),
        CollectedTest("tests/unit/test_a.py::test_unknown", ("no-such-rule",)),
    ]

    assert evidence_by_rule(items)["token-request.created"] == [
        "unit/test_a.py::test_all",
        "unit/test_a.py::test_one[1]",
    ]
    assert unknown_marks(items) == ["tests/unit/test_a.py::test_unknown: no-such-rule"]


def test_every_rule_of_the_project_can_be_read() -> None:
    assert read_topics()
