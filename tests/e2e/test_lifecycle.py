"""`up`, `status`, `env` and `down`: a home goes on where it stopped, and says what is wrong."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import ClusterUnderTest, eventually, free_port, run


@pytest.fixture
def single(tmp_path: Path) -> Iterator[ClusterUnderTest]:
    one = ClusterUnderTest(tmp_path / "home", free_port(), nodes=1)
    yield one
    if one.home.exists():
        one.down()


def test_a_second_cluster_runs_beside_the_first_and_continues_after_a_stop(
    cluster: ClusterUnderTest, single: ClusterUnderTest
) -> None:
    started = single.up()
    assert started.code == 0, started.err + single.logs_tail()
    assert "1 nodes are Ready" in started.err
    assert cluster.ok("get", "nodes").count("Ready") == 3
    assert single.ok("get", "nodes").count("Ready") == 1

    single.ok("create", "cm", "kept", "--from-literal=a=1")
    eventually(lambda: single.oc("get", "sa", "default").code == 0)
    single.ok("run", "web", "--image", "nginx")
    single.wait_ready("web")
    uid = single.get("pod", "web")["metadata"]["uid"]
    key = (single.home / "pki" / "sa.key").read_bytes()

    assert single.down().code == 0
    assert single.oc("get", "nodes", timeout=30).code == 1
    assert not processes_of(single.home)
    again = single.up()
    assert again.code == 0, again.err + single.logs_tail()
    assert single.get("cm", "kept")["data"] == {"a": "1"}
    single.wait_ready("web")
    assert single.get("pod", "web")["metadata"]["uid"] == uid
    assert (single.home / "pki" / "sa.key").read_bytes() == key


def processes_of(home: Path) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                arguments = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if f"{home}/" in arguments:
                found.append(arguments)
    return found


def test_env_prints_what_a_shell_needs(cluster: ClusterUnderTest) -> None:
    podpass = f"{sys.executable} -m podpass"
    script = f'eval "$({podpass} env --home {cluster.home})" && command -v oc && oc get nodes'
    result = run(["bash", "-c", script])
    assert result.code == 0, result.err
    assert "master-2" in result.out


def test_status_is_a_table(cluster: ClusterUnderTest) -> None:
    result = cluster.podpass("status", "--home", str(cluster.home))
    assert result.code == 0
    assert [row.split()[-1] for row in result.out.splitlines()] == ["STATUS"] + ["Ready"] * 3


def test_keys_are_private(cluster: ClusterUnderTest) -> None:
    private = [
        *cluster.home.rglob("*.key"), *cluster.home.rglob("*.kubeconfig"),
        *cluster.home.rglob("*.db*"),
    ]  # fmt: skip
    files = [path for path in private if path.is_file()]
    assert len(files) > 10
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE(cluster.home.stat().st_mode) == 0o700


def one_line_error(single: ClusterUnderTest) -> str:
    result = single.up()
    assert result.code == 1
    errors = [line for line in result.err.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, result.err
    assert "Traceback" not in result.err
    return errors[0]


def test_a_port_in_use_is_one_clear_line(single: ClusterUnderTest) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", single.port))
        holder.listen()
        assert "choose another port with --port" in one_line_error(single)


def test_a_damaged_home_is_one_clear_line(single: ClusterUnderTest) -> None:
    single.home.mkdir()
    (single.home / "cluster.json").write_text("{")
    assert "is damaged" in one_line_error(single)
    assert (single.home / "cluster.json").read_text() == "{"


def test_a_home_that_cannot_be_written_is_one_clear_line(
    single: ClusterUnderTest, tmp_path: Path
) -> None:
    (tmp_path / "home").write_text("a file stands in the way")
    assert "cannot use the home" in one_line_error(single)
    single.home.unlink()


def test_down_without_a_cluster_says_so(single: ClusterUnderTest) -> None:
    result = single.down()
    assert result.code == 1
    assert "there is no cluster in" in result.err


def test_in_the_foreground_it_stops_cleanly_at_ctrl_c(single: ClusterUnderTest) -> None:
    command = [sys.executable, "-m", "podpass", "up", "--home", str(single.home)]
    command += ["--port", str(single.port), "--nodes", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("Ctrl-C"):
                break
        assert single.ok("get", "nodes").count("Ready") == 1
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(60) == 0
    assert "stopped" in rest
    assert not processes_of(single.home)


def test_a_full_disk_is_one_clear_line_and_loses_nothing(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("not root: a small file system cannot be mounted")
    disk = tmp_path / "disk"
    disk.mkdir()
    script = (
        f"mount -t tmpfs -o size=64k,mode=700 small {disk}"
        f" && {sys.executable} -m podpass up --home {disk}/home --port {free_port()} --detach"
    )
    result = run(["unshare", "-m", "sh", "-c", script])
    assert result.code == 1, result.err
    errors = [line for line in result.err.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert "No space left on device" in errors[0]
    assert "Traceback" not in result.err
