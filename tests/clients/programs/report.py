"""What a client program tells the suite: a line of JSON for each step that it has taken."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

STEPS = (
    "log in",
    "list in pages",
    "watch",
    "create a pod",
    "read its log",
    "run a command in it",
    "request a token",
    "review a token",
    "log in with the token",
    "be refused",
)
"""Every tour takes these, in this order; the suite compares."""

IMAGE = "busybox"
SCRIPT = "echo hello from $HOSTNAME; sleep 3600"
ACCOUNT = "build-robot"


@contextmanager
def step(name: str) -> Iterator[None]:
    """Say that a step was taken, when nothing in it raised."""
    if name not in STEPS:
        raise ValueError(f"{name} is not a step")
    started = time.perf_counter()
    yield
    say(step=name, seconds=round(time.perf_counter() - started, 3))


def say(**fields: Any) -> None:
    """Print a line for the suite."""
    print(json.dumps(fields), flush=True)  # noqa: T201 - the suite reads it


def pod(name: str) -> dict[str, Any]:
    """Return a pod that greets in its log and stays."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"tour": name}},
        "spec": {
            "serviceAccountName": ACCOUNT,
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "main", "image": IMAGE, "command": ["sh", "-c", SCRIPT]}],
        },
    }


def check(condition: object, seen: object) -> None:
    """Stop the tour unless the condition holds; show what was seen.

    Raises:
        AssertionError: It does not hold.
    """
    if not condition:
        raise AssertionError(seen)
