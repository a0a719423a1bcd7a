"""Small JSON files that the runtime's own processes write whole or not at all.

They cannot afford `json`, `pathlib` and `secrets`; the kubelet's side is `state`.
"""

# Runs in a small process: no pathlib, no contextlib.
# ruff: noqa: PTH104
from __future__ import annotations

import os


def quote(text: str) -> str:
    """Return `text` as a JSON string."""
    out = []
    for character in text:
        if character in '"\\':
            out.append("\\" + character)
        elif ord(character) < 0x20 or 0xD800 <= ord(character) < 0xE000:  # noqa: PLR2004 - controls and lone surrogates
            out.append(f"\\u{ord(character):04x}")
        else:
            out.append(character)
    return '"' + "".join(out) + '"'


def render(record: dict[str, str | int | None]) -> bytes:
    """Return `record` as JSON."""
    fields = []
    for key, value in record.items():
        text = quote(value) if isinstance(value, str) else "null" if value is None else str(value)
        fields.append(f"{quote(key)}:{text}")
    return ("{" + ",".join(fields) + "}").encode()


def write_record(path: str, record: dict[str, str | int | None], *, durable: bool) -> None:
    """Replace `path` in one step.

    Args:
        path: Target; only one process may write it at a time.
        record: What to write.
        durable: Whether it must survive a crash of the machine, not only of processes.

    Raises:
        OSError: The directory is missing or full; the old file is untouched.
    """
    temporary = path + ".new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o600)
    try:
        data = render(record)
        while data:
            data = data[os.write(descriptor, data) :]
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(temporary, path)


def start_ticks(pid: int) -> int:
    """Return when process `pid` started, in clock ticks since boot; -1 when there is none.

    Together with the pid and the boot it names a process for ever (proc(5), stat field 22).
    """
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1
    try:
        line = os.read(descriptor, 4096)
    except OSError:
        return -1
    finally:
        os.close(descriptor)
    state_and_more = line[line.rindex(b")") + 2 :].split()
    return int(state_and_more[19])
