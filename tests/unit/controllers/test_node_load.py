"""Room on a node: number of pods, requests and host ports."""

import pytest

from podpass.api.resources import Object
from podpass.controllers.node_load import NodeLoad, PodDemand


def container(*ports: Object, **requests: str) -> Object:
    return {"resources": {"requests": requests}, "ports": list(ports)}


def demand(*containers: Object, init: tuple[Object, ...] = ()) -> PodDemand:
    return PodDemand.of({"spec": {"containers": [*containers], "initContainers": [*init]}})


def load(*demands: PodDemand) -> NodeLoad:
    return NodeLoad({str(number): one for number, one in enumerate(demands)})


def test_containers_add_up_and_the_largest_init_container_counts() -> None:
    pod = demand(
        container(cpu="100m", memory="1Ki"),
        container(cpu="150m"),
        init=(container(cpu="200m", memory="4Ki"), container(cpu="300m")),
    )
    assert pod.requests == {"cpu": 300_000_000, "memory": 4096 * 10**9}


FULL: Object = {"pods": "2", "cpu": "1", "memory": "1Gi"}
PORT: Object = {"hostPort": 80, "containerPort": 80}
PORT_FAILURE = "node(s) didn't have free ports for the requested pod ports"


@pytest.mark.parametrize(
    ("present", "wanted", "allocatable", "expected"),
    [
        pytest.param([], demand(container()), {}, [], id="nothing is limited"),
        pytest.param([demand()], demand(), FULL, [], id="the last place"),
        pytest.param([demand()] * 2, demand(), FULL, ["Too many pods"], id="no place"),
        pytest.param(
            [demand(container(cpu="600m"))],
            demand(container(cpu="400m")),
            FULL,
            [],
            id="exactly the rest",
        ),
        pytest.param(
            [demand(container(cpu="600m"))],
            demand(container(cpu="401m", memory="2Gi")),
            FULL,
            ["Insufficient cpu", "Insufficient memory"],
            id="more than the rest",
        ),
        pytest.param(
            [demand(container(cpu="2"))], demand(container(cpu="0")), FULL, [], id="asks for none"
        ),
        pytest.param(
            [],
            demand(container(**{"example.com/gpu": "1"})),
            FULL,
            ["Insufficient example.com/gpu"],
            id="a device that the node has not",
        ),
        pytest.param(
            [], demand(container(cpu="1000")), {"pods": "1"}, [], id="cpu is not counted there"
        ),
        pytest.param(
            [demand(container(PORT))], demand(container(PORT)), {}, [PORT_FAILURE], id="port taken"
        ),
        pytest.param(
            [demand(container(PORT))],
            demand(container({"hostPort": 80, "protocol": "UDP"})),
            {},
            [],
            id="another protocol",
        ),
        pytest.param(
            [demand(container({"hostPort": 80, "hostIP": "127.0.0.1"}))],
            demand(container({"hostPort": 80, "hostIP": "127.0.0.2"})),
            {},
            [],
            id="another address",
        ),
        pytest.param(
            [demand(container({"hostPort": 80, "hostIP": "127.0.0.1"}))],
            demand(container(PORT)),
            {},
            [PORT_FAILURE],
            id="any address covers one",
        ),
        pytest.param(
            [demand(container({"containerPort": 80}))],
            demand(container({"containerPort": 80})),
            {},
            [],
            id="container ports are no host ports",
        ),
    ],
)
def test_shortages(
    present: list[PodDemand], wanted: PodDemand, allocatable: Object, expected: list[str]
) -> None:
    assert load(*present).shortages(wanted, allocatable) == expected
