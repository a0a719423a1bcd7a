"""Links are followed inside the container's root."""

from __future__ import annotations

from pathlib import Path

import pytest

from podpass.kubelet.runtime.inner_path import InnerPaths, PathLoop


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "run").mkdir(parents=True)
    (root / "var").mkdir()
    (root / "var/run").symlink_to("/run")
    (root / "var/lock").symlink_to("../run/lock")
    (root / "escape").symlink_to("../../../../etc")
    (root / "loop").symlink_to("loop")
    return root


@pytest.mark.parametrize(
    ("path", "resolved"),
    [
        pytest.param("/", "/", id="the root"),
        pytest.param("/a//b/./c/", "/a/b/c", id="what is not there stays as it is"),
        pytest.param("/var/run/secrets/tokens", "/run/secrets/tokens", id="an absolute link"),
        pytest.param("/var/lock/x", "/run/lock/x", id="a relative link"),
        pytest.param("/var/run", "/run", id="a link at the end"),
        pytest.param("/escape/passwd", "/etc/passwd", id="a link that wants to leave"),
        pytest.param("/../../run", "/run", id="dots that want to leave"),
        pytest.param("/var/run/../x", "/x", id="dots behind a link"),
    ],
)
def test_resolve(root: Path, path: str, resolved: str) -> None:
    assert InnerPaths([("/", (root,))]).resolve(path) == resolved


def test_links_in_circles_are_refused(root: Path) -> None:
    with pytest.raises(PathLoop, match="too many levels of symbolic links"):
        InnerPaths([("/", (root,))]).resolve("/loop/x")


def test_the_upper_layer_hides_the_lower(root: Path, tmp_path: Path) -> None:
    upper = tmp_path / "upper"
    (upper / "var/run").mkdir(parents=True)
    paths = InnerPaths([("/", (upper, root))])
    assert paths.resolve("/var/run/x") == "/var/run/x"
    assert paths.resolve("/var/lock/x") == "/run/lock/x"


def test_a_mount_hides_what_was_there(root: Path, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "data").symlink_to("/run")
    paths = InnerPaths([("/", (root,))])
    paths.mount("/var", volume)
    assert paths.resolve("/var/run/x") == "/var/run/x"
    assert paths.resolve("/var/data/x") == "/run/x"
    assert paths.tree("/var/run/x") == ("/var", (volume,))
    assert paths.tree("/variable") == ("/", (root,))
    assert paths.find("/var/data") == volume / "data"
    assert paths.find("/var/none") is None


def test_a_mounted_file_is_no_link_to_follow(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("elsewhere")
    paths = InnerPaths([("/", (root,))])
    paths.mount("/run/file", tmp_path / "link")
    assert paths.resolve("/run/file") == "/run/file"
