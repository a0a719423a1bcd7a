"""The process that looks after one container while kubelets come and go.

It has a session of its own, joins the pod's namespaces, forks the container's first process,
copies its output to the log, records how it ended, and ends. The kubelet watches it through a
pidfd and reads `state.json`:

    {"shim_pid", "shim_ticks"}                                    starting
    ... + {"pid", "pid_ticks", "started_at"}                      running
    ... + {"finished_at", "exit_code", "reason", "message"}       exited

Times are nanoseconds since the epoch, ticks are from `record.start_ticks`. Dies the shim, so does
the container. Descriptor 3 is the socket at which clients attach (see `container_streams`). `json`,
`signal` and `socket` would double its private memory: only small imports.
"""

# Runs in a small process: no pathlib, no contextlib.
# ruff: noqa: SIM105
from __future__ import annotations

import marshal
import os
import time

from podpass.kubelet.runtime import credentials, kernel
from podpass.kubelet.runtime.container_init import SetupFailed, start_program
from podpass.kubelet.runtime.container_streams import LISTENER, ContainerStreams
from podpass.kubelet.runtime.cri_log import LogWriter
from podpass.kubelet.runtime.program import CannotExecute
from podpass.kubelet.runtime.record import start_ticks, write_record

TYPE_CHECKING = False  # importing `typing` costs a megabyte in every shim
if TYPE_CHECKING:
    from podpass.kubelet.runtime.specs import ContainerSpec

START_ERROR = 128
"""Exit code of a container whose program never ran, as containerd gives it."""


def main() -> None:
    """Run the container that is described on standard input; the reply goes to descriptor 1."""
    with os.fdopen(0, "rb", closefd=False) as file:
        spec: ContainerSpec = marshal.load(file)  # noqa: S302 - our own parent's bytes
    reply = os.dup(1)
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.set_inheritable(LISTENER, False)  # noqa: FBT003 - positional only
    kernel.name_process("podpass-shim")
    Shim(spec, reply).run()
    os._exit(0)


class Shim:
    """One container from its start to its end."""

    def __init__(self, spec: ContainerSpec, reply: int) -> None:
        self._spec = spec
        self._reply = reply
        self._path = spec["directory"] + "/state.json"
        self._record: dict[str, str | int | None] = {
            "shim_pid": os.getpid(),
            "shim_ticks": start_ticks(os.getpid()),
        }

    def run(self) -> None:
        """Start the container and stay until it has ended."""
        self._claim()
        try:
            log = LogWriter(
                self._spec["log_path"], self._spec["log_bytes"], self._spec["log_files"]
            )
            self._join_pod()
            pid, outputs, stdin = self._start()
        except (SetupFailed, CannotExecute, OSError) as error:
            cannot_execute = isinstance(error, CannotExecute)
            self._finish(START_ERROR, "StartError", str(error))
            self._answer(b"exited" if cannot_execute else b"failed " + str(error).encode())
            return
        self._record |= {
            "pid": pid,
            "pid_ticks": start_ticks(pid),
            "started_at": time.time_ns(),
        }
        write_record(self._path, self._record, durable=False)
        self._answer(b"running")
        streams = ContainerStreams(
            pid,
            outputs,
            stdin,
            terminal=self._spec["tty"],
            stdin_once=self._spec["stdin_once"],
            log=log,
        )
        status = streams.run()
        code = os.waitstatus_to_exitcode(status)
        code = code if code >= 0 else 128 - code
        self._finish(code, "Error" if code else "Completed", "")

    def _claim(self) -> None:
        """Fail if the container was started before, by this kubelet or one before it."""
        os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        write_record(self._path, self._record, durable=False)

    def _finish(self, code: int, reason: str, message: str) -> None:
        now = time.time_ns()
        self._record.setdefault("started_at", now)
        self._record |= {
            "finished_at": now,
            "exit_code": code,
            "reason": reason,
            "message": message,
        }
        write_record(self._path, self._record, durable=True)

    def _answer(self, text: bytes) -> None:
        try:
            os.write(self._reply, text)
        except OSError:
            pass  # that kubelet is gone; the next one reads the record
        os.close(self._reply)

    def _join_pod(self) -> None:
        shared = kernel.NEW_IPC | kernel.NEW_UTS
        sandbox = self._spec["sandbox_pid"]
        if sandbox:
            descriptor = os.pidfd_open(sandbox)
            if start_ticks(sandbox) != self._spec["sandbox_ticks"]:
                raise SetupFailed("the pod sandbox is gone")
            user = 0 if self._spec["rootful"] else kernel.NEW_USER
            kernel.join_namespaces(descriptor, shared | kernel.NEW_NET | user)
            os.close(descriptor)
            kernel.unshare(kernel.NEW_PID)
            return
        if not self._spec["rootful"]:
            credentials.enter_user_namespace(0, 0)
        kernel.unshare(shared | kernel.NEW_PID)
        kernel.set_hostname(self._spec["hostname"])

    def _start(self) -> tuple[int, dict[int, bytes], int]:
        """Fork the container's first process.

        Returns:
            Its pid, where its output comes from, and where its input goes.
        """
        streams, outputs, stdin, inner = self._open_streams()
        verdict, verdict_in = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                start_program(self._spec, streams)
            except CannotExecute as error:
                os.write(verdict_in, b"x" + error.message.encode())
            except BaseException as error:  # noqa: BLE001 - nobody above could tell
                os.write(verdict_in, b"s" + str(error).encode())
            os._exit(START_ERROR)
        os.close(verdict_in)
        for descriptor in inner:
            os.close(descriptor)
        complaint = b""
        while chunk := os.read(verdict, 4096):
            complaint += chunk
        os.close(verdict)
        if complaint:
            os.waitpid(pid, 0)
            text = complaint[1:].decode(errors="replace")
            raise CannotExecute(text, 0) if complaint[:1] == b"x" else SetupFailed(text)
        return pid, outputs, stdin

    def _open_streams(self) -> tuple[tuple[int, int, int], dict[int, bytes], int, set[int]]:
        if self._spec["tty"]:
            master, slave = os.openpty()
            return (slave, slave, slave), {master: b"stdout"}, master, {slave}
        stdin_in = -1
        if self._spec["stdin"]:
            stdin, stdin_in = os.pipe()
        else:
            stdin = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        out, out_in = os.pipe()
        err, err_in = os.pipe()
        streams = (stdin, out_in, err_in)
        return streams, {out: b"stdout", err: b"stderr"}, stdin_in, set(streams)
