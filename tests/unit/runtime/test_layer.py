"""Layers are applied inside the root and nowhere else."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
from runtime.archives import directory, file, layer, link, special

from podpass.kubelet.layer import LayerRefused, apply_layer


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "outside").write_text("safe")
    root = tmp_path / "root"
    root.mkdir()
    return root


def apply(root: Path, *members: tuple[tarfile.TarInfo, bytes]) -> None:
    with tarfile.open(fileobj=io.BytesIO(layer(*members))) as archive:
        apply_layer(archive, root)


def tree(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*")}


def test_members_of_all_kinds_are_unpacked(root: Path) -> None:
    apply(
        root,
        directory("./", 0o755),
        directory("etc/", 0o750),
        file("etc/a", b"one", 0o4755),
        link("etc/b", "a"),
        link("etc/c", "etc/a", hard=True),
        special("etc/pipe", tarfile.FIFOTYPE),
        special("etc/disk", tarfile.BLKTYPE),
        file("no/parent/listed", b"two"),
    )
    assert tree(root) == {"etc", "etc/a", "etc/b", "etc/c", "etc/pipe"} | {
        "no",
        "no/parent",
        "no/parent/listed",
    }
    assert (root / "etc").stat().st_mode & 0o777 == 0o750
    assert (root / "etc/a").stat().st_mode & 0o7777 == 0o755  # setuid is left out
    assert (root / "etc/a").samefile(root / "etc/c")
    assert (root / "etc/b").readlink() == Path("a")


def test_a_later_layer_replaces_and_whites_out(root: Path) -> None:
    apply(root, file("a", b"1"), file("d/old", b"1"), file("d/kept", b"1"), file("e/x", b"1"))
    apply(
        root,
        file("a", b"2"),
        file("d/.wh.old"),
        file("e/y", b"2"),
        file("e/.wh..wh..opq"),
        file(".wh.none"),
    )
    assert tree(root) == {"a", "d", "d/kept", "e", "e/y"}
    assert (root / "a").read_bytes() == b"2"


def test_files_links_and_directories_take_each_others_place(root: Path) -> None:
    apply(root, file("a"), directory("b"), file("b/x"), link("c", "b"))
    apply(root, directory("a"), file("b", b"2"), directory("c"), file("c/y"))
    assert tree(root) == {"a", "b", "c", "c/y"}
    assert not (root / "c").is_symlink()


def test_an_existing_directory_keeps_its_content(root: Path) -> None:
    apply(root, directory("d"), file("d/x"))
    apply(root, directory("d", 0o700))
    assert tree(root) == {"d", "d/x"}
    assert (root / "d").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "members",
    [
        pytest.param([file("../outside", b"bad")], id="dots"),
        pytest.param([file("a/../../outside", b"bad")], id="dots further in"),
        pytest.param([file("a"), link("h", "../outside", hard=True)], id="a hard link with dots"),
    ],
)
def test_a_name_that_leaves_the_root_is_refused(
    root: Path, members: list[tuple[tarfile.TarInfo, bytes]]
) -> None:
    with pytest.raises(LayerRefused, match="root"):
        apply(root, *members)
    assert (root.parent / "outside").read_text() == "safe"


def test_links_on_the_way_are_followed_inside(root: Path) -> None:
    apply(
        root,
        link("up", "../../.."),
        link("abs", "/"),
        file("up/outside", b"bad"),
        file("abs/inside", b"good"),
        file("/absolute", b"good"),
    )
    assert (root.parent / "outside").read_text() == "safe"
    assert {"outside", "inside", "absolute"} <= tree(root)


def test_a_file_does_not_write_through_a_link(root: Path) -> None:
    apply(root, link("l", str(root.parent / "outside")), file("l", b"bad"))
    assert (root.parent / "outside").read_text() == "safe"
    assert (root / "l").read_bytes() == b"bad"


def test_a_whiteout_does_not_reach_through_a_link(root: Path) -> None:
    apply(root, link("d", ".."), file("d/.wh.outside"))
    assert (root.parent / "outside").exists()


def test_a_hard_link_to_a_link_is_not_followed(root: Path) -> None:
    apply(root, link("l", str(root.parent / "outside")), link("h", "l", hard=True))
    assert (root / "h").is_symlink()


def test_links_in_circles_are_refused(root: Path) -> None:
    with pytest.raises(LayerRefused, match="too many levels"):
        apply(root, link("l", "l"), file("l/x"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_ordinary_user_can_use_and_remove_what_was_unpacked(root: Path) -> None:
    apply(root, directory("d", 0o555), file("d/x", b"", 0o000))
    assert (root / "d/x").read_bytes() == b""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_keeps_the_owners(root: Path) -> None:
    info, content = file("mine")
    info.uid, info.gid = 101, 102
    apply(root, (info, content))
    assert ((root / "mine").stat().st_uid, (root / "mine").stat().st_gid) == (101, 102)
