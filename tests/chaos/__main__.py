"""`python -m tests.chaos [--seconds N] [--seed N] [--etcd]`: kill processes of a cluster; judge.

Exit code 0 means that no violation was found.
"""

from __future__ import annotations

import argparse
import asyncio
import random  # noqa: TID251 - the seed is printed
import sys
import tempfile
from pathlib import Path

from tests.chaos.run import run_chaos


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="how long to kill processes")
    parser.add_argument("--seed", type=int, help="to do again what a run did; default: any")
    parser.add_argument("--etcd", action="store_true", help="kill members of an etcd too")
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.randrange(10**6)  # noqa: S311
    store = " STORE=etcd" if arguments.etcd else ""
    say(f"seed {seed}; again with: make chaos SECONDS={arguments.seconds:.0f} SEED={seed}{store}")
    with tempfile.TemporaryDirectory(prefix="podpass-chaos-") as directory:
        report = asyncio.run(
            run_chaos(
                Path(directory),
                seed=seed,
                seconds=arguments.seconds,
                say=say,
                etcd=arguments.etcd,
            )
        )
    for line in report.lines():
        say(line)
    return 1 if report.findings.violations else 0


if __name__ == "__main__":
    sys.exit(main())
