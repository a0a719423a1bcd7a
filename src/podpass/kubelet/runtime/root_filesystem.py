"""Builds what a container sees as `/`, as arguments for bubblewrap.

1. Everything a container may write lies in its own directory: `root` is the bottom of an image
   made of the host's programs, `layers` holds the upper directories of overlays.
2. Mount points are made there beforehand: an ordinary user could not make them later in
   directories that belong to somebody else.
3. Mounts are done in the order of their depth, and links on the way are followed inside.
4. What /proc offers to break the host with is hidden or read-only, as containerd does it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from podpass.kubelet.image import Image
from podpass.kubelet.runtime.bubblewrap import Overlay
from podpass.kubelet.runtime.inner_path import InnerPaths, PathLoop
from podpass.kubelet.runtime.interface import Mount, RuntimeFailure

_HOST_TREES = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix", "gnu")
_HOST_ETC = (
    *("alternatives", "ca-certificates", "ca-certificates.conf", "debian_version", "fonts"),
    *("inputrc", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "os-release", "perl"),
    *("pki", "protocols", "services", "ssl", "terminfo", "timezone"),
)
_SKELETON: Mapping[str, int] = {
    **dict.fromkeys(("dev", "etc", "home", "media", "mnt", "opt", "proc", "run", "srv"), 0o755),
    **dict.fromkeys(("sys", "run/lock", "var", "var/cache", "var/lib", "var/log"), 0o755),
    "root": 0o700,
    "tmp": 0o1777,
    "var/tmp": 0o1777,
}
_READ_ONLY_PROC = ("bus", "fs", "irq", "sys", "sysrq-trigger")
_HIDDEN_PROC = ("kcore", "keys", "latency_stats", "sched_debug", "timer_list")


@dataclass(slots=True)
class RootFilesystem:
    """The root of one container.

    Attributes:
        directory: Where its own files are kept.
        image: What it starts from.
        overlay: Where overlay layers can be kept.
    """

    directory: Path
    image: Image
    overlay: Overlay
    _arguments: list[str] = field(default_factory=list)
    _writable: dict[str, Path] = field(default_factory=dict)
    _overlays: list[str] = field(default_factory=list)
    _inside: InnerPaths = field(default_factory=lambda: InnerPaths([]))

    def prepare(
        self,
        files: Mapping[str, bytes],
        mounts: tuple[Mount, ...],
        *,
        working_directory: str,
        read_only: bool,
    ) -> list[str]:
        """Make the container's directories and return bubblewrap's arguments.

        Args:
            files: Files of the pod, e.g. `/etc/hosts`, and their content.
            mounts: Volumes.
            working_directory: Made if it is missing.
            read_only: Whether the root refuses writes.

        Raises:
            RuntimeFailure: A mount source is missing, or a mount point cannot be made.
            OSError: The disk refused.
        """
        if self.image.root is None:
            self._start_from_host()
        else:
            self._add_overlay("/", self.image.root)
        try:
            self._add_image_parts()
            for path, content in files.items():
                self._write(path, content, 0o644)
            self._make(self._inside.resolve(working_directory), directory=True)
            self._add_kernel_parts()
            for mount in sorted(mounts, key=lambda m: m.container_path.strip("/").count("/")):
                self._mount(mount.host_path, mount.container_path, read_only=mount.read_only)
        except PathLoop as error:
            raise RuntimeFailure(str(error)) from error
        if read_only:
            for point in [*self._overlays, *([] if "/" in self._overlays else ["/"])]:
                self._arguments += ["--remount-ro", point]
        return self._arguments

    def _start_from_host(self) -> None:
        root = self.directory / "root"
        root.mkdir()
        for name, mode in _SKELETON.items():
            (root / name).mkdir()
            (root / name).chmod(mode)
        for link, target in (("var/run", "/run"), ("var/lock", "/run/lock")):
            (root / link).symlink_to(target)
        (root / "etc/mtab").symlink_to("/proc/mounts")
        self._arguments += ["--bind", str(root), "/"]
        self._writable["/"] = root
        self._inside = InnerPaths([("/", (root,))])
        for name in _HOST_TREES:
            host = Path("/", name)
            if host.is_symlink():
                (root / name).symlink_to(host.readlink())
            elif host.is_dir():
                (root / name).mkdir()
                self._add_overlay(f"/{name}", host)
        for name in _HOST_ETC:
            host = Path("/etc", name)
            if host.exists():
                self._bind(host.resolve(), f"/etc/{name}", read_only=True)

    def _add_overlay(self, point: str, lower: Path) -> None:
        layer = self.directory / "layers" / (point.strip("/") or "root")
        upper, work = layer / "upper", layer / "work"
        upper.mkdir(parents=True)
        _copy_attributes(lower, upper)
        self._arguments += ["--overlay-src", str(lower)]
        if self.overlay is Overlay.ON_DISK:
            work.mkdir()
            self._arguments += ["--overlay", str(upper), str(work), point]
        else:
            self._arguments += ["--overlay-src", str(upper), "--tmp-overlay", point]
        self._overlays.append(point)
        self._writable[point] = upper
        if point == "/":
            self._inside = InnerPaths([(point, (upper, lower))])
        else:
            self._inside.mount(point, upper, lower)

    def _add_image_parts(self) -> None:
        for path, mode in self.image.directories.items():
            self._own_directory(self._inside.resolve(path)).chmod(mode)
        for path, file in self.image.files.items():
            if file.link:
                self._own_file(path).symlink_to(os.fsdecode(file.content))
            else:
                self._write(path, file.content, file.mode)
        for host, path in self.image.binds:
            self._mount(host, path, read_only=True)
            for parent in list(Path(path).parents)[:-1]:
                own = self._writable["/"] / str(parent).lstrip("/")
                if own.is_dir():
                    own.chmod(own.stat().st_mode | 0o111)  # others must get to the program

    def _add_kernel_parts(self) -> None:
        for name in ("/proc", "/dev"):
            self._make(name, directory=True)
        self._arguments += ["--proc", "/proc", "--dev", "/dev", "--mqueue", "/dev/mqueue"]
        self._arguments += ["--perms", "1777", "--tmpfs", "/dev/shm"]  # noqa: S108 - inside
        for name in _READ_ONLY_PROC:
            self._arguments += ["--ro-bind-try", f"/proc/{name}", f"/proc/{name}"]
        for name in _HIDDEN_PROC:
            if Path("/proc", name).exists():
                self._arguments += ["--ro-bind", "/dev/null", f"/proc/{name}"]
        empty = self.directory / "empty"
        empty.mkdir()
        self._inside.mount("/proc", empty)
        self._inside.mount("/dev", empty)

    def _mount(self, host: Path, path: str, *, read_only: bool) -> None:
        if not path.startswith("/") or self._inside.resolve(path) == "/":
            raise RuntimeFailure(f'cannot mount at "{path}": not an absolute path below /')
        if not host.exists():
            raise RuntimeFailure(f"mount source {host} does not exist")
        point = self._inside.resolve(path)
        self._make(point, directory=host.is_dir())
        self._bind(host, point, read_only=read_only)

    def _bind(self, host: Path, point: str, *, read_only: bool) -> None:
        self._arguments += ["--ro-bind" if read_only else "--bind", str(host), point]
        self._inside.mount(point, host)

    def _write(self, path: str, content: bytes, mode: int) -> None:
        target = self._own_file(path)
        target.write_bytes(content)
        target.chmod(mode)

    def _own_file(self, path: str) -> Path:
        """Return where a file `path` of the container's own goes; nothing is there yet."""
        directory, _, name = path.rpartition("/")
        own = self._own_directory(self._inside.resolve(directory)) / name
        own.unlink(missing_ok=True)
        return own

    def _own_directory(self, path: str) -> Path:
        """Make a directory, its path resolved, among the container's own files.

        What lies below in an overlay keeps its owner and mode.
        """
        point, sources = self._inside.tree(path)
        base = self._writable.get(point)
        if base is None:
            raise RuntimeFailure(f'cannot make "{path}" in {point}: it is read-only')
        own = base
        for part in path[len(point) :].strip("/").split("/"):
            own /= part
            if own.is_dir():
                continue
            own.mkdir(mode=0o755)
            for source in sources:
                lower = source / own.relative_to(base)
                if lower != own and lower.is_dir():
                    _copy_attributes(lower, own)
        return own

    def _make(self, path: str, *, directory: bool) -> None:
        """Make sure that a directory or a file is at the resolved `path`, to mount on it."""
        found = self._inside.find(path)
        if found is not None:
            if found.is_dir() != directory:
                kind = "a directory" if found.is_dir() else "not a directory"
                raise RuntimeFailure(f'cannot mount at "{path}": it is {kind} inside')
            return
        parent, _, name = path.rpartition("/")
        point, sources = self._inside.tree(path)
        try:
            if point in self._writable:
                made = self._own_directory(parent or "/") / name
            else:
                made = sources[0] / path[len(point) :].lstrip("/")
                made.parent.mkdir(parents=True, exist_ok=True)
            if directory:
                made.mkdir(mode=0o755)
            else:
                made.touch(mode=0o644)
        except OSError as error:
            text = f'cannot make mount point "{path}" in {point}: {error.strerror}'
            raise RuntimeFailure(text) from error


def _copy_attributes(source: Path, target: Path) -> None:
    status = source.stat()
    target.chmod(status.st_mode & 0o1777)
    if os.geteuid() == 0:
        os.chown(target, status.st_uid, status.st_gid)
