"""Objects come only into namespaces that exist and stay."""

from __future__ import annotations

import pytest

from podpass.api.errors import StatusError
from podpass.api.meta import UserInfo
from podpass.api.resources import NAMESPACES, NODES, PODS, SERVICE_ACCOUNTS, Resource
from podpass.apiserver.admission.chain import AdmissionRequest, Operation
from podpass.apiserver.admission.namespace_lifecycle import NamespaceLifecycle

from .conftest import World


def request(
    operation: Operation = "CREATE",
    resource: Resource = PODS,
    namespace: str = "ns1",
    name: str = "p",
    subresource: str = "",
) -> AdmissionRequest:
    return AdmissionRequest(
        operation=operation,
        resource=resource,
        user=UserInfo("ann"),
        namespace=namespace,
        name=name,
        subresource=subresource,
    )


async def refused(world: World, asked: AdmissionRequest) -> StatusError:
    with pytest.raises(StatusError) as caught:
        await NamespaceLifecycle(world.live).mutate(asked)
    return caught.value


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(request(), id="create in an active namespace"),
        pytest.param(request("UPDATE", namespace="gone"), id="update anywhere"),
        pytest.param(request("DELETE", namespace="gone"), id="delete anywhere"),
        pytest.param(request(resource=NODES, namespace=""), id="create at the cluster scope"),
        pytest.param(request(resource=NAMESPACES, namespace="new"), id="create a namespace"),
        pytest.param(request("DELETE", NAMESPACES, "ns1", "ns1"), id="delete a namespace"),
        pytest.param(request("UPDATE", NAMESPACES, "default", "default"), id="update default"),
    ],
)
async def test_what_is_let_through(world: World, asked: AdmissionRequest) -> None:
    await world.put_namespace()
    await NamespaceLifecycle(world.live).mutate(asked)
    await NamespaceLifecycle(world.live).validate(asked)


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
async def test_some_namespaces_stay_for_ever(world: World, name: str) -> None:
    error = await refused(world, request("DELETE", NAMESPACES, name, name))
    assert error.message == (f'namespaces "{name}" is forbidden: this namespace may not be deleted')


async def test_a_namespace_that_is_missing(world: World) -> None:
    error = await refused(world, request())
    assert (error.code, error.message) == (404, 'namespaces "ns1" not found')


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        pytest.param(request(), 'pods "p"', id="a pod"),
        pytest.param(
            request(resource=SERVICE_ACCOUNTS, name="app", subresource="token"),
            'serviceaccounts "app"',
            id="a token",
        ),
    ],
)
async def test_nothing_comes_into_a_namespace_that_goes(
    world: World, asked: AdmissionRequest, what: str
) -> None:
    await world.put_namespace(phase="Terminating")
    error = await refused(world, asked)
    assert error.code == 403
    assert error.message == (
        f"{what} is forbidden: unable to create new content in namespace ns1 because it is being "
        "terminated"
    )
    assert error.details is not None
    assert error.details["causes"][0]["reason"] == "NamespaceTerminating"


async def test_a_deletion_that_has_begun_counts_before_the_phase_does(world: World) -> None:
    metadata = {"name": "ns1", "deletionTimestamp": "2026-01-01T00:00:00Z"}
    await world.put(NAMESPACES, {"metadata": metadata, "status": {"phase": "Active"}})
    assert (await refused(world, request())).code == 403
