"""`bootstrap.archive`: what is damaged, or never was a backup, is refused with the reason."""

from __future__ import annotations

import hashlib
import io
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from podpass.bootstrap.archive import SNAPSHOT, BackupFacts, open_archive, write_archive
from podpass.bootstrap.home import HomeError

FACTS = BackupFacts(
    version="1", engine="sqlite", revision=7, objects=0, created="2026-03-01T00:00:00Z", home="/h"
)
FILES = {
    "cluster.json": b"{}",
    "pki/sa.key": b"key",
    "audit/policy.yaml": b"rules: []",
    "nodes/master-0/manifests/a.yaml": b"{}",
    "nodes/master-0/manifests/my own (1) \u00e4.yaml": b"{}",
}
Members = list[tuple[tarfile.TarInfo, bytes]]


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    path = tmp_path / "b.tar"
    write_archive(path, FACTS, FILES, io.BytesIO(b"snapshot\n"), force=False)
    return path


def test_what_was_written_is_read(backup: Path) -> None:
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    with open_archive(backup) as archive:
        assert archive.facts == FACTS
        assert {name: archive.read(name) for name in archive.members} == FILES
        assert archive.snapshot().read() == b"snapshot\n"
    assert [one.name for one in backup.parent.iterdir()] == ["b.tar"]


def test_nothing_is_overwritten_without_force(backup: Path) -> None:
    before = backup.read_bytes()
    with pytest.raises(HomeError, match="give --force"):
        write_archive(backup, FACTS, {}, io.BytesIO(), force=False)
    assert backup.read_bytes() == before
    write_archive(backup, FACTS, FILES, io.BytesIO(b"other"), force=True)
    with open_archive(backup) as archive:
        assert archive.snapshot().read() == b"other"


@pytest.mark.parametrize(
    "name",
    ["run/x", "pki/.x", "pki/../x", "pki/a\n", "pki/\udcff", "secrets"],
    ids=["not kept", "hidden", "a way up", "a line feed", "no text", "a new one"],
)
def test_what_could_not_be_restored_is_not_backed_up(tmp_path: Path, name: str) -> None:
    with pytest.raises(HomeError, match="could not be restored; rename it"):
        write_archive(tmp_path / "b.tar", FACTS, FILES | {name: b""}, io.BytesIO(), force=False)
    assert not list(tmp_path.iterdir())


def test_a_backup_that_cannot_be_written_leaves_what_was_there(backup: Path) -> None:
    before = backup.read_bytes()

    class Broken(io.BytesIO):
        reads = 0

        def read(self, size: int | None = -1, /) -> bytes:
            self.reads += 1
            if self.reads > 2:
                raise OSError(28, "No space left on device")
            return super().read(size)

    with pytest.raises(OSError, match="No space left"):
        write_archive(backup, FACTS, FILES, Broken(b"x"), force=True)
    assert backup.read_bytes() == before
    assert [one.name for one in backup.parent.iterdir()] == ["b.tar"]


def members_of(path: Path) -> Members:
    with tarfile.open(path) as tar:
        return [(one, (tar.extractfile(one) or io.BytesIO()).read()) for one in tar]


def write(path: Path, members: Members) -> None:
    with tarfile.open(path, "w") as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content) if info.isreg() else None)


