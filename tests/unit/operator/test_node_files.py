"""Files of static pods: whole, private, never older than what is there."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from podpass.operator.node_files import Contents, InstallError, NodeFiles

CONTENTS: Contents = {("configmaps", "config"): {"config.yaml": b"{}"}}


def manifest(revision: int) -> str:
    return orjson.dumps({"metadata": {"labels": {"revision": str(revision)}}}).decode()


@pytest.fixture
def node(tmp_path: Path) -> NodeFiles:
    for name in ("resources", "manifests"):
        (tmp_path / name).mkdir()
    return NodeFiles(tmp_path / "resources", tmp_path / "manifests")


def test_a_revision_has_its_own_directory(node: NodeFiles, tmp_path: Path) -> None:
    node.write_revision(12, CONTENTS, manifest(12))
    directory = tmp_path / "resources/kube-apiserver-pod-12"
    file = directory / "configmaps/config/config.yaml"
    assert file.read_bytes() == b"{}"
    assert file.stat().st_mode & 0o777 == 0o600
    assert (directory / "configmaps").stat().st_mode & 0o777 == 0o700
    assert (directory / "kube-apiserver-pod.yaml").read_text() == manifest(12)
    assert node.installed_revision() == 0


def test_writing_again_repairs(node: NodeFiles, tmp_path: Path) -> None:
    node.write_revision(12, CONTENTS, manifest(12))
    config = tmp_path / "resources/kube-apiserver-pod-12/configmaps/config"
    (config / "config.yaml").write_bytes(b"half")
    (config / "stale").touch()
    node.write_revision(12, CONTENTS, manifest(12))
    assert [one.name for one in config.iterdir()] == ["config.yaml"]
    assert (config / "config.yaml").read_bytes() == b"{}"


def test_certificates_are_written_when_they_change(node: NodeFiles, tmp_path: Path) -> None:
    certs: Contents = {("secrets", "serving"): {"tls.key": b"1"}}
    assert node.write_certs(certs)
    assert not node.write_certs(certs)
    assert node.write_certs({("secrets", "serving"): {"tls.key": b"2"}})
    file = tmp_path / "resources/kube-apiserver-certs/secrets/serving/tls.key"
    assert file.read_bytes() == b"2"


def test_the_manifest_moves_on_and_never_back(node: NodeFiles, tmp_path: Path) -> None:
    node.write_manifest(12, manifest(12))
    node.write_manifest(12, manifest(12))
    node.write_manifest(13, manifest(13))
    with pytest.raises(InstallError) as raised:
        node.write_manifest(12, manifest(12))
    assert str(raised.value) == (
        "more recent revision present on node: thisRevision=12, moreRecentRevision=13"
    )
    assert node.installed_revision() == 13
    assert [one.name for one in (tmp_path / "manifests").iterdir()] == ["kube-apiserver.yaml"]


@pytest.mark.parametrize("content", ["", "x: [", '{"metadata": 1}'])
def test_a_broken_manifest_is_replaced(node: NodeFiles, tmp_path: Path, content: str) -> None:
    (tmp_path / "manifests/kube-apiserver.yaml").write_text(content)
    node.write_manifest(1, manifest(1))
    assert node.installed_revision() == 1


@pytest.mark.parametrize("key", ["..", "a/b", ""])
def test_a_key_that_is_no_file_name_is_refused(node: NodeFiles, key: str) -> None:
    with pytest.raises(InstallError, match="cannot be a file name"):
        node.write_revision(12, {("configmaps", "config"): {key: b""}}, "")


def test_a_disk_that_refuses_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    node = NodeFiles(tmp_path / "file", tmp_path / "file")
    with pytest.raises(InstallError, match=r"cannot write .*kube-apiserver-pod-1: Not a directory"):
        node.write_revision(1, CONTENTS, "")
    with pytest.raises(InstallError, match=r"cannot write .*kube-apiserver-certs"):
        node.write_certs(CONTENTS)
    with pytest.raises(InstallError, match="cannot write the manifest: Not a directory"):
        node.write_manifest(1, "")
    with pytest.raises(InstallError, match="cannot prune"):
        node.prune(set(), 5)


def test_old_directories_go_but_never_what_runs(node: NodeFiles, tmp_path: Path) -> None:
    for revision in (1, 2, 3, 4, 5):
        node.write_revision(revision, CONTENTS, manifest(revision))
    node.write_manifest(2, manifest(2))
    (tmp_path / "resources/kube-apiserver-pod-x").mkdir()
    (tmp_path / "resources/other-1").mkdir()
    assert node.prune({3}, 4) == [1, 4]
    assert sorted(one.name for one in (tmp_path / "resources").iterdir()) == [
        "kube-apiserver-pod-2", "kube-apiserver-pod-3", "kube-apiserver-pod-5",
        "kube-apiserver-pod-x", "other-1",
    ]  # fmt: skip
