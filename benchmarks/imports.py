"""How long it takes until a program of ours is loaded: it counts in every start."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

RUNS = 7
PROGRAMS = {
    "kubelet": "podpass.kubelet.app",
    "API server": "podpass.apiserver.process",
    "controller manager": "podpass.controllers.app",
}


def import_seconds(module: str) -> float:
    """Return the median of RUNS imports of a module, without what Python itself takes."""
    return max(_median(f"import {module}") - _median("pass"), 0.0)


def _median(program: str) -> float:
    spans = []
    for _ in range(RUNS):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True)
        spans.append(time.perf_counter() - started)
    return statistics.median(spans)