def extra(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> Callable[[Members], None]:
    def add(members: Members) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, target
        members.append((info, b""))

    return add


def without(name: str) -> Callable[[Members], None]:
    def remove(members: Members) -> None:
        members[:] = [one for one in members if one[0].name != name]

    return remove


def changed(name: str, content: bytes) -> Callable[[Members], None]:
    def change(members: Members) -> None:
        members[:] = [(info, content if info.name == name else c) for info, c in members]

    return change


def manifest(**fields: object) -> Callable[[Members], None]:
    """Forge a manifest, with its digest."""

    def change(members: Members) -> None:
        content = orjson.dumps(orjson.loads(members[0][1]) | fields)
        changed("manifest.json", content)(members)
        changed("manifest.json.sha256", hashlib.sha256(content).hexdigest().encode())(members)

    return change


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        pytest.param(extra("../evil"), "'../evil' does not belong there", id="a way up"),
        pytest.param(extra("home/pki/../../evil"), "does not belong", id="a way up in the middle"),
        pytest.param(extra("/etc/passwd"), "does not belong there", id="an absolute path"),
        pytest.param(extra("home/run/x"), "does not belong there", id="an unknown directory"),
        pytest.param(extra("home/pki/x\n"), "does not belong there", id="a line feed"),
        pytest.param(extra("home/pki/.x"), "does not belong there", id="a hidden name"),
        pytest.param(extra("home/pki/new.key"), "does not know the member", id="an unknown file"),
        pytest.param(extra("home/pki/sa.key"), "is there twice", id="a name twice"),
        pytest.param(
            extra("home/pki/l", tarfile.SYMTYPE, "/etc"), "no plain file", id="a symbolic link"
        ),
        pytest.param(
            extra("home/pki/l", tarfile.LNKTYPE, "home/pki/sa.key"), "no plain file", id="a link"
        ),
        pytest.param(extra("home/pki", tarfile.DIRTYPE), "no plain file", id="a directory"),
        pytest.param(extra("home/pki/f", tarfile.FIFOTYPE), "no plain file", id="a pipe"),
        pytest.param(extra("home/pki/f", tarfile.CHRTYPE), "no plain file", id="a device"),
        pytest.param(without("home/pki/sa.key"), "sa.key is missing", id="a file is missing"),
        pytest.param(without(SNAPSHOT), "snapshot.jsonl is missing", id="no snapshot"),
        pytest.param(without("manifest.json"), "manifest.json is missing", id="no manifest"),
        pytest.param(without("manifest.json.sha256"), "is missing", id="no digest"),
        pytest.param(changed("home/pki/sa.key", b"kez"), "is not what was", id="other bytes"),
        pytest.param(changed("home/pki/sa.key", b"ke"), "is not what was", id="fewer bytes"),
        pytest.param(changed(SNAPSHOT, b"snapshot\nx"), "is not what was", id="more bytes"),
        pytest.param(changed("manifest.json", b"{}"), "digest of its manifest", id="manifest"),
        pytest.param(manifest(format="other/v1"), "its format is other/v1", id="other format"),
        pytest.param(manifest(members=[]), "cannot be read", id="members are no object"),
        pytest.param(manifest(members={}), "does not know the member", id="no members"),
        pytest.param(manifest(revision="7"), "revision is no number", id="revision is text"),
    ],
)
def test_a_changed_archive_is_refused(
    backup: Path, damage: Callable[[Members], None], why: str
) -> None:
    members = members_of(backup)
    damage(members)
    write(backup, members)
    with pytest.raises(HomeError, match=why), open_archive(backup):
        pass


def test_an_archive_that_was_cut_anywhere_is_refused(backup: Path) -> None:
    whole = backup.read_bytes()
    end = len(whole.rstrip(b"\0"))
    for length in [0, 1, 511, 512, 513, *range(1024, end, 512), end - 1]:
        backup.write_bytes(whole[:length])
        with pytest.raises(HomeError, match="is damaged or no backup"), open_archive(backup):
            pass


def test_a_changed_byte_anywhere_is_refused_or_changes_nothing(backup: Path) -> None:
    whole = backup.read_bytes()
    for place in range(0, len(whole.rstrip(b"\0")), 37):
        backup.write_bytes(whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :])
        try:
            with open_archive(backup) as archive:
                assert archive.facts == FACTS
                assert {name: archive.read(name) for name in archive.members} == FILES
        except HomeError:
            continue


@pytest.mark.parametrize(
    "content", [b"", b"text\n" * 300, b"\0" * 10240], ids=["", "text", "zeros"]
)
def test_what_is_no_tar_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(HomeError, match="is damaged or no backup"), open_archive(tmp_path / "x"):
        pass


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(HomeError, match=r"cannot read .*No such file"),
        open_archive(tmp_path / "x"),
    ):
        pass
