import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from podpass.bootstrap.home import Home
from podpass.bootstrap.leftovers import has_leftovers, kill_leftovers
from podpass.kubelet.runtime.record import start_ticks
from podpass.kubelet.runtime.state import StateDirectory


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def record(home: Home, kind: str, content: str) -> None:
    runtime = home.node("master-0").runtime
    StateDirectory(runtime)
    directory = runtime / kind / "one"
    directory.mkdir()
    (directory / "state.json").write_text(content)


@pytest.mark.parametrize(
    ("kind", "prefix"), [("containers", "shim_"), ("containers", ""), ("sandboxes", "")]
)
def test_what_the_runtime_started_is_killed(
    home: Home, sleeper: subprocess.Popen[bytes], kind: str, prefix: str
) -> None:
    ticks = start_ticks(sleeper.pid)
    state = {f"{prefix}pid": sleeper.pid, "pid_ticks": ticks, "shim_ticks": ticks}
    record(home, kind, json.dumps(state))
    assert has_leftovers(home)
    assert kill_leftovers(home) == 1
    assert not has_leftovers(home), "one that ended and was not waited for does not run"
    assert sleeper.wait(30) == -9
    assert not has_leftovers(home)
    assert kill_leftovers(home) == 0


def test_one_that_answers_nobody_runs(home: Home, sleeper: subprocess.Popen[bytes]) -> None:
    ticks = start_ticks(sleeper.pid)
    record(home, "containers", json.dumps({"pid": sleeper.pid, "pid_ticks": ticks}))
    sleeper.send_signal(signal.SIGSTOP)
    assert has_leftovers(home)
    sleeper.send_signal(signal.SIGCONT)


def test_another_process_with_the_same_number_is_left_alone(
    home: Home, sleeper: subprocess.Popen[bytes]
) -> None:
    ticks = start_ticks(sleeper.pid) - 1
    record(home, "containers", json.dumps({"pid": sleeper.pid, "pid_ticks": ticks}))
    assert not has_leftovers(home)
    assert kill_leftovers(home) == 0
    assert sleeper.poll() is None


def test_records_from_before_the_machine_was_started_count_for_nothing(
    home: Home, sleeper: subprocess.Popen[bytes]
) -> None:
    state = {"pid": sleeper.pid, "pid_ticks": start_ticks(sleeper.pid)}
    record(home, "containers", json.dumps(state))
    (home.node("master-0").runtime / "boot").write_text("another")
    assert not has_leftovers(home)
    assert kill_leftovers(home) == 0
    assert sleeper.poll() is None


def test_a_damaged_record_and_an_empty_home_are_no_failure(home: Home) -> None:
    assert kill_leftovers(home) == 0
    record(home, "containers", '{"pid": 1')
    assert kill_leftovers(home) == 0
