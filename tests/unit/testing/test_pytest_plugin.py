"""The plugin costs a run nothing, reads its options, and docs/pytest.md is true."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from podpass.testing.pytest_plugin import number

GUIDE = Path(__file__).parents[3] / "docs" / "pytest.md"


def python(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd, capture_output=True, text=True, timeout=120, check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
    )  # fmt: skip


def test_loading_the_plugin_imports_nothing_of_weight(tmp_path: Path) -> None:
    code = (
        "import sys, pytest\nbefore = set(sys.modules)\nimport podpass.testing.pytest_plugin\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = python("-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["podpass", "podpass.testing", "podpass.testing.pytest_plugin"]


def test_the_guides_tests_without_a_cluster_pass_in_a_project_of_their_own(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    for place, block in enumerate(blocks):
        if "podpass_cluster" not in block:
            (tmp_path / f"test_{place}.py").write_text(block)
    done = python(
        "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "-p", "no:asyncio",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "9 passed" in done.stdout


def test_pytest_knows_the_options(pytestconfig: pytest.Config) -> None:
    for name, default in (("podpass_nodes", "1"), ("podpass_min_token_expiration", "600")):
        assert (pytestconfig.getoption(name), pytestconfig.getini(name)) == (None, default)


@pytest.mark.parametrize(
    ("option", "ini", "value"),
    [(None, "1", 1), (None, "3", 3), (2, "3", 2)],
    ids=["the least", "of the ini file", "the command line wins"],
)
def test_an_option_is_a_number(option: int | None, ini: str, value: int) -> None:
    assert number("podpass_nodes", option, ini) == value


@pytest.mark.parametrize(
    ("option", "ini"),
    [(0, "1"), (None, "0"), (None, "many")],
    ids=["zero on the command line", "zero in the ini file", "no number"],
)
def test_another_value_is_refused(option: int | None, ini: str) -> None:
    with pytest.raises(pytest.UsageError, match="podpass_nodes must be a whole number above 0"):
        number("podpass_nodes", option, ini)
