"""Between kubectl and containers: exec, attach, run, cp, port-forward, logs, last words."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from harness import ClusterUnderTest, Result, eventually, run

TRANSPORTS = [
    pytest.param("true", id="over websockets"),
    pytest.param("false", id="over SPDY, as older clients do"),
]


def pod(name: str, *containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,
            "containers": list(containers),
            **spec,
        },
    }


def shell(script: str, name: str = "main", **fields: Any) -> dict[str, Any]:
    return {"name": name, "image": "busybox", "command": ["sh", "-c", script], **fields}


@pytest.fixture(scope="module")
def web(cluster: ClusterUnderTest) -> Iterator[str]:
    """A namespace with the pod `web`: nginx and a terminal."""
    namespace = "t-streams"
    cluster.ok("create", "namespace", namespace)
    eventually(lambda: cluster.oc("get", "-n", namespace, "sa/default").code == 0 or None)
    containers = (
        {"name": "nginx", "image": "nginx"},
        {"name": "terminal", "image": "busybox", "command": ["sh"], "stdin": True, "tty": True},
    )
    cluster.create(pod("web", *containers), "-n", namespace)
    cluster.wait_ready("web", namespace)
    yield namespace
    cluster.oc("delete", "namespace", namespace, "--wait=false")


def environment(cluster: ClusterUnderTest, websockets: str) -> dict[str, str]:
    return {
        "KUBECONFIG": str(cluster.home / "kubeconfigs" / "admin.kubeconfig"),
        "KUBECTL_REMOTE_COMMAND_WEBSOCKETS": websockets,
        "KUBECTL_PORT_FORWARD_WEBSOCKETS": websockets,
    }


def oc(
    cluster: ClusterUnderTest, *arguments: str, websockets: str = "true", stdin: str | None = None
) -> Result:
    command = [str(cluster.home / "bin" / "oc"), *arguments]
    return run(command, stdin=stdin, env=environment(cluster, websockets))


class Terminal:
    """An `oc` with a terminal of 33 lines and 77 columns."""

    def __init__(
        self, cluster: ClusterUnderTest, *arguments: str, websockets: str = "true"
    ) -> None:
        self.seen = b""
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
        self._process = subprocess.Popen(
            [str(cluster.home / "bin" / "oc"), *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=os.environ | environment(cluster, websockets),
        )
        os.close(slave)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def until(self, text: str) -> None:
        while text.encode() not in self.seen:
            assert self._read(), self.seen

    def exit_code(self) -> int:
        while self._read():
            pass
        code = self._process.wait(20)
        os.close(self._master)
        return code

    def hang_up(self) -> None:
        self._process.terminate()
        self.exit_code()

    def _read(self) -> bool:
        readable, _, _ = select.select([self._master], [], [], 20)
        assert readable, self.seen
        try:
            data = os.read(self._master, 65536)
        except OSError:  # nobody has the other side any more
            return False
        self.seen += data
        return bool(data)


@pytest.mark.parametrize("websockets", TRANSPORTS)
def test_commands(cluster: ClusterUnderTest, web: str, websockets: str) -> None:
    where = ("-n", web, "web", "-c", "nginx")
    split = oc(
        cluster, "exec", *where, "--", "sh", "-c", "echo out; echo err >&2; exit 7",
        websockets=websockets,
    )  # fmt: skip
    assert (split.code, split.out) == (7, "out\n")
    assert split.err.startswith("err\n")
    text = "0123456789abcde\n" * 100_000
    echoed = oc(cluster, "exec", "-i", *where, "--", "cat", websockets=websockets, stdin=text)
    assert (echoed.code, echoed.out) == (0, text)
    missing = oc(cluster, "exec", *where, "--", "/no/such", websockets=websockets)
    assert missing.code == 127
    assert "no such file or directory" in missing.err
    terminal = Terminal(
        cluster, "exec", "-it", *where, "--", "sh", "-c", "read -r x; stty size; exit 5",
        websockets=websockets,
    )  # fmt: skip
    terminal.type("go\n")
    assert terminal.exit_code() == 5
    assert b"33 77" in terminal.seen


def test_attach_finds_the_containers_own_process(cluster: ClusterUnderTest, web: str) -> None:
    first = Terminal(cluster, "attach", "-it", "-n", web, "web", "-c", "terminal")
    first.until("press")
    first.type("x=41; stty size\n")
    first.until("33 77")
    first.hang_up()
    second = Terminal(
        cluster, "attach", "-it", "-n", web, "web", "-c", "terminal", websockets="false"
    )
    second.until("press")
    second.type("echo $((x+1))\n")
    second.until("\n42")
    second.hang_up()


def test_run_shows_the_output_and_the_exit_code(cluster: ClusterUnderTest, web: str) -> None:
    arguments = ("--image=busybox", "--rm", "--restart=Never", "-n", web)
    script = "echo got $(cat); exit 3"
    piped = oc(cluster, "run", "piped", *arguments, "-i", "--", "sh", "-c", script, stdin="it\n")
    assert piped.code == 3, piped
    assert "got it\n" in piped.out
    terminal = Terminal(cluster, "run", "typed", *arguments, "-it", "--", "sh")
    terminal.until("press")
    terminal.type("echo $((6*7)); exit 4\n")
    assert terminal.exit_code() == 4
    assert b"42" in terminal.seen


def test_files_are_copied_both_ways(cluster: ClusterUnderTest, web: str, tmp_path: Path) -> None:
    source = tmp_path / "tree"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "data").write_bytes(os.urandom(300_000))
    (source / "script").write_text("#!/bin/sh\n")
    (source / "script").chmod(0o755)
    cluster.ok("cp", "-n", web, "-c", "nginx", str(source), "web:/tmp/there")
    listed = cluster.ok(
        "exec", "-n", web, "web", "-c", "nginx", "--", "ls", "-l", "/tmp/there/script"
    )
    assert listed.startswith("-rwxr-xr-x")
    cluster.ok("cp", "-n", web, "-c", "nginx", "web:/tmp/there", str(tmp_path / "back"))
    assert (tmp_path / "back/deep/data").read_bytes() == (source / "deep/data").read_bytes()
    gone = cluster.oc("cp", "-n", web, "-c", "nginx", "web:/tmp/nothing", str(tmp_path / "no"))
    assert "No such file" in gone.err + gone.out


@contextlib.contextmanager
def forwarding(
    cluster: ClusterUnderTest, namespace: str, *ports: str, websockets: str
) -> Iterator[tuple[list[int], subprocess.Popen[str]]]:
    """Forward to the pod `web`; gives the ports on this side."""
    with subprocess.Popen(
        [str(cluster.home / "bin" / "oc"), "port-forward", "-n", namespace, "pod/web"]
        + [f":{port}" for port in ports],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | environment(cluster, websockets),
    ) as process:
        try:
            assert process.stdout is not None
            found: list[int] = []
            while len(found) < len(ports):
                line = process.stdout.readline()
                assert line
                if match := re.match(r"Forwarding from 127.0.0.1:(\d+) -> ", line):
                    found.append(int(match[1]))
            yield found, process
        finally:
            process.send_signal(signal.SIGTERM)


@pytest.mark.parametrize("websockets", TRANSPORTS)
def test_ports_are_forwarded(cluster: ClusterUnderTest, web: str, websockets: str) -> None:
    with forwarding(cluster, web, "80", "81", websockets=websockets) as ((http, nobody), process):

        def fetch(_: int) -> int:
            with urllib.request.urlopen(f"http://127.0.0.1:{http}/") as answer:
                return len(answer.read())

        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(fetch, range(24)))) == 1
        with socket.create_connection(("127.0.0.1", http)) as half:
            half.sendall(b"GET / HTTP/1.0\r\n\r\n")
            half.shutdown(socket.SHUT_WR)
            with half.makefile("rb") as answer:
                assert b"200 OK" in answer.read()
        with socket.create_connection(("127.0.0.1", nobody)) as refused:
            refused.sendall(b"x")
            assert refused.recv(1) == b""
        output, _ = process.communicate(timeout=20)
    assert "error forwarding port 81 to pod web" in output
    assert "connection refused" in output
    waiting = oc(cluster, "port-forward", "-n", web, "pod/nobody", ":80", websockets=websockets)
    assert 'pods "nobody" not found' in waiting.err


def test_changes_of_objects_show_in_volumes_but_not_in_sub_paths(
    cluster: ClusterUnderTest, web: str
) -> None:
    volumes = [
        {"name": "all", "configMap": {"name": "settings"}},
        {"name": "later", "secret": {"secretName": "later", "optional": True}},
    ]
    mounts = [
        {"name": "all", "mountPath": "/all"},
        {"name": "all", "mountPath": "/single", "subPath": "key"},
        {"name": "later", "mountPath": "/later"},
    ]
    cluster.ok("create", "configmap", "settings", "-n", web, "--from-literal=key=one")
    cluster.create(
        pod("reader", shell("sleep 1000", volumeMounts=mounts), volumes=volumes), "-n", web
    )
    cluster.wait_ready("reader", web)
    patch = json.dumps({"data": {"key": "two"}})
    cluster.ok("patch", "configmap", "settings", "-n", web, "--type=merge", "-p", patch)
    cluster.ok("create", "secret", "generic", "later", "-n", web, "--from-literal=key=three")

    def shown() -> str:
        command = "cat /all/key /later/key /single 2>&1"
        return cluster.oc("exec", "-n", web, "reader", "--", "sh", "-c", command).out

    eventually(lambda: shown() == "twothreeone" or None, within=10, what="the new content")


def test_logs_lead_through_rotations_and_ends_are_explained(
    cluster: ClusterUnderTest, web: str
) -> None:
    loud = "i=0; while [ $i -lt 4 ]; do head -c 4000000 /dev/zero | tr '\\0' x | fold -w 999; echo "
    loud += "; echo part $i; i=$((i+1)); done; sleep 1000"
    crash = "echo first words; echo last words >&2; exit 3"
    policy = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    own = "echo -n mine > /dev/termination-log; exit 4"
    cluster.create(pod("loud", shell(loud)), "-n", web)
    cluster.create(pod("crash", shell(crash, **policy), shell(own, "own")), "-n", web)
    cluster.wait_ready("loud", web)
    followed = cluster.ok("logs", "-f", "-n", web, "loud", "--limit-bytes=15900000")
    assert followed.count("part ") == 3
    eventually(lambda: "part 3" in cluster.ok("logs", "-n", web, "loud", "--tail=2") or None)
    everything = cluster.ok("logs", "-n", web, "loud", "--timestamps", "--since=1h")
    assert [one for one in everything.splitlines() if " part " in one][-1].endswith(" part 3")
    assert everything.count("\n") > 15_000
    logs = list(cluster.home.glob(f"nodes/*/logs/{web}_loud_*/main/*"))
    assert {one.name for one in logs} == {"0.log", "0.log.1"}

    def ended() -> dict[str, Any] | None:
        found = json.loads(cluster.ok("get", "-n", web, "pod/crash", "-o", "json"))
        states = {one["name"]: one for one in found["status"].get("containerStatuses", ())}
        seen = {name: one.get("lastState", {}).get("terminated") for name, one in states.items()}
        return seen if len(seen) == 2 and all(seen.values()) else None

    messages = eventually(ended, what="an end of both containers")
    assert messages["main"]["message"] == "first words\nlast words\n"
    assert (messages["own"]["message"], messages["own"]["exitCode"]) == ("mine", 4)
    previous = cluster.ok("logs", "-n", web, "crash", "-c", "main", "--previous")
    assert previous == "first words\nlast words\n"
