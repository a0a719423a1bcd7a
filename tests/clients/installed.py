"""Where `make clients` has put the clients; what is not there is a reason to skip."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
VENV = REPOSITORY / ".venv-clients"
PYTHON = VENV / "bin" / "python"
PROGRAMS = HERE / "programs"
NODE_PROGRAMS = HERE / "node"
NEW_KUBECTL, OLD_KUBECTL = "kubectl", "kubectl of two years ago"
KUBECTLS = {NEW_KUBECTL: "37", OLD_KUBECTL: "31"}
HELMS = {"helm 4": "37", "helm 3": "31"}
"""The layer of tools.txt that has each."""


def tool(layer: str, name: str) -> Path:
    """Return a program of `tools.txt`: the layer is the minor version of its kubectl."""
    path = VENV / "tools" / layer / name
    if not path.exists():
        pytest.skip(f"{path} is not there: make clients installs it")
    return path


def python(program: str) -> list[str]:
    """Return the command of a Python client's program."""
    if not PYTHON.exists():
        pytest.skip(f"{PYTHON} is not there: make clients installs it")
    return [str(PYTHON), str(PROGRAMS / program)]


def python_module(name: str) -> list[str]:
    """Return the command of a Python tool that is run as a module."""
    if not PYTHON.exists():
        pytest.skip(f"{PYTHON} is not there: make clients installs it")
    return [str(PYTHON), "-m", name]


def node(program: str) -> list[str]:
    """Return the command of a Node.js client's program."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("there is no Node.js on this machine")
    if not (NODE_PROGRAMS / "node_modules").exists():
        pytest.skip("@kubernetes/client-node is not there: make clients installs it")
    return [found, str(NODE_PROGRAMS / program)]


@dataclass
class Kubectl:
    """A kubectl of some version, with a home of its own."""

    path: Path
    kubeconfig: Path
    home: Path

    def run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run it and return what it said."""
        return subprocess.run(
            [str(self.path), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=os.environ | {"KUBECONFIG": str(self.kubeconfig), "HOME": str(self.home)},
        )

    def ok(self, *arguments: str, stdin: str | None = None) -> str:
        """Run it, which must succeed, and return what it printed."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}{done.stdout}"
        return done.stdout

    def get(self, *arguments: str) -> Any:
        """Return the answer of `get -o json`."""
        return json.loads(self.ok("get", *arguments, "-o", "json"))
