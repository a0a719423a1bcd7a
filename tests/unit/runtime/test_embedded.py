"""The embedded runtime keeps the contract, with real processes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from runtime.contract import RuntimeContract
from runtime.embedded_rig import EmbeddedRig, embedded_rig


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[EmbeddedRig]:
    async with embedded_rig(tmp_path) as made:
        yield made


class TestEmbeddedRuntime(RuntimeContract):
    """The contract, kept by the embedded runtime."""
