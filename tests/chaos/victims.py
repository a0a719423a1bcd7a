"""The processes of a home, by what they are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from podpass.bootstrap.home import Home
from podpass.bootstrap.processes import running_kubelet
from podpass.kubelet.runtime.record import start_ticks


@dataclass(frozen=True, slots=True)
class Victim:
    """A process that may be killed.

    Attributes:
        kind: `kubelet`, the name of a container, `shim of ...` or `sandbox of ...`.
        node: Where it runs.
        pid: Its number.
        ticks: When it was started.
    """

    kind: str
    node: str
    pid: int
    ticks: int


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _of_node(home: Home, node: str) -> Iterator[Victim]:
    pid = running_kubelet(home, node)
    if pid is not None:
        yield Victim("kubelet", node, pid, start_ticks(pid))
    for directory in home.node(node).runtime.glob("containers/*"):
        state, config = _read(directory / "state.json"), _read(directory / "config.json")
        name = config.get("config", {}).get("name", "")
        if name and "exit_code" not in state and "pid" in state:
            yield Victim(name, node, state["pid"], state["pid_ticks"])
            yield Victim(f"shim of {name}", node, state["shim_pid"], state["shim_ticks"])
    for directory in home.node(node).runtime.glob("sandboxes/*"):
        state, config = _read(directory / "state.json"), _read(directory / "config.json")
        if "pid" in state:
            name = config.get("config", {}).get("name", "").removesuffix(f"-{node}")
            yield Victim(f"sandbox of {name}", node, state["pid"], state["pid_ticks"])


def victims(home: Home) -> list[Victim]:
    """Return what runs now, sorted by kind and node."""
    found = [
        victim
        for node in sorted(path.name for path in home.root.glob("nodes/*"))
        for victim in _of_node(home, node)
        if start_ticks(victim.pid) == victim.ticks
    ]
    return sorted(found, key=lambda one: (one.kind, one.node, one.pid))
