"""Half a minute of `make chaos`, with a fixed seed."""

from __future__ import annotations

from pathlib import Path

import pytest
from storage.etcd_server import program

from tests.chaos.etcd_members import MEMBER
from tests.chaos.run import run_chaos


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "etcd",
    [
        pytest.param(False, id="in a cluster on SQLite"),
        pytest.param(
            True,
            id="and members of its etcd",
            marks=pytest.mark.skipif(program() is None, reason="no wheel of etcd for this machine"),
        ),
    ],
)
async def test_nothing_is_lost_while_processes_are_killed(tmp_path: Path, etcd: bool) -> None:
    report = await run_chaos(tmp_path, seed=4, seconds=30, say=lambda _: None, etcd=etcd)
    assert report.findings.violations == [], "\n".join(report.lines())
    assert report.kills.total() >= 5
    assert report.findings.acknowledged > 50
    assert report.findings.events > 50
    assert report.findings.token_reads > 100
    assert bool(report.kills[MEMBER]) is etcd
