from __future__ import annotations

import asyncio

import pytest
from apiserver.api_calls import ACCOUNTS, CONFIG_MAPS, PODS, account, call, config_map, node, pod

from podpass.testing.api_server import RunningApiServer

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


async def test_an_object_is_created_read_changed_and_deleted(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        created = await call(admin, "POST", CONFIG_MAPS, config_map("a", x="1"), expect=201)
        assert created["metadata"]["uid"]
        assert await call(admin, "GET", f"{CONFIG_MAPS}/a") == created
        created["data"]["x"] = "2"
        changed = await call(admin, "PUT", f"{CONFIG_MAPS}/a", created)
        assert changed["data"] == {"x": "2"}
        assert int(changed["metadata"]["resourceVersion"]) > int(
            created["metadata"]["resourceVersion"]
        )
        gone = await call(admin, "DELETE", f"{CONFIG_MAPS}/a")
        assert gone["status"] == "Success"
        assert gone["details"] == {
            "name": "a",
            "kind": "configmaps",
            "uid": created["metadata"]["uid"],
        }
        await call(admin, "GET", f"{CONFIG_MAPS}/a", expect=404)


async def test_a_name_is_generated(api: RunningApiServer) -> None:
    body = config_map()
    body["metadata"]["generateName"] = "made-"
    async with api.admin() as admin:
        names = set()
        for _ in range(5):
            created = await call(admin, "POST", CONFIG_MAPS, body, expect=201)
            names.add(created["metadata"]["name"])
    assert len(names) == 5
    assert all(name.startswith("made-") for name in names)


@pytest.mark.parametrize("verb", ["create", "update", "patch", "delete"])
async def test_a_dry_run_changes_nothing(api: RunningApiServer, verb: str) -> None:
    async with api.admin() as admin:
        kept = await call(admin, "POST", CONFIG_MAPS, config_map("kept"), expect=201)
        path = f"{CONFIG_MAPS}/kept?dryRun=All"
        if verb == "create":
            new = config_map("new")
            answer = await call(admin, "POST", f"{CONFIG_MAPS}?dryRun=All", new, expect=201)
            assert answer["metadata"]["uid"]
            assert "resourceVersion" not in answer["metadata"]
            await call(admin, "GET", f"{CONFIG_MAPS}/new", expect=404)
        elif verb == "update":
            answer = await call(admin, "PUT", path, kept | {"data": {"a": "b"}})
            assert answer["data"] == {"a": "b"}
        elif verb == "patch":
            patch = {"data": {"a": "b"}}
            answer = await call(admin, "PATCH", path, patch, content_type=MERGE)
            assert answer["data"] == {"a": "b"}
        else:
            await call(admin, "DELETE", path)
        assert await call(admin, "GET", f"{CONFIG_MAPS}/kept") == kept


async def test_a_stale_resource_version_is_a_conflict(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        first = await call(admin, "POST", CONFIG_MAPS, config_map("a"), expect=201)
        await call(admin, "PUT", f"{CONFIG_MAPS}/a", first | {"data": {"a": "1"}})
        refused = await call(
            admin, "PUT", f"{CONFIG_MAPS}/a", first | {"data": {"a": "2"}}, expect=409
        )
        assert "please apply your changes to the latest version" in refused["message"]
        stale = {"metadata": {"resourceVersion": first["metadata"]["resourceVersion"]}}
        await call(admin, "PATCH", f"{CONFIG_MAPS}/a", stale, content_type=MERGE, expect=409)
        stale = {"metadata": {"uid": "another"}}
        await call(admin, "PATCH", f"{CONFIG_MAPS}/a", stale, content_type=MERGE, expect=409)
        del first["metadata"]["resourceVersion"]
        await call(admin, "PUT", f"{CONFIG_MAPS}/a", first | {"data": {"a": "3"}})


async def test_patches_that_race_all_take_effect(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        await call(admin, "POST", CONFIG_MAPS, config_map("a"), expect=201)
        await asyncio.gather(
            *(
                call(
                    admin,
                    "PATCH",
                    f"{CONFIG_MAPS}/a",
                    {"data": {f"k{i}": "v"}},
                    content_type=MERGE,
                )
                for i in range(4)
            )
        )
        final = await call(admin, "GET", f"{CONFIG_MAPS}/a")
    assert set(final["data"]) == {"k0", "k1", "k2", "k3"}


@pytest.mark.parametrize(
    ("content_type", "patch"),
    [
        (JSON_PATCH, [{"op": "replace", "path": "/data/a", "value": "2"}]),
        (MERGE, {"data": {"a": "2"}}),
        (STRATEGIC, {"data": {"a": "2"}}),
    ],
)
async def test_every_kind_of_patch_is_applied(
    api: RunningApiServer, content_type: str, patch: object
) -> None:
    async with api.admin() as admin:
        await call(admin, "POST", CONFIG_MAPS, config_map("a", a="1", b="1"), expect=201)
        changed = await call(admin, "PATCH", f"{CONFIG_MAPS}/a", patch, content_type=content_type)
    assert changed["data"] == {"a": "2", "b": "1"}


async def test_a_write_that_changes_nothing_is_no_new_version(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        first = await call(admin, "POST", CONFIG_MAPS, config_map("a", a="1"), expect=201)
        again = await call(admin, "PUT", f"{CONFIG_MAPS}/a", first)
    assert again == first


async def test_the_last_finalizer_takes_a_deleted_object_along(api: RunningApiServer) -> None:
    body = config_map("a")
    body["metadata"]["finalizers"] = ["example.com/hold"]
    async with api.admin() as admin:
        await call(admin, "POST", CONFIG_MAPS, body, expect=201)
        marked = await call(admin, "DELETE", f"{CONFIG_MAPS}/a")
        assert marked["metadata"]["deletionTimestamp"]
        free = {"metadata": {"finalizers": None}}
        await call(admin, "PATCH", f"{CONFIG_MAPS}/a", free, content_type=MERGE)
        await call(admin, "GET", f"{CONFIG_MAPS}/a", expect=404)


async def test_a_namespace_goes_when_it_is_finalized(api: RunningApiServer) -> None:
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}
    path = "/api/v1/namespaces/team"
    async with api.admin() as admin:
        created = await call(admin, "POST", "/api/v1/namespaces", body, expect=201)
        assert created["spec"]["finalizers"] == ["kubernetes"]
        marked = await call(admin, "DELETE", path)
        assert marked["status"]["phase"] == "Terminating"
        refused = await call(admin, "POST", f"{path}/configmaps", config_map("late"), expect=403)
        assert "because it is being terminated" in refused["message"]
        marked["spec"]["finalizers"] = []
        await call(admin, "PUT", f"{path}/finalize", marked)
        await call(admin, "GET", path, expect=404)


async def test_a_pod_is_completed_bound_and_deleted_gracefully(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        await call(admin, "POST", ACCOUNTS, account("default"), expect=201)
        created = await call(admin, "POST", PODS, pod("p"), expect=201)
        assert created["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
        assert created["spec"]["serviceAccountName"] == "default"
        assert created["spec"]["volumes"][0]["name"].startswith("kube-api-access-")
        await call(admin, "POST", "/api/v1/nodes", node("n1"), expect=201)
        binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n1"}}
        bound = await call(admin, "POST", f"{PODS}/p/binding", binding, expect=201)
        assert bound["status"] == "Success"
        again = await call(admin, "POST", f"{PODS}/p/binding", binding, expect=409)
        assert 'pod p is already assigned to node "n1"' in again["message"]
        current = await call(admin, "GET", f"{PODS}/p")
        assert current["spec"]["nodeName"] == "n1"
        assert current["status"]["conditions"][0]["type"] == "PodScheduled"
        marked = await call(admin, "DELETE", f"{PODS}/p")
        assert marked["metadata"]["deletionGracePeriodSeconds"] == 30
        gone = await call(admin, "DELETE", f"{PODS}/p", {"gracePeriodSeconds": 0})
        assert gone["kind"] == "Pod"
        await call(admin, "GET", f"{PODS}/p", expect=404)


async def test_status_and_spec_are_written_apart(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        created = await call(admin, "POST", "/api/v1/nodes", node("n1"), expect=201)
        created["spec"] = {"unschedulable": True}
        created["status"]["phase"] = "Running"
        by_status = await call(admin, "PUT", "/api/v1/nodes/n1/status", created)
        assert by_status["status"]["phase"] == "Running"
        assert "unschedulable" not in by_status.get("spec", {})
        by_status["spec"] = {"unschedulable": True}
        by_status["status"] = {}
        by_spec = await call(admin, "PUT", "/api/v1/nodes/n1", by_status)
        assert by_spec["spec"]["unschedulable"] is True
        assert by_spec["status"]["phase"] == "Running"


async def test_unknown_fields_are_refused_reported_or_dropped(api: RunningApiServer) -> None:
    body = config_map("a") | {"extra": 1}
    async with api.admin() as admin:
        strict = f"{CONFIG_MAPS}?fieldValidation=Strict"
        refused = await call(admin, "POST", strict, body, expect=400)
        assert 'strict decoding error: unknown field "extra"' in refused["message"]
        async with admin.post(CONFIG_MAPS, json=body) as response:
            assert response.status == 201
            assert response.headers["Warning"] == '299 - "unknown field \\"extra\\""'
        stored = await call(admin, "GET", f"{CONFIG_MAPS}/a")
        assert "extra" not in stored
        ignore = f"{CONFIG_MAPS}?fieldValidation=Ignore"
        async with admin.post(ignore, json=body | {"metadata": {"name": "b"}}) as quiet:
            assert quiet.status == 201
            assert "Warning" not in quiet.headers


async def test_a_collection_is_deleted_by_label(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        for name, app in (("a", "web"), ("b", "web"), ("c", "db")):
            body = config_map(name)
            body["metadata"]["labels"] = {"app": app}
            await call(admin, "POST", CONFIG_MAPS, body, expect=201)
        gone = await call(admin, "DELETE", f"{CONFIG_MAPS}?labelSelector=app%3Dweb")
        assert [one["metadata"]["name"] for one in gone["items"]] == ["a", "b"]
        left = await call(admin, "GET", CONFIG_MAPS)
    assert [one["metadata"]["name"] for one in left["items"]] == ["c"]


@pytest.mark.parametrize(
    "preconditions", [{"uid": "another"}, {"resourceVersion": "1"}], ids=["uid", "version"]
)
async def test_a_deletion_with_another_precondition_is_a_conflict(
    api: RunningApiServer, preconditions: dict[str, str]
) -> None:
    async with api.admin() as admin:
        await call(admin, "POST", CONFIG_MAPS, config_map("a"), expect=201)
        body = {"preconditions": preconditions}
        await call(admin, "DELETE", f"{CONFIG_MAPS}/a", body, expect=409)
        await call(admin, "GET", f"{CONFIG_MAPS}/a")


async def test_tokens_and_reviews_are_answered(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        await call(admin, "POST", ACCOUNTS, account("robot"), expect=201)
        request = {"spec": {"audiences": ["vault"], "expirationSeconds": 600}}
        issued = await call(admin, "POST", f"{ACCOUNTS}/robot/token", request, expect=201)
        token = issued["status"]["token"]
        review = {"spec": {"token": token, "audiences": ["vault"]}}
        path = "/apis/authentication.k8s.io/v1/tokenreviews"
        answer = await call(admin, "POST", path, review, expect=201)
        assert answer["status"]["authenticated"] is True
        assert answer["status"]["user"]["username"] == "system:serviceaccount:default:robot"
        own = await call(admin, "POST", f"{ACCOUNTS}/robot/token", {}, expect=201)
    async with api.session(token=own["status"]["token"]) as robot:
        who = await call(
            robot, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, expect=201
        )
        assert who["status"]["userInfo"]["username"] == "system:serviceaccount:default:robot"
    async with api.session(token=token) as stranger:
        await call(stranger, "GET", CONFIG_MAPS, expect=401)
