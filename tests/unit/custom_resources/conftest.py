from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from podpass.testing.api_server import RunningApiServer, TestPki, running_api_server
from podpass.testing.memory_store import MemoryStore


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> TestPki:
    return TestPki.make(tmp_path_factory.mktemp("pki"))


@pytest.fixture
async def api(pki: TestPki) -> AsyncIterator[RunningApiServer]:
    async with running_api_server(MemoryStore(), pki) as running:
        yield running
