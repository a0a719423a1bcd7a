"""How long `podpass up` takes in an empty home, from the command to all nodes Ready."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from harness import ClusterUnderTest, free_port

RUNS = 3


def start_up_seconds(nodes: int) -> list[float]:
    """Return the spans of RUNS starts, each in a home of its own."""
    spans = []
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory(prefix="podpass-bench-") as directory:
            cluster = ClusterUnderTest(Path(directory) / "home", free_port(), nodes=nodes)
            started = time.perf_counter()
            result = cluster.up()
            spans.append(time.perf_counter() - started)
            cluster.down()
            if result.code != 0:
                raise RuntimeError(result.err)
    return spans
