"""Writes docs/compatibility.md, or checks it: `python -m tests.compatibility [check]`."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.compatibility.collection import CollectionFailed, collect
from tests.compatibility.evidence import evidence_by_rule
from tests.compatibility.page import UNPROVEN, render, states
from tests.compatibility.rule_list import read_topics

PAGE = Path("docs/compatibility.md")
TESTS = ("tests/unit", "tests/e2e")
UNPROVEN_AT_MOST = 0


def main(arguments: list[str]) -> int:
    """Collect the tests and write or check the page; returns the exit status."""
    try:
        items = collect(*TESTS)
    except CollectionFailed as failed:
        sys.stderr.write(f"{failed}\n")
        return 1
    topics, tests = read_topics(), evidence_by_rule(items)
    page = render(topics, tests)
    unproven = [rule for rule, state in states(topics, tests).items() if state == UNPROVEN]
    if arguments != ["check"]:
        PAGE.write_text(page)
    elif not PAGE.exists() or PAGE.read_text() != page:
        sys.stderr.write(f"{PAGE} is out of date: run `make compatibility`\n")
        return 1
    if len(unproven) > UNPROVEN_AT_MOST:
        sys.stderr.write(f"{len(unproven)} rules have no test: {', '.join(unproven)}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
