"""The image catalog and what may be added to it."""

from __future__ import annotations

import gzip
import json
import platform
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from runtime.archives import directory, docker_files, file, layer, oci_files, tar_of, write_files

from podpass.kubelet.image import Image, ImageFile
from podpass.kubelet.images import ImageCatalog
from podpass.kubelet.runtime.interface import ImageNotFound, RuntimeFailure

LAYERS = [layer(directory("bin"), file("bin/app", b"1", 0o755)), layer(file("bin/.wh.none"))]
CONFIG: dict[str, Any] = {
    "Entrypoint": ["/bin/app"],
    "Cmd": ["--fast"],
    "Env": ["A=b=c", "PATH=/bin"],
    "WorkingDir": "/srv",
    "User": "101:102",
    "StopSignal": "SIGQUIT",
}


@pytest.fixture
def catalog(tmp_path: Path) -> ImageCatalog:
    return ImageCatalog(tmp_path / "images")


def archive(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "image.tar"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda p: write_files(p / "l", oci_files(LAYERS, CONFIG)), id="OCI layout"),
        pytest.param(
            lambda p: archive(p, tar_of(oci_files(LAYERS, CONFIG, architecture="amd64"))),
            id="OCI archive",
            marks=pytest.mark.skipif(platform.machine() != "x86_64", reason="made for amd64"),
        ),
        pytest.param(
            lambda p: archive(p, gzip.compress(tar_of(docker_files(LAYERS, CONFIG)))),
            id="docker save archive, gzipped",
        ),
    ],
)
def test_an_image_is_added_with_its_configuration(
    catalog: ImageCatalog, tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    added = catalog.add("me/app:1", make(tmp_path))
    image = catalog.find("docker.io/me/app:1")
    assert image == added
    assert image.root is not None
    assert (image.root / "bin/app").read_bytes() == b"1"
    assert (image.entrypoint, image.command) == (("/bin/app",), ("--fast",))
    assert image.environment == {"A": "b=c", "PATH": "/bin"}
    assert (image.working_directory, image.user) == ("/srv", "101:102")
    assert (image.stop_signal, image.size) == (signal.SIGQUIT, 1)
    assert image.id.startswith("sha256:")
    assert catalog.find(f"me/app:1@{image.id}") == image
    assert catalog.find(f"me/app@{image.id}") == image


def test_an_image_without_configuration_has_defaults(catalog: ImageCatalog, tmp_path: Path) -> None:
    image = catalog.add("app", archive(tmp_path, tar_of(oci_files(LAYERS, {"StopSignal": "2"}))))
    assert (image.entrypoint, image.user, image.stop_signal) == ((), "", 2)


def test_a_directory_becomes_an_image(catalog: ImageCatalog, tmp_path: Path) -> None:
    root = write_files(tmp_path / "root", {"bin/sh": b"shell", "etc/passwd": b"x"})
    (root / "bin/sh").chmod(0o4755)
    (root / "link").symlink_to("/bin/sh")
    image = catalog.add("mine", root)
    (root / "bin/sh").write_bytes(b"later")
    assert image.root is not None
    assert (image.root / "bin/sh").read_bytes() == b"shell"
    assert (image.root / "bin/sh").stat().st_mode & 0o7777 == 0o755
    assert (image.root / "link").readlink() == Path("/bin/sh")
    assert image.command == ("/bin/sh",)
    assert catalog.add("mine", root).id != image.id


def test_a_program_becomes_an_image(catalog: ImageCatalog, tmp_path: Path) -> None:
    program = tmp_path / "tool"
    program.write_text("#!/bin/sh\necho hi\n")
    program.chmod(0o700)
    image = catalog.add("tool:2", program)
    assert (image.root, image.entrypoint) == (None, ("/usr/local/bin/tool",))
    [(path, inside)] = image.binds
    assert (path.stat().st_mode & 0o777, inside) == (0o755, "/usr/local/bin/tool")
    with pytest.raises(ImageNotFound):
        catalog.find("tool")


def test_added_images_come_before_built_in_ones(catalog: ImageCatalog, tmp_path: Path) -> None:
    root = write_files(tmp_path / "root", {"a": b""})
    built_in = catalog.find("nginx")
    catalog.add("nginx", root)
    assert catalog.find("nginx").root is not None
    assert catalog.find("nginx:1.25") == built_in
    assert [(e.name, e.tag, e.built_in) for e in catalog.entries()][:2] == [
        ("nginx", "latest", False),
        ("alpine", "<any>", True),
    ]
    catalog.remove("nginx")
    assert catalog.find("nginx") == built_in
    assert list((tmp_path / "images").iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("unknown", id="an unknown name"),
        pytest.param("registry.example/x/nginx", id="a registry"),
        pytest.param("me/nginx", id="somebody else's"),
        pytest.param("nginx@sha256:" + "a" * 64, id="a digest of a built-in image"),
    ],
)
def test_what_is_not_there_says_what_to_do(catalog: ImageCatalog, name: str) -> None:
    with pytest.raises(ImageNotFound, match=r"podpass image add .* PATH"):
        catalog.find(name)


