"""docs/compatibility.md, written from the rules and from the marks of the tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tests.compatibility.rule_list import Rule, Topic

PROVEN = "proven"
DIFFERENT = "otherwise on purpose"
NOT_SERVED = "not served"
UNPROVEN = "unproven"

_STATES = (PROVEN, DIFFERENT, NOT_SERVED, UNPROVEN)
_COUNTS_HEAD = f"| topic | rules | {' | '.join(_STATES)} |"
_HEAD = """\
# Compatibility

What podpass does as Kubernetes does, rule by rule, and the test that shows it. The truth is
**Kubernetes 1.36**; where releases from 1.20 to 1.24 behave otherwise, the row says how. `make
compatibility` writes this page from `tests/compatibility/rules` and from the marks of the tests;
`make check` fails when it is out of date. Tests are named as below `tests/`.

A rule is **proven** by its tests, or by those of the rules that it is the same as. **Otherwise on
purpose** are rules that podpass keeps in another way than Kubernetes, and shows. **Not served** is
what it does not do, with the reason.
"""


def state_of(rule: Rule, rules: Mapping[str, Rule], tests: Mapping[str, Sequence[str]]) -> str:
    """Whether a rule is proven by its tests or those of the rules that cover it, or not served.

    A rule whose covering rules are all not served is a rule that should say so itself: unproven.
    """
    if rule.not_served:
        return NOT_SERVED
    if tests.get(rule.id):
        return DIFFERENT if rule.deviates else PROVEN
    covering = {state_of(rules[other], rules, tests) for other in rule.covered_by}
    if UNPROVEN in covering or not covering - {NOT_SERVED}:
        return UNPROVEN
    return DIFFERENT if DIFFERENT in covering else PROVEN


def states(topics: Iterable[Topic], tests: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The state of every rule."""
    rules = {rule.id: rule for topic in topics for rule in topic.rules}
    return {name: state_of(rule, rules, tests) for name, rule in rules.items()}


def render(topics: Sequence[Topic], tests: Mapping[str, Sequence[str]]) -> str:
    """The whole page."""
    found = states(topics, tests)
    lines = [_HEAD, _counts(topics, found)]
    for topic in topics:
        lines += [f"## {topic.title}", ""]
        lines += [topic.intro, ""] if topic.intro else []
        lines += ["| rule | what happens | shown by | notes |", "|---|---|---|---|"]
        lines += [_row(rule, found[rule.id], tests.get(rule.id, ())) for rule in topic.rules]
        lines.append("")
    return "\n".join(lines)


def _counts(topics: Sequence[Topic], found: Mapping[str, str]) -> str:
    lines = [_COUNTS_HEAD, "|---|---|---|---|---|---|"]
    for topic in topics:
        of_topic = [found[rule.id] for rule in topic.rules]
        lines.append(_count_row(topic.title, of_topic))
    lines.append(_count_row("**all**", list(found.values())))
    return "\n".join([*lines, ""])


def _count_row(title: str, of_topic: Sequence[str]) -> str:
    counts = [of_topic.count(state) for state in _STATES]
    return f"| {title} | {len(of_topic)} | {' | '.join(map(str, counts))} |"


def _row(rule: Rule, state: str, tests: Sequence[str]) -> str:
    shown = [f"`{test}`" for test in tests]
    if rule.covered_by:
        shown.append("as " + ", ".join(f"`{other}`" for other in rule.covered_by))
    notes = [rule.source and f"Source: {rule.source}."]
    if state == NOT_SERVED:
        shown.insert(0, "**not served**")
        notes.insert(0, f"Not served: {rule.not_served}.")
    if rule.deviates:
        notes.insert(0, f"**Otherwise on purpose**; Kubernetes: {rule.deviates}.")
    if state == UNPROVEN:
        shown.insert(0, "**unproven**")
    notes.append(rule.differs and f"1.20 to 1.24: {rule.differs}.")
    cells = (f"`{rule.id}`", rule.rule, "<br>".join(shown), " ".join(filter(None, notes)))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
