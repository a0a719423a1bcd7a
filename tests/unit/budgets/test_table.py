"""The table of budgets, and what is read from the programs that measure."""

from __future__ import annotations

import pytest
from benchmarks import limits, wrk
from benchmarks.table import Row, render


@pytest.mark.parametrize(
    ("row", "met"),
    [
        pytest.param(Row("start", "s", 2, 2.0), True, id="exactly the budget"),
        pytest.param(Row("start", "s", 2, 2.01), False, id="above the budget"),
        pytest.param(Row("rate", "/s", 6000, 6000, at_least=True), True, id="exactly the rate"),
        pytest.param(Row("rate", "/s", 6000, 5999, at_least=True), False, id="below the rate"),
        pytest.param(Row("import", "s", None, 9.0), True, id="what is only counted"),
    ],
)
def test_a_budget_is_kept_or_missed(row: Row, met: bool) -> None:
    assert row.met is met
    assert row.as_json()["met"] is met


def test_the_ratio_is_to_the_limit_where_there_is_one() -> None:
    row = Row("tokens", "/s", 600, 500, at_least=True, limit=1000)
    assert row.ratio == 0.5
    assert Row("memory", "MB", 400, 300).ratio == 0.75
    assert Row("import", "s", None, 1).ratio is None


def test_the_table_says_what_was_missed() -> None:
    rows = [
        Row("start", "s", 2, 1.5),
        Row("import", "s", None, 0.25),
        Row("tokens", "/s", 4000, 3500.4, at_least=True, limit=6000, note="p50 1 ms\np99 2 ms"),
    ]
    assert render(rows).splitlines() == [
        "         budget  measured  ratio",
        "start    2.00 s    1.50 s  75% of the budget  kept",
        "import             0.25 s",
        "tokens  4,000/s   3,500/s  58% of the limit   MISSED",
        "    p50 1 ms",
        "    p99 2 ms",
    ]


def test_the_figures_of_wrk_are_its_last_line() -> None:
    output = (
        "Running 8s test @ https://127.0.0.1:6443\n  2 threads and 16 connections\n\n"
        '{"requests": 800, "seconds": 8.0, "refused": 1, "broken": 2, "p50": 1.5, "p90": 2, '
        '"p99": 3}\n'
    )
    assert wrk.parse(output) == wrk.Load(800, 100.0, 1.5, 2, 3, 1, 2)


def test_the_limit_is_the_rate_of_signatures() -> None:
    output = (
        "                  sign    verify    sign/s verify/s\n"
        "rsa 2048 bits 0.000141s 0.000008s   7099.3 120034.1\n"
    )
    assert limits.parse(output) == 7099.3