def test_bad_names_are_refused(catalog: ImageCatalog, tmp_path: Path) -> None:
    with pytest.raises(ImageNotFound, match="invalid reference format"):
        catalog.find("Bad Name")
    with pytest.raises(ImageNotFound, match="invalid reference format"):
        catalog.remove("Bad Name")
    with pytest.raises(RuntimeFailure, match="invalid reference format"):
        catalog.add("Bad Name", tmp_path)
    with pytest.raises(RuntimeFailure, match="names a digest"):
        catalog.add("a@sha256:" + "a" * 64, tmp_path)
    with pytest.raises(ImageNotFound, match="was not added"):
        catalog.remove("nginx")


def damaged(files: dict[str, bytes]) -> dict[str, bytes]:
    blobs = [name for name in files if name.startswith("blobs/")]
    return {**files, blobs[1]: b"something else"}


def without_blobs(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: content for name, content in files.items() if not name.startswith("blobs/")}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"text", "neither a tar archive nor a program", id="a text file"),
        pytest.param(tar_of({"a": b""}), "neither index.json", id="a plain archive"),
        pytest.param(tar_of(damaged(oci_files(LAYERS, {}))), "wrong digest", id="a damaged blob"),
        pytest.param(
            tar_of(without_blobs(oci_files(LAYERS, {}))), "the archive lacks", id="no blobs"
        ),
        pytest.param(
            tar_of(oci_files(LAYERS, {}, architecture="mips")),
            "no image for this machine",
            id="arch",
        ),
        pytest.param(
            tar_of(oci_files(LAYERS, {"StopSignal": "SIGNOTHING"})), "stop signal", id="a signal"
        ),
        pytest.param(tar_of({"index.json": b"{"}), "is not JSON", id="broken JSON"),
        pytest.param(tar_of({"index.json": b"[]"}), "not a JSON object", id="a list"),
        pytest.param(
            tar_of({"index.json": b'{"manifests": [{"digest": "sha256:../.."}]}'}),
            "without a sha256 digest",
            id="a digest that is a path",
        ),
        pytest.param(tar_of({"manifest.json": b"[]"}), "exactly one image", id="no image"),
        pytest.param(
            tar_of(docker_files([b"\x28\xb5\x2f\xfdrest"], {})), "zstd", id="a zstd layer"
        ),
        pytest.param(tar_of(docker_files([b"rubbish" * 100], {})), "damaged", id="no tar inside"),
        pytest.param(
            tar_of(docker_files([layer(file("../x"))], {})), "leaves the root", id="path traversal"
        ),
        pytest.param(tar_of(docker_files(LAYERS, {}))[:2000], "lacks|damaged", id="a cut archive"),
        pytest.param(tar_of({"manifest.json": b"{"}), "damaged", id="a broken manifest"),
        pytest.param(tar_of({"manifest.json": b"[1]"}), "damaged", id="a manifest of a number"),
        pytest.param(tar_of({"manifest.json": b"[{}]"}), "damaged", id="an empty manifest"),
        pytest.param(
            gzip.compress(tar_of(docker_files(LAYERS, {})))[:150], "damaged|lacks", id="a cut gzip"
        ),
    ],
)
def test_what_is_no_image_is_refused_and_leaves_nothing(
    catalog: ImageCatalog, tmp_path: Path, content: bytes, message: str
) -> None:
    with pytest.raises(RuntimeFailure, match=message):
        catalog.add("app", archive(tmp_path, content))
    assert list((tmp_path / "images").iterdir()) == []


