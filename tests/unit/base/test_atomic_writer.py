"""`base.atomic_writer`: one switch for all files, and repair of what a crash left behind."""

from __future__ import annotations

import os
import stat
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from podpass.base.atomic_writer import AtomicWriter, InvalidPath, ProjectedFile, clean_path, give_to

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def files(**contents: str) -> dict[str, ProjectedFile]:
    return {
        path.replace("__", "/"): ProjectedFile(text.encode(), 0o644)
        for path, text in contents.items()
    }


def timestamped(directory: Path) -> list[str]:
    return sorted(one.name for one in directory.iterdir() if one.name.startswith("..2"))


@pytest.mark.rule("atomic.paths")
@pytest.mark.parametrize(
    ("path", "cleaned"),
    [
        pytest.param("token", "token", id="a name"),
        pytest.param("a//b/./c", "a/b/c", id="empty and dot elements go"),
        pytest.param(".hidden", ".hidden", id="one dot is a name"),
        pytest.param("a/..b", "a/..b", id="two dots may start a later element"),
        pytest.param("x" * 255, "x" * 255, id="the longest name"),
        pytest.param("/".join(["x" * 255] * 16), "/".join(["x" * 255] * 16), id="4095 bytes"),
    ],
)
def test_a_good_path_is_cleaned(path: str, cleaned: str) -> None:
    assert clean_path(path) == cleaned


@pytest.mark.rule("atomic.paths")
@pytest.mark.parametrize(
    ("path", "message"),
    [
        pytest.param("", "must not be empty", id="empty"),
        pytest.param("./", "must not be empty", id="nothing but dots"),
        pytest.param("/token", "must be relative path", id="absolute"),
        pytest.param("a/../b", "must not contain '..'", id="leaves a directory"),
        pytest.param("..data", "must not start with '..'", id="reserved name"),
        pytest.param("x" * 256, "less than or equal to 255", id="name too long"),
        pytest.param("/".join(["x" * 240] * 18), "less than or equal to 4096", id="path too long"),
    ],
)
def test_a_bad_path_is_refused_and_nothing_changes(tmp_path: Path, path: str, message: str) -> None:
    with pytest.raises(InvalidPath, match=message):
        AtomicWriter(tmp_path).write({path: ProjectedFile(b"x", 0o644)}, now=NOW)
    assert [*tmp_path.iterdir()] == []


@pytest.mark.rule("atomic.reserved", "atomic.links")
def test_the_layout_is_that_of_the_reference(tmp_path: Path) -> None:
    writer = AtomicWriter(tmp_path)
    assert not writer.published
    assert writer.read() == {}
    assert writer.write(files(token="t", sub__a="1", sub__b="2"), now=NOW)
    assert writer.published
    assert str((tmp_path / "token").readlink()) == "..data/token"
    assert str((tmp_path / "sub").readlink()) == "..data/sub"
    (name,) = timestamped(tmp_path)
    assert str((tmp_path / "..data").readlink()) == name
    assert name.startswith("..2026_01_02_03_04_05.")
    assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o755
    assert (tmp_path / "sub" / "b").read_text() == "2"
    assert {path: file.content for path, file in writer.read().items()} == {
        "token": b"t", "sub/a": b"1", "sub/b": b"2",
    }  # fmt: skip


@pytest.mark.rule("atomic.modes")
@pytest.mark.parametrize("mode", [0o600, 0o644, 0o777], ids=oct)
def test_modes_do_not_depend_on_the_umask(tmp_path: Path, mode: int) -> None:
    former = os.umask(0o077)
    try:
        AtomicWriter(tmp_path).write({"t": ProjectedFile(b"x", mode)}, now=NOW)
    finally:
        os.umask(former)
    assert stat.S_IMODE((tmp_path / "t").stat().st_mode) == mode


@pytest.mark.rule("atomic.unchanged")
def test_the_same_content_is_not_written_again_even_with_another_mode(tmp_path: Path) -> None:
    writer = AtomicWriter(tmp_path)
    assert writer.write({"t": ProjectedFile(b"x", 0o644)}, now=NOW)
    before = timestamped(tmp_path)
    assert not writer.write({"t": ProjectedFile(b"x", 0o600)}, now=NOW)
    assert timestamped(tmp_path) == before


