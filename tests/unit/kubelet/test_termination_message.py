"""What a container left to be said about its end, and how much of it is shown."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from runtime.embedded_rig import EmbeddedRig, embedded_rig

from podpass.api.resources import Object
from podpass.kubelet.runtime.interface import (
    ContainerConfig,
    ContainerID,
    ContainerState,
    ContainerStatus,
    SandboxID,
)
from podpass.kubelet.termination_message import (
    PATH,
    TerminationMessages,
    limit_messages,
    termination_message,
    with_message_file,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FILE, FALLBACK = "File", "FallbackToLogsOnError"


def spec(policy: str = FILE, path: str = "/dev/termination-log") -> Object:
    return {"name": "c", "terminationMessagePath": path, "terminationMessagePolicy": policy}


def ended(
    directory: Path, policy: str = FILE, *, code: int = 1, message: str = "", log: bytes = b""
) -> ContainerStatus:
    """Return a container that has ended, with its message file."""
    log_path = directory / "0.log"
    log_path.write_bytes(log)
    config = ContainerConfig("c", 0, "busybox", log_path)
    return ContainerStatus(
        id=ContainerID("1"),
        sandbox_id=SandboxID("s"),
        config=with_message_file(config, spec(policy), directory / "containers"),
        state=ContainerState.EXITED,
        image_id="",
        created_at=NOW,
        exit_code=code,
        message=message,
    )


def message_file(container: ContainerStatus) -> Path:
    return container.config.mounts[-1].host_path


def entry(text: str) -> bytes:
    return f"2026-01-01T00:00:00.000000000Z stdout F {text}\n".encode()


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        pytest.param(b"", "", id="nothing"),
        pytest.param(b"all is well\n", "all is well\n", id="as it is"),
        pytest.param(b"a" + b"b" * 4096, "b" * 4096, id="the last 4096 bytes"),
        pytest.param(b"\xff", "\N{REPLACEMENT CHARACTER}", id="no text at all"),
    ],
)
def test_the_file_is_shown(tmp_path: Path, written: bytes, shown: str) -> None:
    container = ended(tmp_path, log=entry("from the log"))
    message_file(container).write_bytes(written)
    assert termination_message(container) == shown


@pytest.mark.parametrize(
    ("policy", "code", "file", "shown"),
    [
        pytest.param(FALLBACK, 1, "", "last words\n", id="an error without a file"),
        pytest.param(FALLBACK, 1, "mine", "mine", id="the file goes first"),
        pytest.param(FALLBACK, 0, "", "", id="success needs no words"),
        pytest.param(FILE, 1, "", "", id="another policy"),
    ],
)
def test_the_log_stands_in(tmp_path: Path, policy: str, code: int, file: str, shown: str) -> None:
    container = ended(tmp_path, policy, code=code, log=entry("last words"))
    message_file(container).write_text(file)
    assert termination_message(container) == shown


def test_of_a_log_80_lines_and_2048_bytes_are_shown(tmp_path: Path) -> None:
    short = ended(tmp_path, FALLBACK, log=b"".join(entry(str(one)) for one in range(100)))
    assert termination_message(short).split() == [str(one) for one in range(20, 100)]
    long = ended(tmp_path, FALLBACK, log=b"".join(entry("x" * 99) for _ in range(2000)))
    assert termination_message(long) == ("x" * 99 + "\n")[-48:] + ("x" * 99 + "\n") * 20


def test_a_log_that_is_gone_says_nothing(tmp_path: Path) -> None:
    container = ended(tmp_path, FALLBACK)
    container.config.log_path.unlink()
    message_file(container).unlink()
    assert termination_message(container) == ""


def test_the_runtimes_own_message_goes_first(tmp_path: Path) -> None:
    container = ended(tmp_path, message="killed")
    assert termination_message(container) == "killed"
    message_file(container).write_text("why")
    assert termination_message(container) == "killed: why"


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    container = ended(tmp_path)
    message_file(container).unlink()
    message_file(container).mkdir()
    text = "Error on reading termination log /dev/termination-log: Is a directory"
    assert termination_message(container) == text


def test_without_a_path_there_is_no_file(tmp_path: Path) -> None:
    config = ContainerConfig("c", 0, "busybox", tmp_path / "0.log")
    assert with_message_file(config, {"name": "c"}, tmp_path) is config
    container = replace(ended(tmp_path), config=config)
    assert termination_message(container) == ""


def test_each_incarnation_has_a_file_of_its_own(tmp_path: Path) -> None:
    assert message_file(ended(tmp_path)) != message_file(ended(tmp_path))
    assert message_file(ended(tmp_path)).stat().st_mode & 0o777 == 0o666


def test_a_message_is_read_once(tmp_path: Path) -> None:
    container = ended(tmp_path)
    message_file(container).write_text("first")
    messages = TerminationMessages()
    running = replace(container, id=ContainerID("2"), state=ContainerState.RUNNING)
    assert messages.of([container, running]) == {"1": "first"}
    message_file(container).write_text("second")
    assert messages.of([container]) == {"1": "first"}
    assert messages.of([]) == {}


@pytest.mark.parametrize(
    ("count", "length", "kept"),
    [
        pytest.param(3, 4096, 4096, id="three containers have room for all"),
        pytest.param(4, 4096, 3072, id="four share"),
        pytest.param(4, 3072, 3072, id="just short enough"),
    ],
)
def test_all_messages_of_a_pod_share_twelve_kib(count: int, length: int, kept: int) -> None:
    statuses: list[Object] = [
        {"state": {}, "lastState": {"terminated": {"message": "x" * length}}} for _ in range(count)
    ]
    statuses[0]["state"] = {"terminated": {"message": "y" * length}}
    limit_messages(statuses)
    assert {len(one["lastState"]["terminated"]["message"]) for one in statuses} == {kept}
    assert len(statuses[0]["state"]["terminated"]["message"]) == kept


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[EmbeddedRig]:
    async with embedded_rig(tmp_path) as made:
        yield made


@pytest.mark.parametrize(
    ("path", "user"),
    [
        pytest.param("/dev/termination-log", None, id="the usual path"),
        pytest.param("/opt/new/directory/message", 0, id="a path of its own"),
        pytest.param("/dev/termination-log", 1000, id="another user"),
    ],
)
async def test_a_real_container_leaves_a_message(
    rig: EmbeddedRig, path: str, user: int | None
) -> None:
    config = rig.script(f"echo -n not today > {path}; exit 3")
    config = replace(config, run_as_user=user, read_only_root=True)
    config = with_message_file(config, spec(path=path), rig.directory / "containers")
    status = await rig.result(config)
    assert (status.exit_code, termination_message(status)) == (3, "not today")
    assert status.config.annotations[PATH] == path
