"""Removes directories that containers have written into."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def remove_tree(directory: Path) -> None:
    """Remove a directory with all it holds; gone already is fine.

    Directories that refuse their owner (overlayfs' work directory has mode 000) are opened first.

    Raises:
        OSError: Something belongs to somebody else.
    """
    try:
        shutil.rmtree(directory)
    except FileNotFoundError:
        return
    except PermissionError:
        for parent, names, _ in os.walk(directory):
            for name in names:
                path = Path(parent, name)
                if not path.is_symlink():
                    path.chmod(0o700)
        shutil.rmtree(directory)
