"""Writes the table of docs/clients.md, or checks it: `python -m tests.clients.page [check]`.

Rows come from the marks of the tests, versions from the installed clients. `check` needs none of
them and leaves the versions alone; test_versions.py compares them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.clients.versions import installed_versions
from tests.compatibility.collection import CollectionFailed, collect
from tests.compatibility.evidence import Marked

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"
BEGIN = "<!-- from the tests; make clients-page -->"
END = "<!-- end -->"
HEAD = ("| client | version | what it does | test |", "|---|---|---|---|")


class Untold(Exception):
    """A test does not say what it drives, or the page has no room for the table."""


def table(tests: Iterable[Marked], versions: Mapping[str, str]) -> str:
    """Return a row for each thing that was tried with a client.

    Raises:
        Untold: A test has not both marks, `client` and `tried`.
    """
    rows: dict[tuple[str, str, str], None] = {}
    for test in tests:
        if any(True for _ in test.iter_markers("about_the_suite")):
            continue
        clients = [str(mark.args[0]) for mark in test.iter_markers("client")]
        tried = [str(mark.args[0]) for mark in test.iter_markers("tried")]
        if len(clients) != 1 or len(tried) != 1:
            raise Untold(f"{test.nodeid} needs a mark `client` and a mark `tried`")
        shown = test.nodeid.partition("[")[0].removeprefix("tests/clients/")
        rows[clients[0], tried[0], shown] = None
    order = {client: place for place, (client, *_) in reversed(list(enumerate(rows)))}
    lines = [
        f"| {client} | {versions.get(client, '?')} | {tried} | `{shown}` |"
        for client, tried, shown in sorted(rows, key=lambda row: order[row[0]])
    ]
    return "\n".join([*HEAD, *lines])


def versions_of(page: str) -> dict[str, str]:
    """Return the versions that the page's table has."""
    _, _, rest = page.partition(BEGIN)
    rows = [line.split(" | ") for line in rest.partition(END)[0].strip().splitlines()[2:]]
    return {row[0].removeprefix("| "): row[1] for row in rows}


def with_table(page: str, rows: str) -> str:
    """Return the page with this table in place of its own.

    Raises:
        Untold: The page has no place for it.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise Untold(f"{PAGE.name} has not the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{rows}\n{END}{after}"


def main(arguments: list[str]) -> int:
    """Write or check the page; return the exit status."""
    page = PAGE.read_text()
    versions = versions_of(page)
    try:
        tests = collect("tests/clients")
        if arguments == ["check"]:
            if with_table(page, table(tests, versions)) == page:
                return 0
            sys.stderr.write("docs/clients.md is out of date: run `make clients-page`\n")
            return 1
        PAGE.write_text(with_table(page, table(tests, versions | installed_versions())))
    except (CollectionFailed, Untold) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
