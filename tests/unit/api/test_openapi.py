"""OpenAPI documents: what kubectl looks for in them."""

from typing import Any

import orjson
import pytest

from podpass.api import openapi
from podpass.api.discovery import group_versions
from podpass.api.openapi.descriptions import describe
from podpass.api.openapi.paths import resource_paths
from podpass.api.openapi.schemas import component_schemas, schema_name
from podpass.api.resources import RESOURCES, Resource

NAMES = [f"apis/{group}/{version}" if group else f"api/{version}" for group, version in
         group_versions()]  # fmt: skip


def document(name: str) -> Any:
    content = openapi.document(name)
    assert content is not None
    return orjson.loads(content)


def test_index_names_every_group_version_with_a_hash() -> None:
    paths = openapi.index()["paths"]
    assert sorted(paths) == sorted(NAMES)
    url = paths["api/v1"]["serverRelativeURL"]
    assert url.startswith("/openapi/v3/api/v1?hash=")
    assert openapi.index()["paths"]["api/v1"]["serverRelativeURL"] == url


def test_what_is_not_served() -> None:
    assert openapi.document("apis/nowhere/v1") is None


@pytest.mark.parametrize("name", NAMES)
def test_every_reference_leads_somewhere(name: str) -> None:
    found = document(name)

    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
            return own + [ref for inner in value.values() for ref in references(inner)]
        if isinstance(value, list):
            return [ref for inner in value for ref in references(inner)]
        return []

    prefix = "#/components/schemas/"
    schemas = found["components"]["schemas"]
    assert {ref.removeprefix(prefix) for ref in references(found)} <= schemas.keys()


@pytest.mark.parametrize(
    "resource", [one for one in RESOURCES if "patch" in one.verbs], ids=lambda one: one.qualified
)
def test_patch_of_every_kind_takes_field_validation(resource: Resource) -> None:
    name = f"apis/{resource.api_version}" if resource.group else f"api/{resource.version}"
    gvk = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    parameters = [
        parameter["name"]
        for item in document(name)["paths"].values()
        if item.get("patch", {}).get("x-kubernetes-group-version-kind") == gvk
        for parameter in item["patch"]["parameters"]
    ]
    assert "fieldValidation" in parameters


def test_operations_of_pods() -> None:
    paths = document("api/v1")["paths"]
    assert set(paths["/api/v1/namespaces/{namespace}/pods"]) == {
        "get", "post", "delete", "parameters",
    }  # fmt: skip
    assert set(paths["/api/v1/pods"]) == {"get", "parameters"}
    assert set(paths["/api/v1/namespaces/{namespace}/pods/{name}"]) == {
        "get", "put", "patch", "delete", "parameters",
    }  # fmt: skip
    log = paths["/api/v1/namespaces/{namespace}/pods/{name}/exec"]
    assert log["post"]["x-kubernetes-action"] == "connect"


def test_what_a_patch_may_be() -> None:
    patch = document("api/v1")["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"]
    assert "application/apply-patch+yaml" in patch["requestBody"]["content"]
    force = next(one for one in patch["parameters"] if one["name"] == "force")
    assert force["schema"]["type"] == "boolean"
    scale = "/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale"
    patch = document("apis/apps/v1")["paths"][scale]["patch"]
    assert "force" in [one["name"] for one in patch["parameters"]]


@pytest.mark.parametrize(
    ("path", "method", "codes"),
    [
        ("pods", "get", ["200"]),
        ("pods", "post", ["200", "201", "202"]),
        ("pods/{name}", "put", ["200", "201"]),
        ("pods/{name}", "patch", ["200", "201"]),
        ("pods/{name}", "delete", ["200", "202"]),
        ("pods/{name}/exec", "post", ["200"]),
    ],
)
def test_codes_of_success(path: str, method: str, codes: list[str]) -> None:
    operation = document("api/v1")["paths"][f"/api/v1/namespaces/{{namespace}}/{path}"][method]
    assert list(operation["responses"]) == codes


def test_a_deletion_is_answered_with_a_status_or_what_was_deleted() -> None:
    paths = document("api/v1")["paths"]

    def shown(path: str) -> str:
        operation = paths[f"/api/v1/namespaces/{{namespace}}/{path}/{{name}}"]["delete"]
        options = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        assert options.endswith(".DeleteOptions")
        answer = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
        return str(answer).rpartition(".")[2]

    assert [shown(one) for one in ("secrets", "pods", "serviceaccounts")] == [
        "Status", "Pod", "ServiceAccount",
    ]  # fmt: skip


