"""What a container sees, who it is, and what it cannot reach."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from runtime.contract import SOON, pod
from runtime.embedded_rig import ROOT, EmbeddedRig, embedded_rig

from podpass.kubelet.runtime.interface import Mount, RuntimeFailure


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[EmbeddedRig]:
    async with embedded_rig(tmp_path) as made:
        yield made


def volume(rig: EmbeddedRig, name: str, **files: str) -> Path:
    directory = rig.directory / name
    directory.mkdir()
    for file, text in files.items():
        (directory / file).write_text(text)
    return directory


async def test_root_has_few_capabilities_and_gains_no_more(rig: EmbeddedRig) -> None:
    text = await rig.output(rig.script("grep -e CapEff -e CapBnd -e NoNewPrivs /proc/self/status"))
    assert text.split()[1::2] == ["00000000a00425fb", "00000000a00425fb", "1"]


@pytest.mark.parametrize(
    ("add", "drop", "left"),
    [
        pytest.param((), ("ALL",), 0, id="none at all"),
        pytest.param(("NET_BIND_SERVICE",), ("ALL",), 1 << 10, id="one of all"),
        pytest.param((), ("CAP_NET_RAW", "chown"), 0xA00425FB & ~(1 << 13 | 1), id="all but two"),
        pytest.param(("NET_ADMIN",), (), 0xA00425FB | 1 << 12, id="one more"),
    ],
)
async def test_capabilities_can_be_dropped_and_added(
    rig: EmbeddedRig, add: tuple[str, ...], drop: tuple[str, ...], left: int
) -> None:
    config = rig.script("trap 'exit 0' TERM; grep -e CapEff -e CapBnd /proc/self/status")
    config = replace(config, add_capabilities=add, drop_capabilities=drop)
    text = await rig.output(config)
    assert [int(one, 16) for one in text.split()[1::2]] == [left, left]


async def test_a_command_has_the_capabilities_of_its_container(rig: EmbeddedRig) -> None:
    container_id = await rig.run(replace(rig.container("main"), drop_capabilities=("ALL",)))
    command = ("grep", "CapEff", "/proc/self/status")
    result = await rig.runtime.exec_sync(container_id, command, SOON)
    assert result.stdout.split()[1] == b"0000000000000000"


async def test_an_unknown_capability_is_refused(rig: EmbeddedRig) -> None:
    with pytest.raises(RuntimeFailure, match='unknown capability "CAP_FLY"'):
        await rig.run(replace(rig.container("main"), add_capabilities=("fly",)))


async def test_another_user_has_no_capabilities(rig: EmbeddedRig) -> None:
    config = replace(
        rig.script(
            "id -u; id -g; grep CapEff /proc/self/status; touch /tmp/mine; stat -c %u:%g /tmp/mine"
        ),
        run_as_user=1000,
        run_as_group=10000,
    )
    text = await rig.output(config)
    assert text.split() == ["1000", "10000", "CapEff:", "0000000000000000", "1000:10000"]


@pytest.mark.skipif(not ROOT, reason="only root can give files away")
async def test_ids_are_real_when_the_runtime_is_root(rig: EmbeddedRig) -> None:
    files = volume(rig, "files", mine="m", groups="g", others="o")
    for name, uid, gid in (("mine", 1000, 10000), ("groups", 0, 2000), ("others", 0, 3000)):
        os.chown(files / name, uid, gid)
        (files / name).chmod(0o640)
    config = replace(
        rig.script(
            "stat -c '%u %g %a' /v/mine /v/groups; cat /v/mine /v/groups; echo; "
            "cat /v/others 2>/dev/null || echo refused; id -G; touch /v/new",
            Mount(files, "/v"),
        ),
        run_as_user=1000,
        run_as_group=10000,
        supplemental_groups=(2000,),
    )
    files.chmod(0o777)
    text = await rig.output(config)
    assert text.splitlines()[:3] == ["1000 10000 640", "0 2000 640", "mg"]
    assert text.splitlines()[-1] == "10000 2000"
    assert "refused" in text
    assert ((files / "new").stat().st_uid, (files / "new").stat().st_gid) == (1000, 10000)


@pytest.mark.skipif(ROOT, reason="root has real ids")
async def test_an_ordinary_users_files_seem_to_belong_to_the_containers_user(
    rig: EmbeddedRig,
) -> None:
    files = volume(rig, "files", mine="m")
    config = replace(
        rig.script("stat -c '%u %g' /v/mine; cat /v/mine", Mount(files, "/v")),
        run_as_user=1000,
        run_as_group=10000,
    )
    assert await rig.output(config) == "1000 10000\nm\n"


async def test_mounts_follow_links_inside_the_container(rig: EmbeddedRig) -> None:
    tokens = volume(rig, "tokens", **{"vault-token": "vault"})
    account = volume(rig, "account", token="account")
    config = rig.script(
        "cat /var/run/secrets/tokens/vault-token; echo; "
        "cat /run/secrets/kubernetes.io/serviceaccount/token; echo; readlink /var/run",
        Mount(tokens, "/var/run/secrets/tokens", read_only=True),
        Mount(account, "/var/run/secrets/kubernetes.io/serviceaccount", read_only=True),
    )
    assert await rig.output(config) == "vault\naccount\n/run\n"


async def test_a_mount_inside_a_mount_is_seen(rig: EmbeddedRig) -> None:
    outer, inner = volume(rig, "outer", a="1"), volume(rig, "inner", b="2")
    config = rig.script(
        "cat /data/a /data/deep/er/b",
        Mount(inner, "/data/deep/er", read_only=True),
        Mount(outer, "/data"),
    )
    assert await rig.output(config) == "12\n"


async def test_single_files_are_mounted(rig: EmbeddedRig) -> None:
    files = volume(rig, "files", one="1", message="")
    config = rig.script(
        "cat /etc/one; printf done > /dev/termination-log",
        Mount(files / "one", "/etc/one", read_only=True),
        Mount(files / "message", "/dev/termination-log"),
    )
    assert await rig.output(config) == "1\n"
    assert (files / "message").read_text() == "done"


async def test_mounts_below_the_hosts_directories_get_their_place(rig: EmbeddedRig) -> None:
    pages = volume(rig, "pages", index="page")
    point = "/usr/share/no-such-directory-on-the-host/html"
    config = rig.script(f"cat {point}/index; stat -c %a /usr/share", Mount(pages, point))
    mode = f"{Path('/usr/share').stat().st_mode & 0o1777:o}"
    assert await rig.output(config) == f"page{mode}\n"
    assert not Path("/usr/share/no-such-directory-on-the-host").exists()


async def test_a_read_only_mount_refuses_writes(rig: EmbeddedRig) -> None:
    files = volume(rig, "files", a="1")
    config = rig.script("echo 2 > /v/a", Mount(files, "/v", read_only=True))
    assert (await rig.result(config)).exit_code != 0
    assert "Read-only file system" in rig.log(config)
    assert (files / "a").read_text() == "1"


async def test_a_read_only_root_refuses_writes_but_mounts_take_them(rig: EmbeddedRig) -> None:
    files = volume(rig, "files")
    config = replace(
        rig.script("touch /v/a; for d in / /etc /usr /tmp; do touch $d/x && exit 1; done; exit 0"),
        read_only_root=True,
    )
    config = replace(config, mounts=(*config.mounts, Mount(files, "/v")))
    await rig.output(config)
    assert (files / "a").exists()


async def test_writes_stay_in_the_container(rig: EmbeddedRig) -> None:
    script = "f=/usr/podpass-test; test ! -e $f && echo x > $f && basename $f"
    for _ in range(2):
        assert await rig.output(rig.script(script)) == "podpass-test\n"
        for sandbox in await rig.runtime.list_pod_sandboxes():
            await rig.runtime.remove_pod_sandbox(sandbox.id)
        rig.script("").log_path.unlink()
    assert not Path("/usr/podpass-test").exists()


async def test_homes_and_the_runtimes_own_files_are_not_there(rig: EmbeddedRig) -> None:
    directory = rig.directory
    config = rig.script(
        f"test ! -e {directory} && ls -A /root /home /tmp /mnt && test ! -e /etc/shadow"
    )
    assert await rig.output(config) == "/home:\n\n/mnt:\n\n/root:\n\n/tmp:\n"


async def test_the_kernels_dangerous_files_are_out_of_reach(rig: EmbeddedRig) -> None:
    config = rig.script(
        "for f in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/sys/vm/drop_caches; do "
        "[ ! -e $f ] || ! echo x > $f || exit 1; done; "
        "mount -t tmpfs none /mnt && exit 1; unshare -m true && exit 1; exit 0"
    )
    await rig.output(config)


async def test_only_the_containers_own_processes_are_seen(rig: EmbeddedRig) -> None:
    other = await rig.run(rig.container("other"), pod(rig.directory, "other"))
    await rig.settled(other)
    text = await rig.output(rig.script("for p in /proc/[0-9]*; do readlink $p/exe; done; echo $$"))
    shell, pid = text.splitlines()
    assert (Path(shell).name, pid) == (Path("/bin/sh").resolve().name, "1")


async def test_the_pod_names_its_containers(rig: EmbeddedRig) -> None:
    text = await rig.output(rig.script("hostname; echo $HOSTNAME; cat /etc/hostname /etc/hosts"))
    assert text.splitlines()[:3] == ["pod", "pod", "pod"]
    assert "10.88.0.7\tpod" in text
    assert "10.1.2.3\tdb db.example" in text


async def test_the_environment_is_the_images_then_the_containers(rig: EmbeddedRig) -> None:
    config = replace(
        rig.script("env"), env={"A": "b c", "HOSTNAME": "mine"}, working_dir="/new/dir"
    )
    lines = (await rig.output(config)).splitlines()
    assert {"A=b c", "HOSTNAME=mine", "HOME=/root", "PWD=/new/dir"} <= set(lines)
    assert any(line.startswith("PATH=") and "/usr/bin" in line for line in lines)


async def test_long_lines_and_both_streams_are_logged(rig: EmbeddedRig) -> None:
    config = rig.script("head -c 20000 /dev/zero | tr '\\0' x; echo; echo oops >&2; printf end")
    await rig.output(config)
    lines = [line.split(" ", 3) for line in config.log_path.read_text().splitlines()]
    assert [(s, tag, len(text)) for _, s, tag, text in lines if s == "stdout"] == [
        ("stdout", "P", 16384),
        ("stdout", "F", 20000 - 16384),
        ("stdout", "F", 3),
    ]
    assert [text for _, s, _, text in lines if s == "stderr"] == ["oops"]
    assert all(len(time) == 30 and time.endswith("Z") for time, *_ in lines)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        pytest.param(
            ("nothing",), 'exec: "nothing": executable file not found in $PATH', id="name"
        ),
        pytest.param(("/no/file",), 'exec: "/no/file": stat /no/file: no such file', id="path"),
        pytest.param(("/etc/passwd",), 'exec: "/etc/passwd": permission denied', id="mode"),
    ],
)
async def test_a_command_that_cannot_run_ends_in_start_error(
    rig: EmbeddedRig, command: tuple[str, ...], message: str
) -> None:
    status = await rig.result(replace(rig.script(""), command=command))
    assert (status.exit_code, status.reason) == (128, "StartError")
    assert message in status.message


async def test_a_mount_point_of_the_wrong_kind_is_refused(rig: EmbeddedRig) -> None:
    files = volume(rig, "files", a="1")
    sandbox_id = await rig.runtime.run_pod_sandbox(pod(rig.directory))
    for mount in (Mount(files / "a", "/etc"), Mount(files, "/etc/passwd"), Mount(files, "/")):
        with pytest.raises(RuntimeFailure, match="cannot mount at"):
            await rig.runtime.create_container(sandbox_id, rig.script("", mount))
    assert not list((rig.directory / "runtime" / "containers").iterdir())


async def test_a_terminal_is_given_when_asked_for(rig: EmbeddedRig) -> None:
    config = replace(rig.script("test -t 0 && test -t 1 && echo terminal; echo $TERM"), tty=True)
    assert (await rig.output(config)).split() == ["terminal", "xterm"]


async def test_exec_has_the_user_and_environment_of_the_container(rig: EmbeddedRig) -> None:
    config = replace(
        rig.container("main"), run_as_user=1000, run_as_group=1000, env={"NAME": "main", "A": "b"}
    )
    container_id = await rig.run(config)
    script = "id -u; id -g; echo $A; pwd; grep -e NoNew -e CapEff /proc/self/status | cut -f2"
    result = await rig.runtime.exec_sync(container_id, ("sh", "-c", script), SOON)
    assert result.stdout.decode().split() == ["1000", "1000", "b", "/", "0000000000000000", "1"]
