"""The cluster of the pytest plugin, as docs/pytest.md has it, in a project of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs" / "pytest.md"


def test_the_guides_cluster_starts_and_leaves_nothing(tmp_path: Path) -> None:
    (example,) = (
        block
        for block in re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
        if "podpass_cluster" in block
    )
    said = "\n\ndef test_where(podpass_cluster):\n    print('home:', podpass_cluster.home)\n"
    (tmp_path / "test_example.py").write_text(example + said)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
    home = re.search(r"home: (\S+)", done.stdout)
    assert home is not None
    assert not Path(home[1]).parent.exists()
    running = [
        path.read_bytes()
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if os.access(path, os.R_OK)
    ]
    assert not [line for line in running if home[1].encode() in line]
