"""The memory of a cluster: PSS of its kubelets, shims, sandboxes and all that runs in them."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path


def cluster_pids(home: Path) -> set[int]:
    """Return the processes that name the home in their arguments, and all their descendants."""
    children: dict[int, set[int]] = defaultdict(set)
    found: set[int] = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            arguments = (entry / "cmdline").read_bytes()
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children[parent].add(int(entry.name))
        if f"{home}/".encode() in arguments:
            found.add(int(entry.name))
    waiting = list(found)
    while waiting:
        for child in children[waiting.pop()] - found:
            found.add(child)
            waiting.append(child)
    return found


def pss_by_program(home: Path) -> dict[str, tuple[int, float]]:
    """Return program -> (number of processes, PSS in MB)."""
    sums: dict[str, tuple[int, float]] = {}
    for pid in cluster_pids(home):
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        kilobytes = int(
            next(row for row in rollup.splitlines() if row.startswith("Pss:")).split()[1]
        )
        name = _program(arguments)
        count, megabytes = sums.get(name, (0, 0.0))
        sums[name] = (count + 1, megabytes + kilobytes / 1024)
    return sums


def _program(arguments: list[bytes]) -> str:
    for known in (b"apiserver", b"controller-manager", b"kubelet"):
        if b"podpass" in arguments and known in arguments:
            return known.decode()
    for argument in arguments:
        if argument.endswith(b".py"):
            return Path(argument.decode()).name
    return Path(arguments[0].decode()).name or "?"
