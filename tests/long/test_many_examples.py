"""The properties of the unit tests, with many more examples than there."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.examples import FACTOR

FILES = (
    "tests/unit/api/test_fuzz_json.py",
    "tests/unit/api/test_fuzz_protobuf.py",
    "tests/unit/api/test_fuzz_yaml.py",
    "tests/unit/serviceaccount/test_fuzz_token.py",
)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("file", FILES)
def test_properties_hold_for_many_examples(file: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", file],
        env=os.environ | {FACTOR: "5"},
        capture_output=True,
        check=False,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-4000:]
