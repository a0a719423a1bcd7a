"""Every route is asked for something wrong, and answers with a Status."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from apiserver.api_calls import ACCOUNTS, CONFIG_MAPS, PODS, account, call, config_map, pod

from podpass.api.resources import RESOURCES, Resource
from podpass.apiserver.request_context import MAX_BODY_BYTES
from podpass.testing.api_server import RunningApiServer

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def paths_of(resource: Resource) -> Iterator[str]:
    namespace = "default" if resource.namespaced else None
    yield resource.path(namespace)
    yield resource.path(namespace, "missing")
    for one in resource.subresources:
        yield resource.path(namespace, "missing", one.name)
    yield resource.path(namespace, "missing", "nothing")


NON_RESOURCES = (
    "/", "/api", "/apis", "/api/v1", "/apis/rbac.authorization.k8s.io",
    "/apis/rbac.authorization.k8s.io/v1", "/version", "/metrics", "/openapi/v2", "/openapi/v3",
    "/livez", "/readyz", "/healthz", "/openid/v1/jwks", "/.well-known/openid-configuration",
)  # fmt: skip
MISSING = (
    "/nothing", "/api/v2", "/api/v2/pods", "/apis/none/v1", "/apis/none/v1/things",
    "/api/v1/things", "/openapi/v3/none", "/readyz/none", "/openid/v1", "/.well-known",
    "/api/v1/namespaces/default/nodes", "/api/v1/namespaces/default/pods/p/log/more",
    "/api/v1/pods/p",
)  # fmt: skip


async def assert_status(response: Any, *, codes: range = range(400, 500)) -> None:
    body = await response.json()
    assert response.status in codes, (response.url, body)
    assert body["kind"] == "Status"
    assert body["status"] == "Failure"
    assert body["code"] == response.status
    assert body["message"]


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda one: one.qualified)
async def test_every_resource_route_refuses_a_malformed_request_with_a_status(
    api: RunningApiServer, resource: Resource
) -> None:
    async with api.admin() as admin:
        for path in paths_of(resource):
            for method in METHODS:
                if method == "GET" and path == resource.path("default") and resource.stored:
                    path = f"{path}?limit=none"  # noqa: PLW2901 - a plain list is no error
                if method == "DELETE" and "missing" not in path:
                    path = f"{path}?gracePeriodSeconds=none"  # noqa: PLW2901 - nor this
                async with admin.request(method, path, data=b"\x00{") as response:
                    await assert_status(response)


@pytest.mark.parametrize("path", NON_RESOURCES)
async def test_other_paths_are_read_only(api: RunningApiServer, path: str) -> None:
    async with api.admin() as admin, admin.post(path, data=b"") as response:
        await assert_status(response, codes=range(405, 406))


@pytest.mark.parametrize(
    "path", ["/version", "/api", "/apis/apps/v1", "/openid/v1/jwks", "/api/v1/namespaces"]
)
async def test_a_slash_at_the_end_is_as_good(api: RunningApiServer, path: str) -> None:
    async with (
        api.admin() as admin,
        admin.get(path) as plain,
        admin.get(f"{path}/") as slashed,
    ):
        assert (slashed.status, await slashed.text()) == (200, await plain.text())


@pytest.mark.parametrize("path", MISSING)
async def test_what_is_not_served_is_404(api: RunningApiServer, path: str) -> None:
    async with api.admin() as admin, admin.get(path) as response:
        await assert_status(response, codes=range(404, 405))


@pytest.mark.parametrize(
    "path", ["/metrics", "/openapi/v3", "/api", PODS, "/nothing", "/api/v1/nothing"]
)
async def test_a_stranger_is_forbidden_before_anything_else(
    api: RunningApiServer, path: str
) -> None:
    async with api.session() as nobody, nobody.get(path) as response:
        await assert_status(response, codes=range(403, 404))


async def test_the_words_of_a_refusal_name_user_verb_and_place(api: RunningApiServer) -> None:
    async with api.session("eve") as eve:
        answer = await call(eve, "GET", PODS, expect=403)
        assert answer["message"] == (
            'pods is forbidden: User "eve" cannot list resource "pods" in API group "" '
            'in the namespace "default"'
        )
        answer = await call(eve, "GET", "/metrics", expect=403)
        assert answer["message"] == 'forbidden: User "eve" cannot get path "/metrics"'


async def test_a_bad_token_is_401_even_where_nobody_may_read(api: RunningApiServer) -> None:
    async with api.session(token="not.a.token") as session:
        answer = await call(session, "GET", "/version", expect=401)
    assert answer["message"] == "Unauthorized"
    assert answer["reason"] == "Unauthorized"


async def test_a_body_of_the_limit_is_read_and_one_byte_more_is_413(
    api: RunningApiServer,
) -> None:
    body = b'{"metadata":{"name":"a"}}'
    async with api.admin() as admin:
        most = body + b" " * (MAX_BODY_BYTES - len(body))
        await call(admin, "POST", f"{CONFIG_MAPS}?dryRun=All", most, expect=201)
        answer = await call(admin, "POST", CONFIG_MAPS, most + b" ", expect=413)
        assert answer["reason"] == "RequestEntityTooLarge"
        await call(admin, "GET", CONFIG_MAPS)


async def test_a_body_without_a_length_is_limited_as_well(api: RunningApiServer) -> None:
    async def endless() -> Any:
        for _ in range(5):
            yield b" " * (MAX_BODY_BYTES // 4)

    async with api.admin() as admin:
        headers = {"Content-Type": "application/json"}
        async with admin.post(CONFIG_MAPS, data=endless(), headers=headers) as response:
            await assert_status(response, codes=range(413, 414))


@pytest.mark.parametrize(
    ("content_type", "code"),
    [("text/plain", 415), ("application/json", 400), ("application/yaml", 400)],
)
async def test_what_cannot_be_read_is_refused_by_its_media_type(
    api: RunningApiServer, content_type: str, code: int
) -> None:
    async with api.admin() as admin:
        await call(admin, "POST", CONFIG_MAPS, b"[1, 2]", content_type=content_type, expect=code)
        path = f"{CONFIG_MAPS}/kube-root-ca.crt"
        await call(admin, "PATCH", path, b"{}", content_type="text/plain", expect=415)


async def test_a_client_that_accepts_no_json_is_406(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        await call(admin, "GET", CONFIG_MAPS, Accept="image/png", expect=406)


@pytest.mark.parametrize(
    ("path", "body", "code", "words"),
    [
        pytest.param(
            CONFIG_MAPS, config_map("a") | {"kind": "Secret"}, 400,
            "cannot be handled as a ConfigMap", id="another kind",
        ),
        pytest.param(
            CONFIG_MAPS, config_map("a") | {"apiVersion": "v2"}, 400, "v2", id="another version",
        ),
        pytest.param(
            CONFIG_MAPS,
            {"metadata": {"name": "a", "namespace": "other"}},
            400, "namespace of the provided object does not match", id="another namespace",
        ),
        pytest.param(
            CONFIG_MAPS, {"metadata": {"name": "A_b"}}, 422, "metadata.name", id="a bad name",
        ),
        pytest.param(
            CONFIG_MAPS, {"metadata": {}}, 422, "name or generateName is required", id="no name",
        ),
        pytest.param(
            "/api/v1/namespaces/nope/configmaps", config_map("a"), 404,
            'namespaces "nope" not found', id="no such namespace",
        ),
        pytest.param(
            "/api/v1/pods", pod("p"), 405, "create is not supported", id="no namespace",
        ),
        pytest.param(
            PODS, pod("p", serviceAccountName="ghost"), 403, "ghost", id="no such account",
        ),
        pytest.param(
            f"{CONFIG_MAPS}?dryRun=Maybe", config_map("a"), 400, "dryRun", id="a dry run of sorts",
        ),
        pytest.param(
            f"{CONFIG_MAPS}?fieldValidation=Maybe", config_map("a"), 400, "fieldValidation",
            id="a validation of sorts",
        ),
        pytest.param(
            f"{ACCOUNTS}/robot/token", {"spec": {"expirationSeconds": 599}}, 422,
            "may not specify a duration less than 10 minutes", id="a token of 599 seconds",
        ),
        pytest.param(
            f"{ACCOUNTS}/ghost/token", {}, 404, 'serviceaccounts "ghost" not found',
            id="a token of no account",
        ),
    ],
)  # fmt: skip
async def test_a_bad_creation_is_refused_with_its_reason(
    api: RunningApiServer, path: str, body: Any, code: int, words: str
) -> None:
    async with api.admin() as admin:
        await call(admin, "POST", ACCOUNTS, account("robot"), expect=201)
        answer = await call(admin, "POST", path, body, expect=code)
        assert words in answer["message"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (config_map("b"), "does not match the name on the URL"),
        ({"metadata": {"name": "a", "namespace": "x"}}, "does not match the namespace on the"),
    ],
)
async def test_an_update_names_the_object_of_its_url(
    api: RunningApiServer, body: Any, words: str
) -> None:
    async with api.admin() as admin:
        await call(admin, "POST", CONFIG_MAPS, config_map("a"), expect=201)
        answer = await call(admin, "PUT", f"{CONFIG_MAPS}/a", body, expect=400)
        assert words in answer["message"]


async def test_a_name_that_is_taken_is_409(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        await call(admin, "POST", CONFIG_MAPS, config_map("a"), expect=201)
        answer = await call(admin, "POST", CONFIG_MAPS, config_map("a"), expect=409)
    assert answer["reason"] == "AlreadyExists"


async def test_a_store_that_is_away_is_503(api: RunningApiServer) -> None:
    api.server._objects.store.failure = "disk full"  # type: ignore[attr-defined]
    async with api.admin() as admin:
        answer = await call(admin, "POST", CONFIG_MAPS, config_map("a"), expect=503)
        assert answer["reason"] == "ServiceUnavailable"
        text = await call(admin, "GET", "/readyz", expect=500)
        assert "[-]storage failed: reason withheld" in text
        assert "disk full" not in text
        assert await call(admin, "GET", "/livez") == "ok"
