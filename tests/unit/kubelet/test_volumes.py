"""`kubelet.volumes`, `kubelet.host_path` and `kubelet.container_view`."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from podpass.api.resources import Object
from podpass.kubelet.container_view import open_in_container, sees
from podpass.kubelet.downward_api import NodeFacts
from podpass.kubelet.host_path import HostPathRefused, prepare_host_path
from podpass.kubelet.volumes import PodVolumes, mounted_volumes, volume_type
from podpass.testing.fake_clock import FakeClock
from podpass.testing.fake_object_source import FakeObjectSource

NODE = NodeFacts("master-0", "127.0.0.11", {})


def pod(*volumes: Object, **spec: Any) -> Object:
    mounts = [{"name": one["name"], "mountPath": f"/{one['name']}"} for one in volumes]
    return {
        "metadata": {"name": "p", "namespace": "ns", "uid": "u"},
        "spec": {"containers": [{"name": "c", "volumeMounts": mounts}], "volumes": [*volumes]}
        | spec,
    }


TOKEN = {"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}


@pytest.fixture
def source() -> FakeObjectSource:
    return FakeObjectSource(secrets={"ns/s": {"k": b"v"}}, config_maps={"ns/c": {"k": "v"}})


@pytest.fixture
def volumes(tmp_path: Path, source: FakeObjectSource) -> PodVolumes:
    return PodVolumes(tmp_path / "pods" / "u", source, NODE, FakeClock())


@pytest.mark.rule("volume.placement")
@pytest.mark.parametrize(
    ("volume", "directory"),
    [
        pytest.param(TOKEN, "kubernetes.io~projected/t", id="projected"),
        pytest.param(
            {"name": "x", "configMap": {"name": "c"}}, "kubernetes.io~configmap/x", id="configMap"
        ),
        pytest.param(
            {"name": "x", "secret": {"secretName": "s"}}, "kubernetes.io~secret/x", id="secret"
        ),
        pytest.param(
            {"name": "x", "downwardAPI": {}}, "kubernetes.io~downward-api/x", id="downwardAPI"
        ),
        pytest.param({"name": "x", "emptyDir": {}}, "kubernetes.io~empty-dir/x", id="emptyDir"),
        pytest.param({"name": "x"}, "kubernetes.io~empty-dir/x", id="nothing is an emptyDir"),
    ],
)
async def test_where_volumes_are(volumes: PodVolumes, volume: Object, directory: str) -> None:
    done = await volumes.set_up(pod(volume))
    assert (done.failures, done.missing) == ({}, set())
    path = volumes.directory / "volumes" / directory
    assert volumes.path(volume) == path
    assert stat.S_IMODE(path.stat().st_mode) == 0o777
    assert stat.S_IMODE(volumes.directory.stat().st_mode) == 0o750


async def test_only_mounted_volumes_are_set_up(volumes: PodVolumes) -> None:
    wanted = pod(TOKEN)
    wanted["spec"]["volumes"].append({"name": "other", "emptyDir": {}})
    assert [one["name"] for one in mounted_volumes(wanted)] == ["t"]
    await volumes.set_up(wanted)
    assert [one.name for one in volumes.directory.rglob("other")] == []


async def test_what_was_written_and_what_is_missing_is_told(
    volumes: PodVolumes, source: FakeObjectSource
) -> None:
    wanted = pod(TOKEN, {"name": "x", "secret": {"secretName": "none"}})
    first = await volumes.set_up(wanted)
    assert first.written == {"t"}
    assert first.failures == {"x": 'secret "none" not found'}
    assert first.missing == {"x"}
    source.secrets["ns/none"] = {"k": b"v"}
    second = await volumes.set_up(wanted)
    assert (second.written, second.failures, second.missing) == ({"x"}, {}, set())
    del source.secrets["ns/none"]
    third = await volumes.set_up(wanted)
    assert third.failures == {"x": 'secret "none" not found'}
    assert third.missing == set(), "containers can do with what was there"


async def test_the_directory_of_a_volume_stays_the_same(
    volumes: PodVolumes, source: FakeObjectSource
) -> None:
    await volumes.set_up(pod(TOKEN))
    path = volumes.path(TOKEN)
    inode = path.stat().st_ino
    source.token_text = "token-2"
    await volumes.set_up(pod(TOKEN))
    volumes.prune(pod(TOKEN), {"t"})
    assert path.stat().st_ino == inode
    assert (path / "token").read_text() == "token-2"
    assert len([one for one in path.iterdir() if one.name.startswith("..2")]) == 1


async def test_a_volume_of_another_kind_is_refused(volumes: PodVolumes) -> None:
    done = await volumes.set_up(pod({"name": "x", "nfs": {}}))
    assert done.failures == {"x": "volumes of type nfs are not supported"}
    assert done.missing == {"x"}
    assert volume_type({"name": "x", "nfs": {}}) == "nfs"


async def test_a_host_path_is_checked_and_used_as_it_is(
    volumes: PodVolumes, tmp_path: Path
) -> None:
    volume = {"name": "h", "hostPath": {"path": str(tmp_path), "type": "Directory"}}
    assert (await volumes.set_up(pod(volume))).failures == {}
    assert volumes.path(volume) == tmp_path
    bad = {"name": "h", "hostPath": {"path": str(tmp_path / "none"), "type": "Directory"}}
    done = await volumes.set_up(pod(bad))
    assert "is not a directory" in done.failures["h"]
    assert done.missing == {"h"}


async def test_an_empty_directory_keeps_its_files_and_passes_its_group_on(
    volumes: PodVolumes,
) -> None:
    volume = {"name": "e", "emptyDir": {}}
    wanted = pod(volume, securityContext={"fsGroup": os.getegid()})
    await volumes.set_up(wanted)
    path = volumes.path(volume)
    (path / "file").write_text("x")
    await volumes.set_up(wanted)
    assert (path / "file").read_text() == "x"
    assert path.stat().st_mode & stat.S_ISGID


async def test_a_disk_that_refuses_is_told(volumes: PodVolumes) -> None:
    volumes.directory.mkdir(parents=True)
    (volumes.directory / "volumes").write_text("in the way")
    done = await volumes.set_up(pod(TOKEN))
    assert "t" in done.failures
    assert done.missing == {"t"}


@pytest.mark.rule("volume.teardown")
async def test_tear_down_removes_the_volumes_and_nothing_else(volumes: PodVolumes) -> None:
    await volumes.set_up(pod(TOKEN, {"name": "e", "emptyDir": {}}))
    closed = volumes.path({"name": "e", "emptyDir": {}}) / "closed"
    closed.mkdir()
    (closed / "file").write_text("x")
    closed.chmod(0)
    (volumes.directory / "containers").mkdir()
    volumes.tear_down()
    assert [one.name for one in volumes.directory.iterdir()] == ["containers"]
    volumes.tear_down()


@pytest.mark.parametrize(
    ("type_", "make"),
    [
        pytest.param("", None, id="anything, made as a directory"),
        pytest.param("DirectoryOrCreate", None, id="a directory that is made"),
        pytest.param("FileOrCreate", None, id="a file that is made"),
        pytest.param("", "file", id="anything that is there"),
        pytest.param("File", "file", id="a file"),
        pytest.param("Directory", "directory", id="a directory"),
        pytest.param("Socket", "socket", id="a socket"),
    ],
)
def test_host_paths_that_are_as_expected(tmp_path: Path, type_: str, make: str | None) -> None:
    path = tmp_path / "x"
    if make == "file":
        path.touch()
    elif make == "directory":
        path.mkdir()
    elif make == "socket":
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(path))
    prepare_host_path(path, type_)
    assert path.exists()


@pytest.mark.parametrize(
    ("type_", "message"),
    [
        ("Directory", "is not a directory"),
        ("File", "is not a file"),
        ("Socket", "is not a socket file"),
        ("CharDevice", "is not a character device"),
        ("BlockDevice", "is not a block device"),
        ("Other", "is unknown"),
    ],
)
def test_host_paths_that_are_not(tmp_path: Path, type_: str, message: str) -> None:
    with pytest.raises(HostPathRefused, match=message):
        prepare_host_path(tmp_path / "x", type_)
    assert not (tmp_path / "x").exists()


def test_a_host_path_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HostPathRefused, match="cannot create"):
        prepare_host_path(tmp_path / "file" / "x", "DirectoryOrCreate")


def test_a_container_sees_the_directory_that_is_written_to(tmp_path: Path) -> None:
    seen = open_in_container(os.getpid(), str(tmp_path))
    try:
        assert sees(seen, tmp_path)
        (tmp_path / "other").mkdir()
        assert not sees(seen, tmp_path / "other")
        assert (Path(f"/proc/self/fd/{seen}") / "other").is_dir()
    finally:
        os.close(seen)


def test_the_root_itself_can_be_looked_at() -> None:
    seen = open_in_container(os.getpid(), "/")
    try:
        assert sees(seen, Path("/"))
    finally:
        os.close(seen)


def test_links_are_resolved_inside(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("/../../.." + str(tmp_path / "real"))
    seen = open_in_container(os.getpid(), str(tmp_path / "link"))
    try:
        assert sees(seen, tmp_path / "real")
    finally:
        os.close(seen)


def test_what_is_not_there_cannot_be_looked_at(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_in_container(os.getpid(), str(tmp_path / "none"))
    with pytest.raises(OSError, match="No such"):
        open_in_container(2**22 + 1, "/")