@pytest.mark.rule("atomic.switch", "atomic.removal")
@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(files(token="new"), id="other content"),
        pytest.param(files(token="t", more="m"), id="a further file"),
        pytest.param(files(other="t"), id="another name"),
        pytest.param({}, id="nothing left"),
    ],
)
def test_a_change_is_switched_to_and_pruned_later(
    tmp_path: Path, payload: dict[str, ProjectedFile]
) -> None:
    writer = AtomicWriter(tmp_path)
    writer.write(files(token="t"), now=NOW)
    inode = tmp_path.stat().st_ino
    assert writer.write(payload, now=NOW)
    assert len(timestamped(tmp_path)) == 2, "a reader may still be on its way to the former files"
    writer.prune()
    assert len(timestamped(tmp_path)) == 1
    visible = {one.name for one in tmp_path.iterdir() if not one.name.startswith("..")}
    assert visible == set(payload)
    assert {name: (tmp_path / name).read_bytes() for name in payload} == {
        name: file.content for name, file in payload.items()
    }
    assert tmp_path.stat().st_ino == inode


@pytest.mark.rule("atomic.open-file")
def test_an_open_file_keeps_the_former_content(tmp_path: Path) -> None:
    writer = AtomicWriter(tmp_path)
    writer.write(files(token="old"), now=NOW)
    with (tmp_path / "token").open() as opened:
        writer.write(files(token="new"), now=NOW)
        writer.prune()
        assert opened.read() == "old"


@pytest.mark.rule("atomic.links-repaired", "atomic.stale-link")
def test_what_a_crash_left_is_repaired(tmp_path: Path) -> None:
    writer = AtomicWriter(tmp_path)
    writer.write(files(a="1"), now=NOW)
    (tmp_path / "..data_tmp").symlink_to("nowhere")
    (tmp_path / "..2026_01_01_00_00_00.1").mkdir()
    (tmp_path / "a").unlink()
    assert not writer.write(files(a="1"), now=NOW), "only the link is missing"
    assert (tmp_path / "a").read_text() == "1"
    assert writer.write(files(a="2"), now=NOW), "a stale ..data_tmp does not stop the switch"
    writer.prune()
    assert len(timestamped(tmp_path)) == 1
    assert not (tmp_path / "..data_tmp").is_symlink()


@pytest.mark.parametrize(
    "target",
    [
        pytest.param("..2026_01_02_03_04_05.7", id="to nowhere"),
        pytest.param("../other", id="out of the directory"),
        pytest.param("/etc", id="to an absolute path"),
        pytest.param("..2026_01_01_00_00_00.1", id="through another link"),
    ],
)
def test_a_forged_data_link_is_not_followed(tmp_path: Path, target: str) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "secret").write_text("s")
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "..2026_01_01_00_00_00.1").symlink_to(tmp_path / "other")
    (volume / "..data").symlink_to(target)
    writer = AtomicWriter(volume)
    assert writer.read() == {}
    assert not writer.published
    writer.prune()
    assert writer.write(files(token="t"), now=NOW)
    assert (volume / "token").read_text() == "t"
    assert (tmp_path / "other" / "secret").exists()


def test_files_of_others_in_the_directory_stay(tmp_path: Path) -> None:
    (tmp_path / "note").write_text("mine")
    (tmp_path / "link").symlink_to("note")
    writer = AtomicWriter(tmp_path)
    writer.write(files(token="t"), now=NOW)
    writer.write({}, now=NOW)
    writer.prune()
    assert {one.name for one in tmp_path.iterdir() if not one.name.startswith("..")} == {
        "note", "link",
    }  # fmt: skip


def test_links_inside_the_content_are_not_read(tmp_path: Path) -> None:
    writer = AtomicWriter(tmp_path)
    writer.write(files(token="t"), now=NOW)
    (tmp_path / "..data" / "passwd").symlink_to("/etc/passwd")
    assert [*writer.read()] == ["token"]


@pytest.mark.rule("volume.fs-group-before-publish")
def test_the_new_directory_is_finished_before_anyone_sees_it(tmp_path: Path) -> None:
    writer = AtomicWriter(tmp_path)

    def finish(directory: Path) -> None:
        assert not (tmp_path / "..data").exists()
        (directory / "token").chmod(0o640)

    writer.write(files(token="t"), now=NOW, before_publish=finish)
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o640


@pytest.mark.rule("atomic.abort")
def test_a_failure_before_the_switch_leaves_the_former_content(tmp_path: Path) -> None:
    writer = AtomicWriter(tmp_path)
    writer.write(files(token="old"), now=NOW)

    def fail(_directory: Path) -> None:
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        writer.write(files(token="new"), now=NOW, before_publish=fail)
    assert (tmp_path / "token").read_text() == "old"
    assert len(timestamped(tmp_path)) == 1


