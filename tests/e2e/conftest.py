"""One cluster for all end-to-end tests, a namespace for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness import ClusterUnderTest, eventually, free_port

from podpass.base.tasks import random_suffix


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterUnderTest]:
    """Three nodes; tokens may be as short as 10 s, so that rotations can be seen."""
    one = ClusterUnderTest(
        tmp_path_factory.mktemp("home") / "podpass",
        free_port(),
        options=("--min-token-expiration", "10s"),
    )
    started = one.up()
    try:
        assert started.code == 0, started.err + one.logs_tail()
        yield one
    finally:
        one.down()


@pytest.fixture
def namespace(cluster: ClusterUnderTest, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the test's own, with the service account build-robot."""
    letters = "".join(c if c.isalnum() else "-" for c in request.node.name.lower())
    name = f"t-{letters[:40].strip('-')}-{random_suffix()}"  # one that is run again has another
    cluster.ok("create", "namespace", name)
    cluster.ok("create", "-n", name, "sa", "build-robot")
    eventually(
        lambda: cluster.oc("get", "-n", name, "sa/default", "cm/kube-root-ca.crt").code == 0 or None
    )
    yield name
    cluster.oc("delete", "namespace", name, "--wait=false")
