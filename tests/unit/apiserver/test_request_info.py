from __future__ import annotations

import pytest

from podpass.apiserver.request_info import RequestInfo, parse_request, pinned_name


def summary(info: RequestInfo) -> tuple[str, ...]:
    names = (info.verb, info.group, info.version, info.namespace, info.resource, info.name)
    return (*names, info.subresource)


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        pytest.param(
            "GET", "/api/v1/namespaces/a/pods/p", {}, ("get", "", "v1", "a", "pods", "p", ""),
            id="an object in a namespace",
        ),
        pytest.param(
            "GET", "/api/v1/namespaces/a/pods", {}, ("list", "", "v1", "a", "pods", "", ""),
            id="a collection in a namespace",
        ),
        pytest.param(
            "GET", "/api/v1/pods", {"watch": "true"}, ("watch", "", "v1", "", "pods", "", ""),
            id="a watch over all namespaces",
        ),
        pytest.param(
            "GET", "/api/v1/pods", {"watch": "no"}, ("list", "", "v1", "", "pods", "", ""),
            id="watch with another value is a list",
        ),
        pytest.param(
            "POST", "/apis/coordination.k8s.io/v1/namespaces/a/leases", {},
            ("create", "coordination.k8s.io", "v1", "a", "leases", "", ""),
            id="a creation in a group",
        ),
        pytest.param(
            "POST", "/api/v1/namespaces/a/serviceaccounts/s/token", {},
            ("create", "", "v1", "a", "serviceaccounts", "s", "token"),
            id="a subresource",
        ),
        pytest.param(
            "PUT", "/api/v1/namespaces/a/finalize", {},
            ("update", "", "v1", "a", "namespaces", "a", "finalize"),
            id="a subresource of a namespace",
        ),
        pytest.param(
            "DELETE", "/api/v1/namespaces/a", {},
            ("delete", "", "v1", "a", "namespaces", "a", ""),
            id="a namespace",
        ),
        pytest.param(
            "DELETE", "/api/v1/namespaces/a/pods", {},
            ("deletecollection", "", "v1", "a", "pods", "", ""),
            id="a deleted collection",
        ),
        pytest.param(
            "GET", "/api/v1/namespaces/a/secrets", {"fieldSelector": "metadata.name=s"},
            ("list", "", "v1", "a", "secrets", "s", ""),
            id="a field selector that pins the name",
        ),
        pytest.param(
            "POST", "/api/v1/namespaces/a/secrets", {"fieldSelector": "metadata.name=s"},
            ("create", "", "v1", "a", "secrets", "", ""),
            id="a field selector means nothing to a creation",
        ),
        pytest.param(
            "GET", "/api/v1/namespaces/a/pods/p%2Fq", {},
            ("get", "", "v1", "a", "pods", "p/q", ""),
            id="an escaped slash is part of the name",
        ),
    ],
)  # fmt: skip
def test_a_resource_request_is_read(
    method: str, path: str, query: dict[str, str], expected: tuple[str, ...]
) -> None:
    assert summary(parse_request(method, path, query)) == expected


@pytest.mark.parametrize("path", ["/", "/version", "/api", "/api/v1", "/apis/apps/v1", "/readyz/a"])
def test_other_paths_are_no_resources(path: str) -> None:
    info = parse_request("GET", path, {})
    assert not info.is_resource
    assert info.verb == "get"
    assert info.path == path


def test_what_stands_behind_a_subresource_is_kept_apart() -> None:
    assert parse_request("GET", "/api/v1/namespaces/a/pods/p/log/x/y", {}).rest == ("x", "y")


@pytest.mark.parametrize(
    ("selector", "name"),
    [
        ("metadata.name=a", "a"),
        ("metadata.name==a", "a"),
        ("spec.nodeName=n,metadata.name=a", "a"),
        ("metadata.name!=a", ""),
        ("metadata.namespace=a", ""),
        ("", ""),
    ],
)
def test_only_equality_pins_a_name(selector: str, name: str) -> None:
    assert pinned_name(selector) == name
