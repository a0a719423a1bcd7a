"""Starts the runtime's own processes and hears whether they got going."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from podpass.base.tasks import new_uid
from podpass.kubelet.runtime.process_watch import ProcessWatch, read_to_end, start_process
from podpass.kubelet.runtime.specs import ContainerSpec, SandboxSpec


def new_id() -> str:
    """Return a random id of 64 hexadecimal digits, as other runtimes give them."""
    return (new_uid() + new_uid()).replace("-", "")


async def start_and_hear(
    module: str,
    spec: ContainerSpec | SandboxSpec,
    directory: Path,
    watch: ProcessWatch,
    *,
    descriptors: Sequence[tuple[int, int]] = (),
) -> tuple[int, bytes]:
    """Start a process of ours; return its pid and what it replied.

    Args:
        module: Module of this package whose `main` it runs.
        spec: What it is told.
        directory: Where its complaints go.
        watch: Takes note of its end when we are cancelled; it is killed then.
        descriptors: Further ones of ours, and which one each becomes there.

    Raises:
        OSError: No process can be started.
    """
    answer, reply = os.pipe()
    complaints = os.open(
        directory / "stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600
    )
    try:
        given = [(reply, 1), (complaints, 2), *descriptors]
        pid = start_process(module, spec, descriptors=given)
    except BaseException:
        os.close(answer)
        raise
    finally:
        os.close(reply)
        os.close(complaints)
    try:
        return pid, await read_to_end(answer)
    except asyncio.CancelledError:
        os.kill(pid, signal.SIGKILL)  # nobody would know of it
        watch.reap(pid)
        raise


def last_words(directory: Path) -> str:
    """Return the last line that a process of ours printed before it died."""
    with contextlib.suppress(OSError):
        lines = (directory / "stderr").read_text(errors="replace").strip().splitlines()
        if lines:
            return lines[-1]
    return "its process died without a word"