def test_a_missing_path_and_a_device_are_refused(catalog: ImageCatalog, tmp_path: Path) -> None:
    with pytest.raises(RuntimeFailure, match="does not exist"):
        catalog.add("app", tmp_path / "none")
    with pytest.raises(RuntimeFailure, match="neither a file nor a directory"):
        catalog.add("app", Path("/dev/null"))
    with pytest.raises(RuntimeFailure, match="contains the catalog itself"):
        catalog.add("app", tmp_path)


def test_a_damaged_entry_is_reported_and_does_not_hide_the_others(
    catalog: ImageCatalog, tmp_path: Path
) -> None:
    catalog.add("app", write_files(tmp_path / "root", {"a": b""}))
    [record] = (tmp_path / "images").glob("*/image.json")
    record.write_text(json.dumps({"name": "app"}))
    with pytest.raises(RuntimeFailure, match="damaged; add it again"):
        catalog.find("app")
    assert all(entry.built_in for entry in catalog.entries())


PASSWD = ImageFile(b"root:x:0:0:root:/root:/bin/sh\nweb:x:101:102:web:/srv:/bin/sh\nbroken\n")
GROUP = ImageFile(b"root:x:0:\nstaff:x:50:\n")


@pytest.mark.parametrize(
    ("user", "uid", "gid", "account"),
    [
        pytest.param("", None, None, (0, 0, "/root"), id="root by default"),
        pytest.param("web", None, None, (101, 102, "/srv"), id="a name"),
        pytest.param("101", None, None, (101, 102, "/srv"), id="a known number"),
        pytest.param("1000", None, None, (1000, 0, "/"), id="an unknown number"),
        pytest.param("web:staff", None, None, (101, 50, "/srv"), id="a named group"),
        pytest.param("1000:7", None, None, (1000, 7, "/"), id="a numbered group"),
        pytest.param("web:staff", 0, None, (0, 0, "/root"), id="the pod's user"),
        pytest.param("web", None, 9, (101, 9, "/srv"), id="the pod's group"),
        pytest.param("web", 1000, 10000, (1000, 10000, "/"), id="both of the pod"),
    ],
)
def test_the_user_of_an_image(
    user: str, uid: int | None, gid: int | None, account: tuple[int, int, str]
) -> None:
    files = {"/etc/passwd": PASSWD, "/etc/group": GROUP}
    found = Image("app", "sha256:1", 0, files=files, user=user).account(uid, gid)
    assert (found.uid, found.gid, found.home) == account


@pytest.mark.parametrize("user", ["nobody-here", "web:nobody-here"])
def test_a_user_that_the_image_does_not_have_is_refused(user: str) -> None:
    files = {"/etc/passwd": PASSWD, "/etc/group": GROUP}
    with pytest.raises(LookupError, match="nobody-here"):
        Image("app", "sha256:1", 0, files=files, user=user).account()


def test_an_images_passwd_is_not_read_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").symlink_to("/etc/passwd")
    with pytest.raises(LookupError):
        Image("app", "sha256:1", 0, root=tmp_path, user="nobody").account()
    assert Image("app", "sha256:1", 0, root=tmp_path).account().home == "/"
