"""The image catalog: which images there are, in a directory that all nodes of a machine share.

1. A name is completed first (`image_reference`); images that a user added come before built-in
   ones of the same name.
2. Built-in images answer to every tag of their name on docker.io/library, never to a digest.
3. An image is added under another name and then renamed: it is there whole or not at all.

    <directory>/<hash of the name>/image.json, and rootfs/ or program
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from podpass.base.files import write_file
from podpass.base.tasks import new_uid
from podpass.kubelet.builtin_images import builtin_image, builtin_image_names
from podpass.kubelet.image import DEFAULT_PATH, Image
from podpass.kubelet.image_reference import ImageReference, parse_reference
from podpass.kubelet.runtime.interface import ImageNotFound, RuntimeFailure
from podpass.kubelet.runtime.removal import remove_tree


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """A row of `podpass image list`.

    Attributes:
        name: Name without its tag.
        tag: Tag, `<any>` for a built-in image.
        image: The image.
        built_in: Whether it came with podpass.
    """

    name: str
    tag: str
    image: Image
    built_in: bool


class ImageCatalog:
    """Looks images up, and keeps those that were added.

    Args:
        directory: Where added images are; made when the first one is added.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def find(self, name: str) -> Image:
        """Return the image that `name` stands for.

        Raises:
            ImageNotFound: There is none; says what to do.
            RuntimeFailure: Its files are damaged.
        """
        try:
            reference = parse_reference(name)
        except ValueError as error:
            raise ImageNotFound(str(error)) from error
        added = self._added(reference)
        if added is not None:
            return added
        image = None
        if reference.library_name and not reference.digest:
            image = builtin_image(reference.library_name)
        if image is None:
            raise ImageNotFound(
                f'image "{name}" is not in the catalog of podpass, which pulls nothing; add it '
                f"with: podpass image add {name} PATH (a root file system directory, an OCI or "
                "docker archive, or a single program)"
            )
        return image

    def entries(self) -> list[CatalogEntry]:
        """Return all images, added ones first, each group by name.

        An image that cannot be read is left out.
        """
        entries = []
        for path in sorted(self._directory.glob("*/image.json")):
            if path.parent.name.startswith("."):
                continue
            try:
                image = _load(path)
            except RuntimeFailure:
                continue
            reference = parse_reference(image.name)
            entries.append(
                CatalogEntry(reference.familiar_name, reference.tag, image, built_in=False)
            )
        entries.sort(key=lambda entry: (entry.name, entry.tag))
        for name in builtin_image_names():
            try:
                built_in = builtin_image(name)
            except RuntimeFailure:
                continue
            if built_in is not None:
                entries.append(CatalogEntry(name, "<any>", built_in, built_in=True))
        return entries

    def add(self, name: str, path: Path) -> Image:
        """Take an image into the catalog; one of the same name is replaced.

        Args:
            name: Image name; the tag is `latest` by default.
            path: A root file system directory, an OCI layout directory or archive, a `docker
                save` archive, or a single program.

        Raises:
            RuntimeFailure: A bad name, or `path` is nothing of that kind, or the disk refused.
        """
        from podpass.kubelet.image_import import import_image  # noqa: PLC0415 - tarfile is big

        try:
            reference = parse_reference(name)
        except ValueError as error:
            raise RuntimeFailure(str(error)) from error
        if reference.digest:
            raise RuntimeFailure(f'"{name}" names a digest; add the image under a tag')
        target = self._place(reference)
        temporary = self._directory / f".{target.name}.{new_uid()}"
        try:
            temporary.mkdir(parents=True, mode=0o755)
            record = import_image(path, temporary)
            record["name"] = str(reference)
            write_file(temporary / "image.json", json.dumps(record).encode(), mode=0o644)
            self._discard(target)
            temporary.rename(target)
        except OSError as error:
            raise RuntimeFailure(f"cannot add image {name}: {error}") from error
        finally:
            remove_tree(temporary)
        return self.find(name)

    def remove(self, name: str) -> None:
        """Take an added image out of the catalog.

        Raises:
            ImageNotFound: No such image was added; built-in images stay.
        """
        try:
            target = self._place(parse_reference(name))
        except ValueError as error:
            raise ImageNotFound(str(error)) from error
        if not target.exists():
            raise ImageNotFound(f'image "{name}" was not added; see: podpass image list')
        self._discard(target)

    def _place(self, reference: ImageReference) -> Path:
        key = f"{reference.registry}/{reference.repository}:{reference.tag}"
        return self._directory / hashlib.sha256(key.encode()).hexdigest()[:32]

    def _added(self, reference: ImageReference) -> Image | None:
        if not reference.tag:
            same = [
                entry.image
                for entry in self.entries()
                if not entry.built_in
                and entry.image.id == reference.digest
                and entry.name == reference.familiar_name
            ]
            return same[0] if same else None
        path = self._place(reference) / "image.json"
        if not path.exists():
            return None
        image = _load(path)
        return image if reference.digest in ("", image.id) else None

    def _discard(self, target: Path) -> None:
        if target.exists():
            doomed = self._directory / f".{target.name}.{new_uid()}"
            target.rename(doomed)
            remove_tree(doomed)


def _load(path: Path) -> Image:
    try:
        record: Mapping[str, Any] = json.loads(path.read_bytes())
        program = record["kind"] == "program"
        image = Image(
            name=record["name"],
            id=record["id"],
            size=record["size"],
            root=None if program else path.parent / "rootfs",
            entrypoint=tuple(record["entrypoint"]),
            command=tuple(record["command"]),
            environment=record["environment"],
            working_directory=record["working_directory"],
            user=record["user"],
            stop_signal=record["stop_signal"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RuntimeFailure(
            f"image in {path.parent} is damaged; add it again: {error!r}"
        ) from error
    if not program:
        return image
    shell = builtin_image("bash")
    files = shell.files if shell else {}
    return Image(
        name=image.name,
        id=image.id,
        size=image.size,
        files=files,
        binds=((path.parent / "program", record["entrypoint"][0]),),
        entrypoint=image.entrypoint,
        environment={"PATH": DEFAULT_PATH},
    )
