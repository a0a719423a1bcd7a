from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from apiserver.api_calls import CONFIG_MAPS, call, config_map

from podpass.testing.api_server import RunningApiServer

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


async def fill(admin: aiohttp.ClientSession, count: int) -> list[dict[str, Any]]:
    bodies = [config_map(f"c{index}") for index in range(count)]
    for index, body in enumerate(bodies):
        body["metadata"]["labels"] = {"parity": "even" if index % 2 == 0 else "odd"}
    return [await call(admin, "POST", CONFIG_MAPS, body, expect=201) for body in bodies]


def names(answer: dict[str, Any]) -> list[str]:
    return [one["metadata"]["name"] for one in answer["items"]]


async def test_a_list_has_a_resource_version_and_its_items_as_stored(
    api: RunningApiServer,
) -> None:
    async with api.admin() as admin:
        created = await fill(admin, 3)
        answer = await call(admin, "GET", CONFIG_MAPS)
    assert answer["kind"] == "ConfigMapList"
    assert answer["items"] == created
    assert answer["metadata"] == {"resourceVersion": created[-1]["metadata"]["resourceVersion"]}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("labelSelector=parity%3Deven", ["c0", "c2", "c4"]),
        ("labelSelector=parity%20notin%20(even)", ["c1", "c3"]),
        ("fieldSelector=metadata.name%3Dc3", ["c3"]),
        ("labelSelector=nothing", []),
        ("resourceVersion=0", ["c0", "c1", "c2", "c3", "c4"]),
    ],
)
async def test_a_list_holds_what_is_selected(
    api: RunningApiServer, query: str, expected: list[str]
) -> None:
    async with api.admin() as admin:
        await fill(admin, 5)
        assert names(await call(admin, "GET", f"{CONFIG_MAPS}?{query}")) == expected


@pytest.mark.parametrize(
    ("query", "pages"),
    [
        ("limit=2", [["c0", "c1"], ["c2", "c3"], ["c4"]]),
        ("limit=2&labelSelector=parity%3Deven", [["c0", "c2"], ["c4"]]),
        ("limit=5", [["c0", "c1", "c2", "c3", "c4"]]),
        ("limit=6", [["c0", "c1", "c2", "c3", "c4"]]),
    ],
)
async def test_a_list_comes_in_pages_of_one_snapshot(
    api: RunningApiServer, query: str, pages: list[list[str]]
) -> None:
    async with api.admin() as admin:
        await fill(admin, 5)
        found = []
        path = f"{CONFIG_MAPS}?{query}"
        answer = await call(admin, "GET", path)
        await call(admin, "POST", CONFIG_MAPS, config_map("c9"), expect=201)
        while True:
            found.append(names(answer))
            token = answer["metadata"].get("continue")
            if not token:
                break
            answer = await call(admin, "GET", f"{path}&continue={token}")
    assert found == pages


