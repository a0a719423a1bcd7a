"""The table of what is served."""

import pytest

from podpass.api import resources
from podpass.api.resources import find_kind, find_resource, stored_resources


def test_lookups() -> None:
    assert find_resource("", "v1", "pods") is resources.PODS
    assert find_resource("", "v1", "nothing") is None
    assert find_kind("rbac.authorization.k8s.io/v1", "Role") is resources.ROLES
    assert find_kind("v1", "Role") is None


def test_reviews_are_not_stored() -> None:
    assert resources.TOKEN_REVIEWS not in stored_resources()
    assert resources.PODS in stored_resources()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param(resources.PODS.path(), "/api/v1/pods", id="all namespaces"),
        pytest.param(resources.PODS.path("ns"), "/api/v1/namespaces/ns/pods", id="one"),
        pytest.param(
            resources.PODS.path("ns", "p", "log"), "/api/v1/namespaces/ns/pods/p/log", id="below"
        ),
        pytest.param(resources.NODES.path("ns", "n"), "/api/v1/nodes/n", id="cluster scoped"),
        pytest.param(
            resources.LEASES.path("ns"),
            "/apis/coordination.k8s.io/v1/namespaces/ns/leases",
            id="a group",
        ),
    ],
)
def test_paths(path: str, expected: str) -> None:
    assert path == expected


def test_names() -> None:
    assert resources.PODS.api_version == "v1"
    assert resources.ROLES.api_version == "rbac.authorization.k8s.io/v1"
    assert resources.PODS.qualified == "pods"
    assert resources.ROLES.qualified == "roles.rbac.authorization.k8s.io"
    assert resources.PODS.singular_name == "pod"
    assert resources.PODS.subresource("log") is not None
    assert resources.PODS.subresource("nothing") is None
