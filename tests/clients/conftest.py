"""One cluster of one node for each worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import ClusterUnderTest, eventually, free_port

from podpass.base.tasks import random_suffix
from tests.clients.rotating_pods import RotatingPods


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--client-token-seconds",
        type=int,
        default=0,
        help="life of the pods' tokens; from 300 on clients read them as seldom as they do",
    )


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterUnderTest]:
    """One node; tokens may be as short as 10 s, so that a rotation can be seen."""
    one = ClusterUnderTest(
        tmp_path_factory.mktemp("home") / "podpass",
        free_port(),
        nodes=1,
        options=("--min-token-expiration", "10s"),
    )
    started = one.up()
    try:
        assert started.code == 0, started.err + one.logs_tail()
        yield one
    finally:
        one.down()


@pytest.fixture(scope="session")
def kubeconfig(cluster: ClusterUnderTest) -> Path:
    """The administrator's."""
    return cluster.home / "kubeconfigs" / "admin.kubeconfig"


@pytest.fixture(scope="session")
def rotating_pods(cluster: ClusterUnderTest, pytestconfig: pytest.Config) -> RotatingPods:
    """Pods with a client each, all started at once: a rotation takes longest."""
    seconds: int = pytestconfig.getoption("--client-token-seconds")
    pods = RotatingPods(cluster, seconds)
    pods.start()
    return pods


@pytest.fixture
def namespace(cluster: ClusterUnderTest, request: pytest.FixtureRequest) -> str:
    """A namespace of the test's own, with the service account build-robot."""
    letters = "".join(c if c.isalnum() else "-" for c in request.node.name.lower())
    name = f"{letters[:36]}-{letters[-20:]}".strip("-") + f"-{random_suffix()}"
    make_namespace(cluster, name)
    return name


def make_namespace(cluster: ClusterUnderTest, name: str) -> None:
    cluster.ok("create", "namespace", name)
    cluster.ok("create", "-n", name, "sa", "build-robot")
    eventually(
        lambda: cluster.oc("get", "-n", name, "sa/default", "cm/kube-root-ca.crt").code == 0 or None
    )
