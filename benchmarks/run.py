"""`make bench`: print the budget table with measured values, and write it as JSON."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from harness import REPOSITORY, ClusterUnderTest, eventually, free_port

from benchmarks import wrk
from benchmarks.imports import PROGRAMS, import_seconds
from benchmarks.limits import processor
from benchmarks.memory import cluster_pids, pss_by_program
from benchmarks.pod_start import median, pod_start_seconds, wait_for_default_account
from benchmarks.request_rates import request_rows
from benchmarks.startup import start_up_seconds
from benchmarks.table import Row, render
from podpass.base.clock import SystemClock

PARTS = ("imports", "startup", "memory", "pod", "requests")


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"), metavar="FILE")
    parser.add_argument("--seconds", type=int, default=8, help="of load for each row")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part, repeatable")
    options = parser.parse_args()
    chosen = options.only or PARTS
    load_before = os.getloadavg()[0]
    rows = list(_rows(chosen, options.seconds))
    machine: dict[str, Any] = {
        "processor": processor(),
        "cores": os.cpu_count(),
        "load_average_before": load_before,
        "time": SystemClock().now().isoformat(timespec="seconds"),
    }
    print(
        f"{machine['processor']}, {machine['cores']} cores, "
        f"load average before the run {load_before:.2f}\n"
    )
    print(render(rows))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    report = machine | {"rows": [row.as_json() for row in rows]}
    options.json.write_text(json.dumps(report, indent=2) + "\n")


def _rows(chosen: tuple[str, ...], seconds: int) -> Iterator[Row]:
    if "imports" in chosen:
        for name, module in PROGRAMS.items():
            yield Row(f"import of the {name}", "s", None, import_seconds(module))
    if "startup" in chosen:
        for nodes, budget in ((1, 2.0), (3, 5.0)):
            spans = start_up_seconds(nodes)
            yield Row(
                f"up to all nodes Ready, {nodes} node(s)", "s", budget, median(spans),
                details={"seconds": spans},
            )  # fmt: skip
    if not {"memory", "pod", "requests"} & set(chosen):
        return
    with tempfile.TemporaryDirectory(prefix="podpass-bench-") as directory:
        cluster = ClusterUnderTest(Path(directory) / "home", free_port())
        started = cluster.up()
        if started.code != 0:
            raise SystemExit(started.err)
        try:
            wait_for_default_account(cluster)
            cluster.ok("create", "sa", "build-robot")
            if "memory" in chosen:
                yield _memory(cluster)
            if "pod" in chosen:
                yield _pod(cluster)
            if "requests" in chosen and not wrk.installed():
                raise SystemExit("requests are not measured without wrk: apt-get install wrk")
            if "requests" in chosen:
                yield from request_rows(cluster, seconds=seconds)
        finally:
            cluster.down()


def _memory(cluster: ClusterUnderTest) -> Row:
    wait_idle(cluster)
    by_program = pss_by_program(cluster.home)
    parts = ", ".join(
        f"{count} {name} {megabytes:.0f}" for name, (count, megabytes) in sorted(by_program.items())
    )
    return Row(
        "memory (PSS), three nodes, idle", "MB", 400,
        sum(megabytes for _, megabytes in by_program.values()),
        details={"by_program": by_program}, note=parts,
    )  # fmt: skip


def _pod(cluster: ClusterUnderTest) -> Row:
    manifest = yaml.safe_load((REPOSITORY / "examples/pod-projected-svc-token.yaml").read_text())
    spans = pod_start_seconds(cluster, manifest)
    return Row(
        "oc create -f pod to Running, with its token", "ms", 500, median(spans) * 1000,
        details={"seconds": spans},
        note=f"{spans[0] * 1000:.0f} to {spans[-1] * 1000:.0f} ms in {len(spans)} runs",
    )  # fmt: skip


def wait_idle(cluster: ClusterUnderTest) -> None:
    """Return when the cluster's processes use next to no processor time."""

    def used() -> int:
        ticks = 0
        for pid in cluster_pids(cluster.home):
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            ticks += int(fields[11]) + int(fields[12])
        return ticks

    def idle() -> bool:
        before = used()
        time.sleep(1)  # noqa: TID251 - measures a second
        return used() - before < os.sysconf("SC_CLK_TCK") / 5

    eventually(idle, within=30)


if __name__ == "__main__":
    main()
