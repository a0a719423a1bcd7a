"""Containers of added images: their root is their own, the image stays as it was."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from runtime.embedded_rig import EmbeddedRig, embedded_rig

from podpass.kubelet.runtime.bubblewrap import Overlay
from podpass.kubelet.runtime.interface import Mount


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[EmbeddedRig]:
    async with embedded_rig(tmp_path) as made:
        yield made


def small_root(directory: Path) -> Path:
    """Make a root file system of a shell and what it needs, with links as real images have."""
    for name in ("sh", "cat", "ls"):
        program = Path(shutil.which(name) or "").resolve()
        listing = subprocess.run(["ldd", program], capture_output=True, text=True, check=True)
        libraries = [word for word in listing.stdout.split() if word.startswith("/")]
        for source in (str(program), *libraries):
            target = directory / source.lstrip("/") if source != str(program) else None
            target = target or directory / "usr/bin" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    (directory / "bin").symlink_to("usr/bin")
    (directory / "var").mkdir()
    (directory / "var/run").symlink_to("/run")
    (directory / "etc").mkdir()
    (directory / "etc/hosts").write_text("the image's own")
    (directory / "etc/passwd").write_text("app:x:1234:1234:app:/home/app:/bin/sh\n")
    return directory


async def test_a_directory_image_runs_and_stays_as_it_was(rig: EmbeddedRig) -> None:
    root = small_root(rig.directory / "root")
    image = rig.images.add("mine:1", root)
    assert image.root is not None
    before = sorted(str(path) for path in image.root.rglob("*"))
    volume = rig.directory / "volume"
    volume.mkdir()
    (volume / "token").write_text("secret")
    script = (
        "echo x > /etc/new; echo y > /usr/bin/new; cat /var/run/secrets/token; echo; "
        "cat /etc/new /etc/hostname; ls /"
    )
    config = replace(rig.script(script), image="mine:1")
    mounts = (replace(config.mounts[0], host_path=volume, container_path="/var/run/secrets"),)
    text = await rig.output(replace(config, mounts=mounts))
    assert text.splitlines()[:3] == ["secret", "x", "pod"]
    assert {"bin", "dev", "etc", "proc", "run", "usr", "var"} <= set(text.split())
    assert "home" not in text.split()  # nothing of the host is there
    assert sorted(str(path) for path in image.root.rglob("*")) == before
    assert (image.root / "etc/hosts").read_text() == "the image's own"


async def test_an_images_read_only_root_refuses_writes(rig: EmbeddedRig) -> None:
    rig.images.add("mine", small_root(rig.directory / "root"))
    script = "for d in / /etc /usr; do echo x > $d/x && exit 1; done; exit 0"
    await rig.output(replace(rig.script(script), image="mine", read_only_root=True))


async def test_a_program_image_runs_with_arguments(rig: EmbeddedRig) -> None:
    program = rig.directory / "greet"
    program.write_text('#!/bin/sh\necho "hello $1 from $0"\n')
    program.chmod(0o755)
    rig.images.add("greet", program)
    config = replace(rig.script(""), image="greet", command=(), args=("you",))
    assert await rig.output(config) == "hello you from /usr/local/bin/greet\n"


async def test_where_overlays_cannot_be_on_disk_writes_stay_in_memory(rig: EmbeddedRig) -> None:
    rig.runtime._containers._overlay = Overlay.IN_MEMORY
    rig.images.add("mine", small_root(rig.directory / "root"))
    volume = rig.directory / "volume"
    volume.mkdir()
    (volume / "token").write_text("secret")
    for image in ("mine", "busybox"):
        config = rig.script(
            "echo x > /usr/new; cat /usr/new /usr/share/none/here/token",
            Mount(volume, "/usr/share/none/here"),
            name=image,
        )
        assert await rig.output(replace(config, image=image)) == "x\nsecret\n"
