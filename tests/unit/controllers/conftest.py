from collections.abc import AsyncIterator

import pytest

from podpass.client.config import ClientConfig
from podpass.client.events import EventRecorder
from podpass.client.rest import RestClient
from podpass.controllers.shared_informers import SharedInformers
from podpass.testing.api_simulator import ApiSimulator
from podpass.testing.background import Background
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


@pytest.fixture
async def background() -> AsyncIterator[Background]:
    async with Background() as background:
        yield background


@pytest.fixture
async def informers(
    client: RestClient, clock: FakeClock, background: Background
) -> SharedInformers:
    informers = SharedInformers(client, clock)
    background.start(informers.run())
    return informers


@pytest.fixture
async def recorder(client: RestClient, clock: FakeClock, background: Background) -> EventRecorder:
    recorder = EventRecorder(client, "test", clock)
    background.start(recorder.run())
    return recorder
