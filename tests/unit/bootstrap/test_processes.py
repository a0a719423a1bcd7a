"""`bootstrap.processes`: a pid file names a process only together with its start time."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from podpass.bootstrap.home import Home
from podpass.bootstrap.processes import _start_time, running_kubelet, signal_kubelet


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.run.mkdir()
    return home


def test_a_process_is_found_by_pid_and_start_time(home: Home) -> None:
    home.kubelet_pid_file("n").write_text(f"{os.getpid()} {_start_time(os.getpid())}\n")
    assert running_kubelet(home, "n") == os.getpid()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(f"{os.getpid()} 1\n", id="the pid is used again"),
        pytest.param("", id="empty file"),
        pytest.param("x y z", id="not a pid file"),
        pytest.param("4194305 1", id="no such process"),
    ],
)
def test_anything_else_is_not_running(home: Home, content: str) -> None:
    home.kubelet_pid_file("n").write_text(content)
    assert running_kubelet(home, "n") is None


def test_a_signal_reaches_the_process_and_a_zombie_does_not_run(home: Home) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        home.kubelet_pid_file("n").write_text(f"{process.pid} {_start_time(process.pid)}\n")
        signal_kubelet(home, "n", signal.SIGTERM)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert running_kubelet(home, "n") is None
        assert process.wait() == -signal.SIGTERM
    signal_kubelet(home, "n", signal.SIGTERM)