def test_streams_have_their_options_in_the_query() -> None:
    paths = document("api/v1")["paths"]
    log = paths["/api/v1/namespaces/{namespace}/pods/{name}/log"]["get"]
    assert list(log["responses"]["200"]["content"]) == ["text/plain"]
    types = {one["name"]: one["schema"]["type"] for one in log["parameters"]}
    assert (types["follow"], types["tailLines"], types["container"]) == (
        "boolean", "integer", "string",
    )  # fmt: skip


def test_what_has_one_owner_is_atomic() -> None:
    schemas = document("api/v1")["components"]["schemas"]
    assert schemas["io.k8s.api.core.v1.ObjectReference"]["x-kubernetes-map-type"] == "atomic"
    spec = schemas["io.k8s.api.core.v1.PodSpec"]
    assert "x-kubernetes-map-type" not in spec
    assert spec["properties"]["nodeSelector"]["x-kubernetes-map-type"] == "atomic"


def test_create_only_kinds_have_no_item() -> None:
    paths = document("apis/authentication.k8s.io/v1")["paths"]
    assert list(paths) == [
        "/apis/authentication.k8s.io/v1/tokenreviews",
        "/apis/authentication.k8s.io/v1/selfsubjectreviews",
    ]


def test_token_requests_are_of_their_own_group() -> None:
    path = "/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
    operation = document("api/v1")["paths"][path]["post"]
    assert operation["x-kubernetes-group-version-kind"]["group"] == "authentication.k8s.io"
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    assert body["$ref"].endswith("io.k8s.api.authentication.v1.TokenRequest")


def test_schema_of_a_pod() -> None:
    schemas = document("api/v1")["components"]["schemas"]
    pod = schemas["io.k8s.api.core.v1.Pod"]
    assert pod["x-kubernetes-group-version-kind"] == [{"group": "", "version": "v1", "kind": "Pod"}]
    assert {"apiVersion", "kind", "metadata", "spec", "status"} == pod["properties"].keys()
    volumes = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["volumes"]
    assert volumes["x-kubernetes-patch-strategy"] == "merge,retainKeys"
    assert volumes["x-kubernetes-patch-merge-key"] == "name"
    assert volumes["x-kubernetes-list-type"] == "map"
    assert volumes["x-kubernetes-list-map-keys"] == ["name"]
    assert schemas["io.k8s.api.core.v1.PodSpec"]["required"] == ["containers"]
    projection = schemas["io.k8s.api.core.v1.ServiceAccountTokenProjection"]
    assert projection["required"] == ["path"]
    assert "600" in projection["properties"]["expirationSeconds"]["description"]


def test_shapes_of_lists_and_maps() -> None:
    schemas = document("api/v1")["components"]["schemas"]
    meta = schemas["io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"]["properties"]
    assert meta["finalizers"]["x-kubernetes-list-type"] == "set"
    assert meta["labels"]["additionalProperties"] == {"type": "string"}
    container = schemas["io.k8s.api.core.v1.Container"]["properties"]
    assert container["args"]["x-kubernetes-list-type"] == "atomic"


def test_an_unknown_kind_has_no_schema() -> None:
    assert component_schemas([("nowhere", "v1", "Nothing")]) == {}


def test_a_kind_that_the_schema_does_not_know_is_any_object() -> None:
    thing = Resource("x.io", "v1", "things", "Thing", namespaced=False, verbs=("list",))
    (path,) = resource_paths(thing)
    content = resource_paths(thing)[path]["get"]["responses"]["200"]["content"]
    assert content["application/json"]["schema"] == {"type": "object"}


def test_names_of_schemas() -> None:
    assert schema_name("k8s.io.api.core.v1.Pod") == "io.k8s.api.core.v1.Pod"
    assert schema_name("com.example.v1.Thing") == "com.example.v1.Thing"


def test_descriptions_are_of_fields_that_there_are() -> None:
    described = set(openapi.descriptions._descriptions()) - {"apiVersion", "kind"}
    known = set()
    for name in NAMES:
        for key, shape in document(name)["components"]["schemas"].items():
            short = key.removeprefix("io.k8s.api.").removeprefix("io.k8s.apimachinery.pkg.apis.")
            short = short.removeprefix("com.github.openshift.api.")
            known |= {short} | {f"{short}.{one}" for one in shape.get("properties", ())}
    missing = {one for one in described if one not in known}
    assert missing <= {
        "core.v1.VolumeSource.projected"
    }  # declared by the source, shown in the volume
    assert describe("k8s.io.api.core.v1.Nothing") == ""


def test_v2_is_a_stub() -> None:
    assert orjson.loads(openapi.swagger())["swagger"] == "2.0"
