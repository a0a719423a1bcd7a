"""Requests a second, beside what they cost the API servers in processor time."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from harness import ClusterUnderTest

from benchmarks import limits, wrk
from benchmarks.memory import cluster_pids
from benchmarks.table import Row

_ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/bench"
_SHARE = 0.6
"""Of the limit, that TokenRequests are to reach."""


@dataclass(frozen=True)
class _Case:
    name: str
    connections: int
    budget: float
    """Requests a second; 0 for a share of the limit."""

    request: wrk.Request


def request_rows(cluster: ClusterUnderTest, *, seconds: int) -> Iterator[Row]:
    """Yield a row for each kind of request."""
    cluster.ok("create", "sa", "bench")
    cluster.ok("create", "clusterrolebinding", "bench", "--clusterrole=cluster-admin",
               "--serviceaccount=default:bench")  # fmt: skip
    token = cluster.ok("create", "token", "bench", "--duration=1h").strip()
    for case in _cases(f"https://127.0.0.1:{cluster.port}", token):
        wrk.run(case.request, connections=case.connections, seconds=1)  # opens what is opened once
        before_limit = 0.0 if case.budget else limits.signs_per_second()
        before = api_server_seconds(cluster.home)
        load = wrk.run(case.request, connections=case.connections, seconds=seconds)
        used = api_server_seconds(cluster.home) - before
        # The machine may be slower now than it was a moment ago.
        limit = None if case.budget else (before_limit + limits.signs_per_second()) / 2
        yield _row(case, load, used / max(load.requests, 1) * 1e6, limit)


def _row(case: _Case, load: wrk.Load, microseconds: float, limit: float | None) -> Row:
    bad = load.refused + load.broken
    note = (
        f"p50 {load.p50:.1f} ms, p90 {load.p90:.1f} ms, p99 {load.p99:.1f} ms; "
        f"{microseconds:.0f} us of processor time for each; {bad} refused"
    )
    if limit is not None:
        note += f"\nlimit {limit:,.0f} signatures/s, measured before and after"
    return Row(
        f"{case.name}, {case.connections} connections", "/s",
        budget=_SHARE * limit if limit is not None else case.budget,
        measured=load.per_second, at_least=True, limit=limit,
        details=asdict(load) | {"server_microseconds": microseconds}, note=note,
    )  # fmt: skip


def _cases(base: str, token: str) -> list[_Case]:
    spec = {"spec": {"audiences": ["vault"], "expirationSeconds": 3600}}
    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token},
    }
    issue = wrk.Request("POST", f"{base}{_ACCOUNT}/token", token, json.dumps(spec))
    check = wrk.Request(
        "POST", f"{base}/apis/authentication.k8s.io/v1/tokenreviews", token, json.dumps(review)
    )
    return [
        _Case("TokenRequest, RS256-2048", 16, 0, issue),
        _Case("TokenRequest, RS256-2048", 64, 0, issue),
        _Case("TokenReview of one valid token", 64, 6000, check),
        _Case(
            "GET one object by bearer token", 16, 6000, wrk.Request("GET", base + _ACCOUNT, token)
        ),
        _Case("JWKS", 16, 12_000, wrk.Request("GET", f"{base}/openid/v1/jwks", token)),
    ]


def api_server_seconds(home: Path) -> float:
    """Return the processor time of the API servers, and of what signs for them, so far."""
    ticks = 0
    for pid in cluster_pids(home):
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if b"apiserver" in arguments or b"podpass.apiserver.signing_worker" in arguments:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
