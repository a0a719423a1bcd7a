"""Discovery documents, old and aggregated."""

from podpass.api import discovery
from podpass.api.resources import RESOURCES


def test_core_and_named_groups() -> None:
    assert discovery.group_versions()[0] == ("", "v1")
    assert discovery.api_versions("127.0.0.1:6443") == {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [
            {"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1:6443"}
        ],
    }
    names = [group["name"] for group in discovery.api_group_list()["groups"]]
    assert "rbac.authorization.k8s.io" in names
    assert "" not in names


def test_one_group() -> None:
    version = {"groupVersion": "coordination.k8s.io/v1", "version": "v1"}
    assert discovery.api_group("coordination.k8s.io") == {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": "coordination.k8s.io",
        "versions": [version],
        "preferredVersion": version,
    }


def test_what_is_not_served() -> None:
    assert discovery.api_group("nowhere") is None
    assert discovery.api_group("") is None
    assert discovery.api_resource_list("", "v2") is None


def test_resources_of_the_core_group() -> None:
    listed = discovery.api_resource_list("", "v1")
    assert listed is not None
    assert listed["groupVersion"] == "v1"
    by_name = {one["name"]: one for one in listed["resources"]}
    assert by_name["pods"]["shortNames"] == ["po"]
    assert by_name["pods"]["categories"] == ["all"]
    assert by_name["serviceaccounts/token"] == {
        "name": "serviceaccounts/token",
        "singularName": "",
        "namespaced": True,
        "kind": "TokenRequest",
        "verbs": ["create"],
        "group": "authentication.k8s.io",
        "version": "v1",
    }
    assert "group" not in by_name["pods/status"]


def test_resources_of_another_group() -> None:
    listed = discovery.api_resource_list("coordination.k8s.io", "v1")
    assert listed is not None
    assert listed["groupVersion"] == "coordination.k8s.io/v1"
    assert [one["name"] for one in listed["resources"]] == ["leases"]


def test_aggregated_core() -> None:
    document = discovery.aggregated_discovery(core=True)
    assert document["kind"] == "APIGroupDiscoveryList"
    (group,) = document["items"]
    assert group["metadata"] == {}
    accounts = next(
        one for one in group["versions"][0]["resources"] if one["resource"] == "serviceaccounts"
    )
    assert accounts["scope"] == "Namespaced"
    assert accounts["responseKind"] == {"group": "", "version": "v1", "kind": "ServiceAccount"}
    assert accounts["subresources"] == [
        {
            "subresource": "token",
            "responseKind": {
                "group": "authentication.k8s.io",
                "version": "v1",
                "kind": "TokenRequest",
            },
            "verbs": ["create"],
        }
    ]


def test_aggregated_groups_hold_everything_else() -> None:
    both = [
        resource["resource"]
        for core in (True, False)
        for group in discovery.aggregated_discovery(core=core)["items"]
        for version in group["versions"]
        for resource in version["resources"]
    ]
    assert sorted(both) == sorted(one.plural for one in RESOURCES)
