"""End what still runs of a home whose kubelets are not there to stop their pods.

The runtime's records say what that is: a shim's command line names no home, and what a shim runs
is of its own making. A record holds the start of its process, so a number used again harms nobody.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path

from podpass.bootstrap.home import Home
from podpass.kubelet.runtime.record import start_ticks

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_END_SECONDS = 5.0
"""For one killed process to let go of its memory and sockets."""


def recorded_processes(home: Home) -> Iterator[tuple[int, int]]:
    """Yield pid and start, in clock ticks, of what the runtimes of a home have started.

    Shims come before what they look after; whether it still runs is the caller's to find out.
    """
    boot = _BOOT_ID.read_text()
    for runtime in sorted(home.root.glob("nodes/*/runtime")):
        try:
            if (runtime / "boot").read_text() != boot:
                continue  # from before the machine was started
        except OSError:
            continue
        for path in sorted(runtime.glob("*/*/state.json")):
            try:
                record = json.loads(path.read_bytes())
            except (OSError, ValueError):
                continue
            for pid, ticks in (("shim_pid", "shim_ticks"), ("pid", "pid_ticks")):
                if isinstance(record, dict) and pid in record:
                    yield int(record[pid]), int(record[ticks])


def _open_leftovers(home: Home) -> Iterator[int]:
    """Yield a pidfd of each of them; a zombie's is readable. The caller closes it."""
    for pid, ticks in recorded_processes(home):
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            if start_ticks(pid) == ticks:
                yield descriptor
            else:
                os.close(descriptor)


def has_leftovers(home: Home) -> bool:
    """Tell whether one of them runs, also one that answers nobody."""
    running = False
    for descriptor in _open_leftovers(home):
        running |= not select.select([descriptor], [], [], 0)[0]
        os.close(descriptor)
    return running


def kill_leftovers(home: Home) -> int:
    """Kill them, and wait until they have ended; returns how many there were."""
    killed = []
    for descriptor in _open_leftovers(home):
        killed.append(descriptor)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    for descriptor in killed:
        select.select([descriptor], [], [], _END_SECONDS)
        os.close(descriptor)
    return len(killed)
