from collections.abc import AsyncIterator

import pytest

from podpass.client.config import ClientConfig
from podpass.client.rest import RestClient
from podpass.testing.api_simulator import ApiSimulator
from podpass.testing.fake_clock import FakeClock


@pytest.fixture
async def simulator() -> AsyncIterator[ApiSimulator]:
    async with ApiSimulator() as simulator:
        yield simulator


@pytest.fixture
async def client(simulator: ApiSimulator) -> AsyncIterator[RestClient]:
    async with RestClient(ClientConfig(simulator.url)) as client:
        yield client


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
