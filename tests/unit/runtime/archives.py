"""Makes layers and image archives in memory."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def directory(name: str, mode: int = 0o755) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.mode = tarfile.DIRTYPE, mode
    return info, b""


def file(name: str, content: bytes = b"", mode: int = 0o644) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.mode, info.size = mode, len(content)
    return info, content


def link(name: str, target: str, *, hard: bool = False) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = (tarfile.LNKTYPE if hard else tarfile.SYMTYPE), target
    return info, b""


def special(name: str, kind: bytes) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type = kind
    return info, b""


def layer(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """Return a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def tar_of(files: dict[str, bytes]) -> bytes:
    """Return a tar archive of plain files."""
    return layer(*(file(name, content) for name, content in files.items()))


def oci_files(
    layers: Iterable[bytes], config: dict[str, Any], *, architecture: str = ""
) -> dict[str, bytes]:
    """Return the files of an OCI layout; layers are gzipped."""
    files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}

    def blob(content: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        files[f"blobs/sha256/{digest}"] = content
        return {"digest": f"sha256:{digest}", "size": len(content)}

    manifest: dict[str, Any] = {
        "config": blob(json.dumps({"config": config}).encode()),
        "layers": [blob(gzip.compress(raw, mtime=0)) for raw in layers],
    }
    entry = blob(json.dumps(manifest).encode())
    if architecture:
        entry["platform"] = {"architecture": architecture, "os": "linux"}
    files["index.json"] = json.dumps({"manifests": [entry]}).encode()
    return files


def docker_files(layers: Iterable[bytes], config: dict[str, Any]) -> dict[str, bytes]:
    """Return the files of a `docker save` archive."""
    files: dict[str, bytes] = {"config.json": json.dumps({"config": config}).encode()}
    names = []
    for number, raw in enumerate(layers):
        names.append(f"{number}/layer.tar")
        files[names[-1]] = raw
    entry = {"Config": "config.json", "RepoTags": ["app:1"], "Layers": names}
    files["manifest.json"] = json.dumps([entry]).encode()
    return files


def write_files(target: Path, files: dict[str, bytes]) -> Path:
    """Write files below a directory."""
    for name, content in files.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return target
