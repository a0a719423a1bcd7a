"""The example in the repository is the one that the package carries."""

from __future__ import annotations

from pathlib import Path

import yaml

ROOT = Path(__file__).parents[3]


def test_the_packaged_example_is_the_one_in_the_repository() -> None:
    name = "pod-projected-svc-token.yaml"
    shown = (ROOT / "examples" / name).read_text()
    assert (ROOT / "src/podpass/bootstrap/data" / name).read_text() == shown
    source = yaml.safe_load(shown)["spec"]["volumes"][0]["projected"]["sources"][0]
    assert source == {
        "serviceAccountToken": {
            "path": "vault-token",
            "expirationSeconds": 7200,
            "audience": "vault",
        }
    }
