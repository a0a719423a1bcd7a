"""Load from wrk, a compiled program: the generator must not be what is measured."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

THREADS = 2
_SCRIPT = Path(__file__).with_name("request.lua")


@dataclass(frozen=True)
class Request:
    """What is sent again and again.

    Attributes:
        method: HTTP method.
        url: With https.
        token: Of who sends it; reaches wrk through a file.
        body: JSON, or empty.
    """

    method: str
    url: str
    token: str
    body: str = ""


@dataclass(frozen=True)
class Load:
    """Result of a run: spans in milliseconds.

    Attributes:
        requests: How many were answered.
        per_second: Their rate.
        p50: Half were answered within this time.
        p90: Nine of ten.
        p99: 99 of 100.
        refused: Answers that are not 2xx or 3xx.
        broken: Connections that failed, and answers that did not come.
    """

    requests: int
    per_second: float
    p50: float
    p90: float
    p99: float
    refused: int
    broken: int


def installed() -> bool:
    """Tell whether wrk is there (`apt-get install wrk`)."""
    return shutil.which("wrk") is not None


def run(request: Request, *, connections: int, seconds: int) -> Load:
    """Send `request` over `connections` connections for `seconds` seconds."""
    with tempfile.TemporaryDirectory(prefix="podpass-bench-") as directory:
        token, body = Path(directory, "token"), Path(directory, "body")
        token.write_text(request.token)
        body.write_text(request.body)
        done = subprocess.run(
            ["wrk", f"-t{THREADS}", f"-c{connections}", f"-d{seconds}s", "-s", str(_SCRIPT),
             request.url, "--", request.method, str(token), str(body)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    return parse(done.stdout)


def parse(output: str) -> Load:
    """Read what the script printed last."""
    told = json.loads(output.strip().splitlines()[-1])
    seconds = told.pop("seconds")
    return Load(per_second=told["requests"] / seconds, **told)
