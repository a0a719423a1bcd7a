"""Half a minute of `make chaos`, with a fixed seed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.run import run_chaos


@pytest.mark.timeout(600)
async def test_nothing_is_lost_while_processes_are_killed(tmp_path: Path) -> None:
    report = await run_chaos(tmp_path, seed=4, seconds=30, say=lambda _: None)
    assert report.findings.violations == [], "\n".join(report.lines())
    assert report.kills.total() >= 5
    assert report.findings.acknowledged > 50
    assert report.findings.events > 50
    assert report.findings.token_reads > 100
