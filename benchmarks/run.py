"""`make bench`: print the budget table with measured values, and write it as JSON."""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path

import yaml
from harness import REPOSITORY, ClusterUnderTest, eventually, free_port

from benchmarks.memory import cluster_pids, pss_by_program
from benchmarks.pod_start import median, pod_start_seconds, wait_for_default_account
from benchmarks.startup import start_up_seconds
from benchmarks.token_requests import openssl_signs_per_second, processor, token_requests

RESULTS = REPOSITORY / "bench-results.json"


def main() -> None:
    rows: list[tuple[str, str, str]] = []
    results: dict[str, object] = {"processor": processor(), "cores": os.cpu_count()}
    for nodes, budget in ((1, 2), (3, 5)):
        seconds = start_up_seconds(nodes)
        results[f"start_up_seconds_{nodes}"] = seconds
        rows.append((f"up to all nodes Ready, {nodes} node(s)", f"{budget} s", f"{seconds:.2f} s"))
    with tempfile.TemporaryDirectory(prefix="podpass-bench-") as directory:
        cluster = ClusterUnderTest(Path(directory) / "home", free_port())
        started = cluster.up()
        if started.code != 0:
            raise SystemExit(started.err)
        try:
            measure(cluster, rows, results)
        finally:
            cluster.down()
    width = max(len(row[0]) for row in rows)
    print(f"{results['processor']}, {results['cores']} cores")
    for name, budget_text, value in rows:
        print(f"{name.ljust(width)}   budget {budget_text.ljust(22)}  measured {value}")
    RESULTS.write_text(json.dumps(results, indent=2))


def measure(
    cluster: ClusterUnderTest, rows: list[tuple[str, str, str]], results: dict[str, object]
) -> None:
    wait_for_default_account(cluster)
    cluster.ok("create", "sa", "build-robot")
    wait_idle(cluster)
    by_program = pss_by_program(cluster.home)
    total = sum(megabytes for _, megabytes in by_program.values())
    results["pss_megabytes"] = total
    results["pss_by_program"] = by_program
    parts = ", ".join(
        f"{count} {name} {megabytes:.0f}" for name, (count, megabytes) in sorted(by_program.items())
    )
    rows.append(("memory (PSS), three nodes, idle", "400 MB", f"{total:.0f} MB ({parts})"))

    manifest = yaml.safe_load((REPOSITORY / "examples/pod-projected-svc-token.yaml").read_text())
    spans = pod_start_seconds(cluster, manifest)
    results["pod_start_seconds"] = spans
    rows.append(
        (
            "oc create -f pod to Running",
            "500 ms",
            f"{median(spans) * 1000:.0f} ms ({spans[0] * 1000:.0f} to {spans[-1] * 1000:.0f})",
        )
    )

    limit = openssl_signs_per_second()
    load = token_requests(cluster)
    results["openssl_signs_per_second"] = limit
    if load is None:
        rows.append(("TokenRequest", "60 % of the limit", "not measured: install wrk"))
        return
    results["token_requests_per_second"] = load.per_second
    rows.append(
        (
            "TokenRequest, RS256-2048, 32 connections",
            "60 % of the limit",
            (
                f"{load.per_second:.0f}/s = {load.per_second / limit:.0%} of {limit:.0f} signs/s "
                f"(p50 {load.p50:.0f} ms, p99 {load.p99:.0f} ms, {load.refused} refused)"
            ),
        )
    )


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
