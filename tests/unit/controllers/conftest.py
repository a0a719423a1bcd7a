from collections.abc import AsyncIterator

import pytest

from podpass.base.clock import SystemClock
from podpass.client.config import ClientConfig
from podpass.client.events import EventRecorder
from podpass.client.rest import RestClient
from podpass.controllers.leading import run_controllers
from podpass.controllers.settings import ControllerManagerSettings
from podpass.controllers.shared_informers import SharedInformers
from podpass.testing.api_server import RunningApiServer, TestPki, running_api_server
from podpass.testing.api_simulator import ApiSimulator
from podpass.testing.background import Background
from podpass.testing.fake_clock import FakeClock
from podpass.testing.memory_store import MemoryStore


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


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> TestPki:
    return TestPki.make(tmp_path_factory.mktemp("pki"))


@pytest.fixture
async def api_server(pki: TestPki) -> AsyncIterator[RunningApiServer]:
    async with running_api_server(MemoryStore(), pki) as server:
        yield server


def client_of(server: RunningApiServer, name: str, *organizations: str) -> RestClient:
    certificate, key = server.pki.client(name, organizations=organizations)
    return RestClient(
        ClientConfig(
            server.url,
            ca_file=server.pki.directory / "ca.crt",
            client_certificate_file=certificate,
            client_key_file=key,
        )
    )


@pytest.fixture
async def admin(api_server: RunningApiServer) -> AsyncIterator[RestClient]:
    async with client_of(api_server, "admin", "system:masters") as client:
        yield client


@pytest.fixture
async def controllers(api_server: RunningApiServer, pki: TestPki) -> AsyncIterator[None]:
    """All controllers against a real API server, with the rights they have in a cluster."""
    settings = ControllerManagerSettings(root_ca_file=pki.directory / "ca.crt")
    async with (
        client_of(api_server, "system:kube-controller-manager") as client,
        Background() as work,
    ):
        work.start(run_controllers(client, SystemClock(), settings))
        yield
