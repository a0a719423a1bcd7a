"""TokenRequests a second, beside the limit: the RSA signatures that the processor makes.

The load comes from wrk, a compiled program; the limit from `openssl speed` in the same run.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness import ClusterUnderTest

SECONDS = 8
CONNECTIONS = 32


@dataclass(frozen=True)
class Load:
    """Result of a run: requests a second, latencies in milliseconds, and what was not a 2xx."""

    per_second: float
    p50: float
    p99: float
    refused: int


def openssl_signs_per_second() -> float:
    """Return the RSA-2048 signatures a second that two processes reach together."""
    done = subprocess.run(
        ["openssl", "speed", "-multi", "2", "-seconds", "3", "rsa2048"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    row = next(line for line in done.stdout.splitlines() if line.startswith("rsa 2048"))
    return float(row.split()[5])


def token_requests(cluster: ClusterUnderTest) -> Load | None:
    """Load one account's token path; None where wrk is not installed."""
    wrk = shutil.which("wrk")
    if wrk is None:
        return None
    cluster.ok("create", "sa", "bench")
    cluster.ok("create", "clusterrolebinding", "bench", "--clusterrole=cluster-admin",
               "--serviceaccount=default:bench")  # fmt: skip
    token = cluster.ok("create", "token", "bench", "--duration=1h").strip()
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(
            'wrk.method = "POST"\n'
            'wrk.body = \'{"spec":{"audiences":["vault"],"expirationSeconds":3600}}\'\n'
            'wrk.headers["Content-Type"] = "application/json"\n'
            f'wrk.headers["Authorization"] = "Bearer {token}"\n'
        )
        script.flush()
        url = (
            f"https://127.0.0.1:{cluster.port}"
            "/api/v1/namespaces/default/serviceaccounts/bench/token"
        )
        done = subprocess.run(
            [wrk, "-t2", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", "-s", script.name, url],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    return parse(done.stdout)


def parse(output: str) -> Load:
    """Read what wrk printed."""
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    rate = re.search(r"Requests/sec:\s+([0-9.]+)", output)
    if rate is None:
        raise RuntimeError(output)
    return Load(
        float(rate[1]), _milliseconds(output, "50%"), _milliseconds(output, "99%"),
        int(refused[1]) if refused else 0,
    )  # fmt: skip


def _milliseconds(output: str, row: str) -> float:
    found = re.search(rf"{row}\s+([0-9.]+)(us|ms|s)", output)
    if found is None:
        return float("nan")
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]


def processor() -> str:
    """Return the name of the processor."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown"
