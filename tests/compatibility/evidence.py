"""Which tests carry the mark of which rule."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from tests.compatibility.rule_list import known_ids


class Marked(Protocol):
    """What is asked of a collected test."""

    @property
    def nodeid(self) -> str:
        """File, function and case."""

    def iter_markers(self, name: str) -> Iterable[Any]:
        """The marks of that name."""


def unknown_marks(items: Iterable[Marked]) -> list[str]:
    """Marks that name no rule, as `test: id`."""
    return sorted(
        {
            f"{item.nodeid}: {rule}"
            for item in items
            for rule in _rules_of(item)
            if rule not in known_ids()
        }
    )


def evidence_by_rule(items: Iterable[Marked]) -> Mapping[str, list[str]]:
    """The tests of each rule: a function as one, or those of its cases that are marked alone.

    A test that is always skipped, or is expected to fail, shows nothing and is left out.
    """
    cases: dict[str, list[str]] = defaultdict(list)
    marked: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for item in items:
        function = item.nodeid.partition("[")[0].removeprefix("tests/")
        cases[function].append(item.nodeid)
        if any(True for name in ("skip", "xfail") for _ in item.iter_markers(name)):
            continue
        for rule in _rules_of(item):
            marked[rule][function].append(item.nodeid.removeprefix("tests/"))
    return {
        rule: sorted(
            test
            for function, named in functions.items()
            for test in ([function] if len(named) == len(cases[function]) else named)
        )
        for rule, functions in marked.items()
    }


def _rules_of(item: Marked) -> set[str]:
    return {str(rule) for mark in item.iter_markers("rule") for rule in mark.args}
