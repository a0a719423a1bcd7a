"""What the machine can do at best, in the same run."""

from __future__ import annotations

import subprocess
from pathlib import Path

_SECONDS = 3


def signs_per_second() -> float:
    """Return the RSA-2048 signatures a second that two processes reach together."""
    done = subprocess.run(
        ["openssl", "speed", "-multi", "2", "-seconds", str(_SECONDS), "rsa2048"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return parse(done.stdout)


def parse(output: str) -> float:
    """Read the table of `openssl speed`."""
    row = next(line for line in output.splitlines() if line.startswith("rsa 2048"))
    return float(row.split()[5])


def processor() -> str:
    """Return the name of the processor."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown"
