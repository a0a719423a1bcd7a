"""Each client library logs in, lists, watches, runs a pod and asks for a token and its review."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from report import STEPS

from tests.clients.installed import node, python

TOURS = {
    "kubernetes": "tour_kubernetes.py",
    "kubernetes-asyncio": "tour_kubernetes_asyncio.py",
    "lightkube": "tour_lightkube.py",
    "kr8s": "tour_kr8s.py",
    "@kubernetes/client-node": "tour.mjs",
}


@pytest.mark.tried(", ".join(STEPS))
@pytest.mark.parametrize(
    "client", [pytest.param(one, marks=pytest.mark.client(one)) for one in TOURS]
)
def test_a_client_takes_every_step_of_the_tour(
    client: str, kubeconfig: Path, namespace: str, tmp_path: Path
) -> None:
    program = TOURS[client]
    command = node(program) if program.endswith(".mjs") else python(program)
    own = tmp_path / "kubeconfig"
    own.write_bytes(kubeconfig.read_bytes())
    done = subprocess.run(
        [*command, str(own), namespace],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        env=os.environ | {"HOME": str(tmp_path)},
    )
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (said, done.stderr)
    assert said[0]["client"] == client
    assert tuple(one["step"] for one in said[1:]) == STEPS
