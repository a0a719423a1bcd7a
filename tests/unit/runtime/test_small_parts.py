"""Socket addresses, removal of directories, and the check of the machine."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from podpass.kubelet.runtime import support
from podpass.kubelet.runtime.interface import RuntimeFailure
from podpass.kubelet.runtime.process_watch import open_process, send_signal
from podpass.kubelet.runtime.record import start_ticks
from podpass.kubelet.runtime.removal import remove_tree
from podpass.kubelet.runtime.socket_path import MAX_ADDRESS, short_address


@pytest.mark.parametrize(
    "length",
    [
        pytest.param(MAX_ADDRESS, id="as long as an address may be"),
        pytest.param(MAX_ADDRESS + 1, id="one byte longer"),
        pytest.param(400, id="much longer"),
    ],
)
def test_sockets_have_paths_of_any_length(tmp_path: Path, length: int) -> None:
    directory = tmp_path
    while len(str(directory)) + 100 < length:
        directory /= "d" * 80
    directory /= "d" * max(1, length - len(str(directory)) - 3)
    directory.mkdir(parents=True)
    path = f"{directory}/s"
    assert len(path) >= min(length, len(str(tmp_path)) + 4)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are enough
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        with short_address(path) as address:
            server.bind(address)
            server.listen()
        with short_address(path) as address:
            client.connect(address)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - names are enough


def test_directories_that_refuse_their_owner_are_removed(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "closed" / "deeper").mkdir(parents=True)
    (tree / "closed" / "deeper" / "file").touch()
    (tree / "link").symlink_to("/")
    (tree / "closed" / "deeper").chmod(0)
    (tree / "closed").chmod(0)
    remove_tree(tree)
    remove_tree(tree)
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_took_over_a_pid_is_not_touched() -> None:
    own = os.getpid()
    ticks = start_ticks(own)
    descriptor = open_process(own, ticks)
    assert descriptor is not None
    os.close(descriptor)
    assert open_process(own, ticks + 1) is None
    assert not send_signal(own, ticks + 1, 9)
    assert send_signal(own, ticks, 0)


@pytest.mark.parametrize(
    ("problem", "rootful", "values", "text"),
    [
        pytest.param(
            "No permissions to create a new namespace",
            False,
            {"userns": "0"},
            "as root, run: sysctl userns=1",
            id="user namespaces are off",
        ),
        pytest.param(
            "Can't make overlay mount", False, {"userns": "1"}, "modprobe overlay", id="no overlay"
        ),
        pytest.param("setting up", True, {"userns": "0"}, "must be privileged", id="root in a box"),
        pytest.param("setting up", False, {}, "must be privileged", id="an old kernel"),
    ],
)
def test_a_machine_that_cannot_run_containers_says_what_to_do(
    problem: str, rootful: bool, values: dict[str, str], text: str
) -> None:
    hints = (("userns", "0", "sysctl userns=1"),)
    message = support.explain(problem, rootful=rootful, settings=hints, read=values.get)
    assert text in message
    assert problem in message


def test_this_machine_is_checked_by_doing_it() -> None:
    try:
        support.check_sandbox_support()
    except RuntimeFailure as error:
        pytest.skip(str(error))
