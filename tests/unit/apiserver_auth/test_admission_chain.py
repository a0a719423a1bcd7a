"""Plugins run in their order; refusals name the object."""

from __future__ import annotations

import pytest

from podpass.api.errors import StatusError, bad_request
from podpass.api.meta import UserInfo
from podpass.api.resources import PODS, Object
from podpass.apiserver.admission.chain import AdmissionChain, AdmissionRequest
from podpass.apiserver.admission.plugin import PassivePlugin

from .conftest import World


class Named(PassivePlugin):
    """Writes its name into the warnings, or refuses."""

    def __init__(self, name: str, *, refuses: bool = False) -> None:
        self.name = name
        self.refuses = refuses

    async def mutate(self, request: AdmissionRequest) -> None:
        request.warnings.append(f"mutate {self.name}")
        if self.refuses:
            raise bad_request(self.name)

    async def validate(self, request: AdmissionRequest) -> None:
        request.warnings.append(f"validate {self.name}")
        if self.refuses:
            raise bad_request(self.name)


def asked(new: Object | None = None, name: str = "") -> AdmissionRequest:
    return AdmissionRequest(
        operation="CREATE", resource=PODS, user=UserInfo("ann"), object=new, name=name
    )


async def test_plugins_run_in_order() -> None:
    chain = AdmissionChain([Named("a"), Named("b")])
    request = asked()
    await chain.mutate(request)
    await chain.validate(request)
    assert request.warnings == ["mutate a", "mutate b", "validate a", "validate b"]


async def test_the_first_refusal_ends_it() -> None:
    chain = AdmissionChain([Named("a", refuses=True), Named("b")])
    request = asked()
    with pytest.raises(StatusError, match="a"):
        await chain.mutate(request)
    with pytest.raises(StatusError, match="a"):
        await chain.validate(request)
    assert request.warnings == ["mutate a", "validate a"]


@pytest.mark.parametrize(
    ("request_", "shown"),
    [
        pytest.param(asked({"metadata": {"name": "x"}}, name="p"), "p", id="the name of the URL"),
        pytest.param(asked({"metadata": {"name": "x"}}), "x", id="the name of the object"),
        pytest.param(asked({"metadata": {"generateName": "x-"}}), "x-", id="its generated name"),
        pytest.param(asked(), "Unknown", id="no name at all"),
    ],
)
def test_how_a_refusal_names_the_object(request_: AdmissionRequest, shown: str) -> None:
    assert request_.forbidden("why").message == f'pods "{shown}" is forbidden: why'


async def test_the_chain_of_the_server_gives_a_pod_its_account(world: World) -> None:
    await world.put_namespace()
    await world.put_account("default")
    request = asked({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}]}})
    request.namespace = "ns1"
    await world.admission.mutate(request)
    await world.admission.validate(request)
    assert request.object is not None
    assert request.object["spec"]["serviceAccountName"] == "default"