async def test_the_first_page_tells_how_many_remain(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        await fill(admin, 5)
        page = await call(admin, "GET", f"{CONFIG_MAPS}?limit=2")
        assert page["metadata"]["remainingItemCount"] == 3
        chosen = await call(admin, "GET", f"{CONFIG_MAPS}?limit=2&labelSelector=parity")
        assert "remainingItemCount" not in chosen["metadata"]


async def test_an_exact_resource_version_is_a_view_of_the_past(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        created = await fill(admin, 3)
        version = created[1]["metadata"]["resourceVersion"]
        path = f"{CONFIG_MAPS}?resourceVersion={version}&resourceVersionMatch"
        exact = await call(admin, "GET", f"{path}=Exact")
        assert names(exact) == ["c0", "c1"]
        newer = await call(admin, "GET", f"{path}=NotOlderThan")
        assert names(newer) == ["c0", "c1", "c2"]


async def test_kubectl_gets_a_table(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        await fill(admin, 2)
        table = await call(admin, "GET", CONFIG_MAPS, Accept=TABLE)
        assert table["kind"] == "Table"
        assert [row["cells"][:2] for row in table["rows"]] == [["c0", 0], ["c1", 0]]
        assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
        whole = await call(admin, "GET", f"{CONFIG_MAPS}/c0?includeObject=Object", Accept=TABLE)
        assert whole["rows"][0]["object"]["kind"] == "ConfigMap"
        await call(admin, "GET", f"{CONFIG_MAPS}?includeObject=Some", Accept=TABLE, expect=400)


async def test_metadata_alone_can_be_asked_for(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        created = await fill(admin, 1)
        answer = await call(admin, "GET", CONFIG_MAPS, Accept=METADATA)
        single = await call(
            admin,
            "GET",
            f"{CONFIG_MAPS}/c0",
            Accept="application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
        )
    assert answer["kind"] == "PartialObjectMetadataList"
    assert answer["items"][0]["metadata"] == created[0]["metadata"]
    assert "data" not in single
    assert single["kind"] == "PartialObjectMetadata"


async def test_people_can_ask_for_indented_json(api: RunningApiServer) -> None:
    async with (
        api.admin() as admin,
        admin.get("/api/v1/namespaces/default?pretty=true") as response,
    ):
        assert b"\n  " in await response.read()


async def test_the_head_of_an_object_has_no_body(api: RunningApiServer) -> None:
    async with api.admin() as admin, admin.head("/api/v1/namespaces/default") as response:
        assert response.status == 200
        assert await response.read() == b""


async def test_lists_are_refused_with_parameters_that_do_not_go_together(
    api: RunningApiServer,
) -> None:
    refusals = {
        "resourceVersion=x": 400,
        "limit=-1": 400,
        "resourceVersionMatch=Exact": 422,
        "resourceVersionMatch=Exact&resourceVersion=0": 422,
        "resourceVersionMatch=Never&resourceVersion=1": 422,
        "sendInitialEvents=true": 422,
        "continue=abc": 400,
        "continue=abc&resourceVersion=5": 400,
        "resourceVersionMatch=Exact&resourceVersion=5&continue=abc": 422,
        "labelSelector=((": 400,
        "fieldSelector=spec.foo%3Dx": 400,
        "watch=true&sendInitialEvents=true": 422,
        "watch=true&resourceVersionMatch=NotOlderThan": 422,
        "watch=true&sendInitialEvents=true&resourceVersionMatch=Exact": 422,
        "watch=true&timeoutSeconds=soon": 400,
        "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&continue=a": 422,
        "watch=true&sendInitialEvents=false": 422,
    }
    async with api.admin() as admin:
        for query, code in refusals.items():
            answer = await call(admin, "GET", f"{CONFIG_MAPS}?{query}", expect=code)
            assert answer["kind"] == "Status", query


@pytest.mark.parametrize("limit", [1, 2, 3, 4])
async def test_selected_objects_come_in_whole_pages(api: RunningApiServer, limit: int) -> None:
    async with api.admin() as admin:
        for at in range(6):
            body = config_map(f"c{at}")
            body["metadata"]["labels"] = {"odd": str(at % 2)}
            await call(admin, "POST", CONFIG_MAPS, body, expect=201)
        names: list[str] = []
        sizes = []
        token = ""
        while True:
            query = f"labelSelector=odd%3D1&limit={limit}&continue={token}"
            page = await call(admin, "GET", f"{CONFIG_MAPS}?{query}")
            assert "remainingItemCount" not in page["metadata"]
            names += [one["metadata"]["name"] for one in page["items"]]
            sizes.append(len(page["items"]))
            token = page["metadata"].get("continue", "")
            if not token:
                break
        assert names == ["c1", "c3", "c5"]
        assert all(size == limit for size in sizes[:-1])


async def test_a_token_of_another_collection_is_of_no_use(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        for name in ("a", "b", "c"):
            await call(admin, "POST", CONFIG_MAPS, config_map(name), expect=201)
        page = await call(admin, "GET", f"{CONFIG_MAPS}?limit=1")
        token = page["metadata"]["continue"]
        other = "/api/v1/namespaces/none/configmaps"
        assert (await call(admin, "GET", f"{other}?limit=1&continue={token}"))["items"] == []
        rest = await call(admin, "GET", f"{CONFIG_MAPS}?continue={token}")
        assert [one["metadata"]["name"] for one in rest["items"]] == ["b", "c"]
        assert "continue" not in rest["metadata"]


async def test_a_selected_collection_is_deleted_and_nothing_else(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        for name, app in (("a", "x"), ("b", "y"), ("c", "x")):
            body = config_map(name)
            body["metadata"]["labels"] = {"app": app}
            await call(admin, "POST", CONFIG_MAPS, body, expect=201)
        dry = await call(admin, "DELETE", f"{CONFIG_MAPS}?labelSelector=app%3Dx&dryRun=All")
        assert len(dry["items"]) == 2
        await call(admin, "DELETE", f"{CONFIG_MAPS}?labelSelector=app%20in%20(", expect=400)
        await call(admin, "DELETE", f"{CONFIG_MAPS}?fieldSelector=data.x%3D1", expect=400)
        query = "labelSelector=app%3Dx&fieldSelector=metadata.name!%3Dc"
        gone = await call(admin, "DELETE", f"{CONFIG_MAPS}?{query}")
        assert gone["kind"] == "ConfigMapList"
        assert [one["metadata"]["name"] for one in gone["items"]] == ["a"]
        left = await call(admin, "GET", CONFIG_MAPS)
        assert [one["metadata"]["name"] for one in left["items"]] == ["b", "c"]


AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


@pytest.mark.parametrize("path", ["/api", "/apis"])
async def test_discovery_that_is_known_is_not_sent_again(api: RunningApiServer, path: str) -> None:
    async with api.admin() as admin:
        async with admin.get(path, headers={"Accept": AGGREGATED}) as response:
            assert response.headers["Content-Type"] == AGGREGATED
            assert (await response.json())["kind"] == "APIGroupDiscoveryList"
            tag = response.headers["ETag"]
        known = {"Accept": AGGREGATED, "If-None-Match": f'"x", {tag}'}
        async with admin.get(path, headers=known) as response:
            assert (response.status, await response.read()) == (304, b"")
            assert response.headers["ETag"] == tag
        known["If-None-Match"] = '"x"'
        async with admin.get(path, headers=known) as response:
            assert response.status == 200
        async with admin.get(path, headers={"Accept": "application/json"}) as response:
            assert (await response.json())["kind"] in {"APIVersions", "APIGroupList"}
