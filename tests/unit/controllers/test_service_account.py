"""Every active namespace has its default account."""

import pytest

from podpass.api.errors import forbidden
from podpass.api.resources import NAMESPACES, SERVICE_ACCOUNTS, Object
from podpass.client.rest import RestClient
from podpass.controllers.service_account import ServiceAccountController, is_active
from podpass.controllers.shared_informers import SharedInformers
from podpass.testing.api_simulator import ApiSimulator
from podpass.testing.background import Background
from podpass.testing.fake_clock import FakeClock, until


def namespace(name: str, phase: str = "Active", **metadata: str) -> Object:
    return {"metadata": {"name": name} | metadata, "status": {"phase": phase}}


@pytest.fixture
async def controller(
    client: RestClient, informers: SharedInformers, clock: FakeClock, background: Background
) -> ServiceAccountController:
    controller = ServiceAccountController(client, informers, clock)
    background.start(controller.run())
    return controller


@pytest.mark.rule("account.default-terminating")
@pytest.mark.parametrize(
    ("given", "active"),
    [
        pytest.param(namespace("a"), True, id="active"),
        pytest.param(namespace("a", "Terminating"), False, id="terminating"),
        pytest.param(namespace("a", deletionTimestamp="t"), False, id="just deleted"),
        pytest.param({"metadata": {"name": "a"}}, False, id="not yet set up"),
    ],
)
def test_is_active(given: Object, active: bool) -> None:
    assert is_active(given) is active


@pytest.mark.rule("account.default")
@pytest.mark.usefixtures("controller")
async def test_present_and_new_namespaces_get_an_account(simulator: ApiSimulator) -> None:
    simulator.put(NAMESPACES, namespace("old"))
    await until(lambda: simulator.object(SERVICE_ACCOUNTS, "old", "default"))
    simulator.put(NAMESPACES, namespace("new"))
    await until(lambda: simulator.object(SERVICE_ACCOUNTS, "new", "default"))


@pytest.mark.rule("account.default")
@pytest.mark.usefixtures("controller")
async def test_a_deleted_account_comes_back_as_another(simulator: ApiSimulator) -> None:
    simulator.put(NAMESPACES, namespace("a"))
    await until(lambda: simulator.object(SERVICE_ACCOUNTS, "a", "default"))
    former = simulator.object(SERVICE_ACCOUNTS, "a", "default")
    assert former is not None
    simulator.remove(SERVICE_ACCOUNTS, "a", "default")
    await until(lambda: simulator.object(SERVICE_ACCOUNTS, "a", "default"))
    current = simulator.object(SERVICE_ACCOUNTS, "a", "default")
    assert current is not None
    assert current["metadata"]["uid"] != former["metadata"]["uid"]


@pytest.mark.rule("account.default-terminating")
@pytest.mark.usefixtures("controller")
async def test_a_terminating_namespace_gets_none(simulator: ApiSimulator) -> None:
    simulator.put(NAMESPACES, namespace("going", "Terminating"))
    simulator.put(NAMESPACES, namespace("staying"))
    await until(lambda: simulator.object(SERVICE_ACCOUNTS, "staying", "default"))
    assert simulator.object(SERVICE_ACCOUNTS, "going", "default") is None


@pytest.mark.usefixtures("controller")
async def test_a_refusal_is_tried_again(simulator: ApiSimulator, clock: FakeClock) -> None:
    simulator.put(NAMESPACES, namespace("first"))
    await until(lambda: simulator.object(SERVICE_ACCOUNTS, "first", "default"))
    simulator.answers = [forbidden("serviceaccounts", "default", "not yet")]
    simulator.put(NAMESPACES, namespace("second"))
    await until(lambda: clock.sleeping)
    await clock.advance(1)
    await until(lambda: simulator.object(SERVICE_ACCOUNTS, "second", "default"))
