"""How a container runs: program, environment, files of the pod."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from podpass.kubelet.image import DEFAULT_PATH, Image
from podpass.kubelet.runtime.interface import ContainerConfig, RuntimeFailure, SandboxConfig
from podpass.kubelet.runtime.launch import (
    account,
    pod_files,
    program_arguments,
    program_environment,
    stop_signal,
)

IMAGE = Image(
    "app",
    "sha256:1",
    0,
    entrypoint=("/entry", "-e"),
    command=("cmd",),
    environment={"A": "image", "B": "image"},
)


def config(
    command: tuple[str, ...] = (),
    args: tuple[str, ...] = (),
    env: dict[str, str] | None = None,
    *,
    tty: bool = False,
) -> ContainerConfig:
    return ContainerConfig(
        "main", 0, "app", Path("/log"), command=command, args=args, env=env or {}, tty=tty
    )


@pytest.mark.parametrize(
    ("command", "args", "expected"),
    [
        pytest.param((), (), ["/entry", "-e", "cmd"], id="the image's"),
        pytest.param((), ("x",), ["/entry", "-e", "x"], id="args replace the image's command"),
        pytest.param(("c",), (), ["c"], id="command drops all of the image's"),
        pytest.param(("c",), ("x",), ["c", "x"], id="both"),
    ],
)
def test_program_arguments(
    command: tuple[str, ...], args: tuple[str, ...], expected: list[str]
) -> None:
    assert program_arguments(IMAGE, config(command, args)) == expected


def test_without_a_command_nothing_can_run() -> None:
    with pytest.raises(RuntimeFailure, match="no command specified"):
        program_arguments(Image("app", "sha256:1", 0), config())


def test_the_container_overrides_the_image() -> None:
    environment = program_environment(IMAGE, config(env={"B": "own"}), "/home", "pod")
    assert environment == {
        "A": "image",
        "B": "own",
        "HOME": "/home",
        "HOSTNAME": "pod",
        "PATH": DEFAULT_PATH,
    }


def test_a_terminal_has_a_kind() -> None:
    assert program_environment(IMAGE, config(tty=True), "/", "pod")["TERM"] == "xterm"


def test_an_unknown_user_names_the_image() -> None:
    with pytest.raises(RuntimeFailure, match="image app: unable to find user web"):
        account(Image("app", "sha256:1", 0, user="web"), None, None)


@pytest.mark.parametrize(
    ("hosts", "lines"),
    [
        pytest.param({}, ["10.0.0.7\tpod"], id="the pod's own name"),
        pytest.param({"10.0.0.7": ("pod", "p")}, ["10.0.0.7\tpod p"], id="given by the kubelet"),
        pytest.param({"1.1.1.1": ("a",)}, ["10.0.0.7\tpod", "1.1.1.1\ta"], id="host aliases"),
    ],
)
def test_hosts(hosts: dict[str, tuple[str, ...]], lines: list[str]) -> None:
    sandbox = SandboxConfig(
        "ns", "pod", "uid", 0, "pod", False, Path("/logs"), pod_ip="10.0.0.7", hosts=hosts
    )
    files = pod_files(sandbox)
    assert files["/etc/hosts"].decode().splitlines()[3:] == lines
    assert files["/etc/hostname"] == b"pod\n"
    assert b"no name server" in files["/etc/resolv.conf"]


@pytest.mark.parametrize(
    ("name", "number"),
    [
        pytest.param("", 15, id="the image's"),
        pytest.param("SIGUSR1", 10, id="one of its own"),
        pytest.param("SIGRTMIN", 34, id="a real-time signal"),
        pytest.param("SIGRTMIN+3", 37, id="one behind it"),
        pytest.param("SIGRTMAX-14", 50, id="one before the last"),
    ],
)
def test_the_signal_that_asks_to_end(name: str, number: int) -> None:
    assert stop_signal(IMAGE, replace(config(), stop_signal=name)) == number


@pytest.mark.parametrize("name", ["SIGNO", "SIGRTMIN+x", "15"])
def test_a_signal_that_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(RuntimeFailure, match="unknown stop signal"):
        stop_signal(IMAGE, replace(config(), stop_signal=name))
