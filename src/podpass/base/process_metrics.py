"""`process_*`: what the kernel says about this process, under the names that Prometheus gave it.

Source: prometheus.io, "Writing client libraries", process metrics.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path

from podpass.base.metrics import Registry

_PROC = Path("/proc")
_START_TIME, _USER_TICKS, _SYSTEM_TICKS, _VIRTUAL, _RESIDENT = 19, 11, 12, 20, 21
"""Places in `/proc/PID/stat` behind the command's name."""


def add_process_metrics(registry: Registry, proc: Path = _PROC) -> None:
    """Show CPU, memory, files and start of this process; silent where there is no /proc.

    Args:
        registry: Shows them.
        proc: The process file system.
    """
    if not (proc / "self/stat").exists():
        return
    cpu = registry.counter("process_cpu_seconds_total", "Processor time that was used.")
    resident = registry.gauge("process_resident_memory_bytes", "Memory that is resident.")
    virtual = registry.gauge("process_virtual_memory_bytes", "Address space that is mapped.")
    opened = registry.gauge("process_open_fds", "Files that are open.")
    maximum = registry.gauge("process_max_fds", "Files that may be open.")
    started = registry.gauge("process_start_time_seconds", "Start, in seconds since 1970.")
    ticks = os.sysconf("SC_CLK_TCK")
    page = os.sysconf("SC_PAGE_SIZE")
    boot = _boot_time(proc)

    def update() -> None:
        # The name before the last bracket may hold spaces and brackets.
        fields = (proc / "self/stat").read_text().rpartition(")")[2].split()
        used = (int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])) / ticks
        cpu.inc(by=used - cpu.value())
        resident.set(int(fields[_RESIDENT]) * page)
        virtual.set(int(fields[_VIRTUAL]))
        opened.set(sum(1 for _ in (proc / "self/fd").iterdir()))
        maximum.set(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        started.set(boot + int(fields[_START_TIME]) / ticks)

    registry.before_render(update)


def _boot_time(proc: Path) -> float:
    for line in (proc / "stat").read_text().splitlines():
        if line.startswith("btime "):
            return float(line.split()[1])
    return 0.0