def test_a_switch_that_fails_leaves_no_temporary_link(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()
    with pytest.raises(OSError, match="directory"):
        AtomicWriter(tmp_path).write(files(token="t"), now=NOW)
    assert [one.name for one in tmp_path.iterdir()] == ["..data"]


def test_files_are_given_to_their_owner(tmp_path: Path) -> None:
    AtomicWriter(tmp_path).write({"token": ProjectedFile(b"t", 0o600, 4711)}, now=NOW)
    expected = 4711 if os.geteuid() == 0 else os.geteuid()
    assert (tmp_path / "token").stat().st_uid == expected
    assert (tmp_path / "token").lstat().st_uid == expected


def test_giving_away_what_is_not_there_is_tolerated(tmp_path: Path) -> None:
    give_to(tmp_path / "missing", 0, 0)


@pytest.mark.rule("atomic.switch")
def test_a_reader_that_polls_sees_whole_files_through_every_switch(tmp_path: Path) -> None:
    writer = AtomicWriter(tmp_path)
    texts = [str(number) * 3000 for number in range(10)]
    writer.write(files(token=texts[0]), now=NOW)
    failures: list[str] = []
    seen: set[str] = set()
    done = threading.Event()

    reads = [0, 0]

    def read(reader: int) -> None:
        while not done.is_set():
            try:
                text = (tmp_path / "token").read_text()
            except OSError as error:
                failures.append(str(error))
                continue
            if text not in texts:
                failures.append(f"torn: {len(text)} bytes")
            seen.add(text[0])
            reads[reader] += 1

    readers = [threading.Thread(target=read, args=(number,)) for number in range(len(reads))]
    for reader in readers:
        reader.start()
    try:
        for turn in range(1, 200):
            before = list(reads)
            while not failures and any(
                now < old + 2 for now, old in zip(reads, before, strict=True)
            ):
                pass  # whoever was on the way into the superseded directory has arrived
            writer.prune()
            writer.write(files(token=texts[turn % 10]), now=NOW)
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert failures == []
    assert len(seen) > 1


@pytest.mark.rule("case.atomic.missing-target")
def test_a_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        AtomicWriter(tmp_path / "none").write(files(a="1"), now=NOW)


@pytest.mark.rule("atomic.removal", "atomic.links", "case.atomic.removal", "case.atomic.update")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(("a", "b"), ("a",), id="a file goes"),
        pytest.param(("a", "d/b"), ("a",), id="a file goes with its directory"),
        pytest.param(("d/a", "d/b"), ("d/a",), id="a file goes, its directory stays"),
        pytest.param(("d/e/f/a", "d/b"), ("d/b",), id="empty directories go, shared ones stay"),
        pytest.param(("d/e/a", "g/b"), (), id="everything goes"),
        pytest.param(("a",), ("d/e/f/b", "c"), id="a file goes and deep ones come"),
        pytest.param(("d/a",), ("d",), id="a directory becomes a file"),
        pytest.param(("d",), ("d/a",), id="a file becomes a directory"),
    ],
)
def test_exactly_what_is_wanted_is_there(
    tmp_path: Path, before: tuple[str, ...], after: tuple[str, ...]
) -> None:
    writer = AtomicWriter(tmp_path)
    for payload in (before, after):
        writer.write({path: ProjectedFile(path.encode(), 0o644) for path in payload}, now=NOW)
        writer.prune()
        there = [one for one in (tmp_path / "..data/").rglob("*") if one.is_file()]
        shown = {str(one.relative_to(tmp_path / "..data")): one.read_bytes() for one in there}
        assert shown == {path: path.encode() for path in payload}
        links = {one.name: str(one.readlink()) for one in tmp_path.iterdir() if one.is_symlink()}
        first = {path.partition("/")[0] for path in payload}
        assert links.pop("..data") == timestamped(tmp_path)[0]
        assert links == {name: f"..data/{name}" for name in first}
        directories = {one for one in (tmp_path / "..data/").rglob("*") if one.is_dir()}
        assert all(any(one.iterdir()) for one in directories)


@pytest.mark.rule("atomic.modes", "atomic.paths", "case.atomic.write")
def test_bytes_modes_and_odd_names_are_written_as_given(tmp_path: Path) -> None:
    payload = {
        "binary": ProjectedFile(bytes(range(256)), 0o777),
        ".dot": ProjectedFile(b"", 0o400),
        "a//b": ProjectedFile(b"x", 0o407),
        "deep/er/file": ProjectedFile(b"y", 0o440),
    }
    AtomicWriter(tmp_path).write(payload, now=NOW)
    for path, file in payload.items():
        written = tmp_path / clean_path(path)
        assert (written.read_bytes(), stat.S_IMODE(written.stat().st_mode)) == (
            file.content,
            file.mode,
        )
