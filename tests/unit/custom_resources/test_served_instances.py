from __future__ import annotations

import asyncio
from typing import Any

import orjson
from custom_resources.definitions import (
    CRON_TABS,
    DEFINITIONS,
    GROUP,
    answered,
    call,
    cron_tab,
    cron_tab_definition,
    define,
)

from podpass.testing.api_server import RunningApiServer, TestPki, running_api_server
from podpass.testing.memory_store import MemoryStore

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
MERGE = "application/merge-patch+json"


async def test_an_instance_is_pruned_defaulted_and_kept(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        await define(admin, cron_tab_definition())
        body = cron_tab(nonsense=1, free={"any": {"thing": [1]}}, steps=[{"name": "a"}])
        code, created = await call(admin, "POST", CRON_TABS, body)
        assert code == 201, created
        assert created["spec"] == {
            "cronSpec": "* * * * */5",
            "replicas": 1,
            "free": {"any": {"thing": [1]}},
            "steps": [{"name": "a", "seconds": 5}],
        }
        assert created["metadata"]["generation"] == 1
        code, listed = await call(admin, "GET", CRON_TABS)
        assert (listed["kind"], listed["apiVersion"]) == ("CronTabList", f"{GROUP}/v1")
        assert listed["items"] == [created]
        code, gone = await call(admin, "DELETE", f"{CRON_TABS}/nightly")
        assert (code, gone["status"]) == (200, "Success")
        assert (await call(admin, "GET", f"{CRON_TABS}/nightly"))[0] == 404


async def test_status_and_scale_stand_apart_from_the_rest(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        await define(admin, cron_tab_definition())
        body = cron_tab() | {"status": {"phase": "Lost"}}
        _, created = await call(admin, "POST", CRON_TABS, body)
        assert "status" not in created
        path = f"{CRON_TABS}/nightly"
        lost = created | {"status": {"phase": "Running", "replicas": 2, "selector": "a=b"}}
        lost["spec"] = {"cronSpec": "not looked at"}
        code, shown = await call(admin, "PUT", f"{path}/status", lost)
        assert (code, shown["spec"], shown["metadata"]["generation"]) == (200, created["spec"], 1)
        assert shown["status"]["phase"] == "Running"
        _, scale = await call(admin, "GET", f"{path}/scale")
        assert (scale["kind"], scale["spec"]) == ("Scale", {"replicas": 1})
        assert scale["status"] == {"replicas": 2, "selector": "a=b"}
        scale["spec"]["replicas"] = 5
        code, scale = await call(admin, "PUT", f"{path}/scale", scale)
        assert (code, scale["spec"]) == (200, {"replicas": 5})
        patch = {"spec": {"replicas": 6}}
        headers = {"Content-Type": MERGE}
        code, _ = await call(admin, "PATCH", f"{path}/scale", patch, **headers)
        _, shown = await call(admin, "GET", path)
        assert (code, shown["spec"]["replicas"], shown["metadata"]["generation"]) == (200, 6, 3)
        code, refused = await call(
            admin, "PATCH", f"{path}/scale", {"spec": {"replicas": 11}}, **headers
        )
        assert (code, refused["details"]["causes"][0]["field"]) == (422, "spec.replicas")
        no_status = f"{path.replace('/v1/', '/v1beta1/')}/status"
        assert (await call(admin, "GET", no_status))[0] == 404


async def test_a_scale_is_applied(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        await define(admin, cron_tab_definition())
        await call(admin, "POST", CRON_TABS, cron_tab())
        path = f"{CRON_TABS}/nightly"
        scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "spec": {"replicas": 3}}
        headers = {"Content-Type": "application/apply-patch+yaml"}
        for force, expected in (("false", 409), ("true", 200)):
            code, _ = await call(
                admin, "PATCH", f"{path}/scale?fieldManager=m&force={force}", scale, **headers
            )
            assert code == expected
        _, shown = await call(admin, "GET", path)
        assert shown["spec"]["replicas"] == 3
        owner = next(one for one in shown["metadata"]["managedFields"] if one["manager"] == "m")
        assert (owner["subresource"], owner["apiVersion"]) == ("scale", f"{GROUP}/v1")
        assert owner["fieldsV1"] == {"f:spec": {"f:replicas": {}}}


async def test_versions_differ_in_their_api_version_only(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        await define(admin, cron_tab_definition())
        beta = CRON_TABS.replace("/v1/", "/v1beta1/")
        async with admin.post(beta, json=cron_tab("old", "v1beta1")) as response:
            assert (response.status, (await response.json())["apiVersion"]) == (
                201, f"{GROUP}/v1beta1",
            )  # fmt: skip
            assert response.headers["Warning"] == (
                f'299 - "{GROUP}/v1beta1 CronTab is deprecated; use {GROUP}/v1 CronTab"'
            )
        _, shown = await call(admin, "GET", f"{CRON_TABS}/old")
        assert shown["apiVersion"] == f"{GROUP}/v1"
        _, listed = await call(admin, "GET", f"{beta}?resourceVersionMatch=Exact&resourceVersion="
                               + shown["metadata"]["resourceVersion"])  # fmt: skip
        assert [one["apiVersion"] for one in listed["items"]] == [f"{GROUP}/v1beta1"]
        code, refused = await call(admin, "POST", CRON_TABS, cron_tab("x", "v1beta1"))
        assert (code, refused["message"]) == (
            400,
            (f"the API version in the data ({GROUP}/v1beta1) does not match the expected API "
             f"version ({GROUP}/v1)"),
        )  # fmt: skip


async def test_tables_selectors_and_collections(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        await define(admin, cron_tab_definition())
        for name, mode in (("a", "Slow"), ("b", "Fast")):
            await call(admin, "POST", CRON_TABS, cron_tab(name, mode=mode))
        _, table = await call(admin, "GET", CRON_TABS, Accept=TABLE)
        names = [one["name"] for one in table["columnDefinitions"]]
        assert names == ["Name", "Spec", "Replicas", "Age"]
        assert [row["cells"][:3] for row in table["rows"]] == [
            ["a", "* * * * */5", 1], ["b", "* * * * */5", 1],
        ]  # fmt: skip
        _, fast = await call(admin, "GET", f"{CRON_TABS}?fieldSelector=spec.mode=Fast")
        assert [one["metadata"]["name"] for one in fast["items"]] == ["b"]
        code, refused = await call(admin, "GET", f"{CRON_TABS}?fieldSelector=spec.image=x")
        assert (code, refused["message"]) == (400, "field label not supported: spec.image")
        code, _ = await call(admin, "DELETE", CRON_TABS)
        _, rest = await call(admin, "GET", CRON_TABS)
        assert (code, rest["items"]) == (200, [])


async def test_discovery_names_the_kind_in_both_forms(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        await define(admin, cron_tab_definition())
        _, group = await call(admin, "GET", f"/apis/{GROUP}")
        assert [one["version"] for one in group["versions"]] == ["v1", "v1beta1"]
        _, listed = await call(admin, "GET", f"/apis/{GROUP}/v1")
        assert [one["name"] for one in listed["resources"]] == [
            "crontabs", "crontabs/scale", "crontabs/status",
        ]  # fmt: skip
        assert listed["resources"][0]["shortNames"] == ["ct"]
        accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        _, all_groups = await call(admin, "GET", "/apis", Accept=accept)
        assert GROUP in [one["metadata"]["name"] for one in all_groups["items"]]
        _, index = await call(admin, "GET", "/openapi/v3")
        url = index["paths"][f"apis/{GROUP}/v1"]["serverRelativeURL"]
        _, document = await call(admin, "GET", url)
        schemas = document["components"]["schemas"]
        assert schemas["com.example.stable.v1.CronTab"]["x-kubernetes-group-version-kind"] == [
            {"group": GROUP, "version": "v1", "kind": "CronTab"}
        ]


async def test_another_api_server_knows_the_kind_and_its_changes(pki: TestPki) -> None:
    store = MemoryStore()
    async with (
        running_api_server(store, pki) as one,
        running_api_server(store, pki) as other,
        one.admin() as here,
        other.admin() as there,
    ):
        await define(here, cron_tab_definition())
        code, empty = await call(there, "GET", CRON_TABS)
        assert (code, empty["items"]) == (200, [])
        version = empty["metadata"]["resourceVersion"]
        async with there.get(f"{CRON_TABS}?watch=1&resourceVersion={version}") as stream:
            await call(here, "POST", CRON_TABS, cron_tab())
            added = orjson.loads(await stream.content.readline())
            await call(here, "DELETE", f"{DEFINITIONS}/crontabs.{GROUP}")
            deleted = orjson.loads(await stream.content.readline())
        assert [added["type"], deleted["type"]] == ["ADDED", "DELETED"]
        await answered(there, CRON_TABS, 404)
        await define(there, cron_tab_definition())
        code, again = await call(here, "GET", CRON_TABS)
        assert (code, again["items"]) == (200, [])


async def test_a_server_that_starts_finds_kinds_and_instances(pki: TestPki) -> None:
    store = MemoryStore()
    async with running_api_server(store, pki) as first, first.admin() as admin:
        await define(admin, cron_tab_definition())
        await call(admin, "POST", CRON_TABS, cron_tab())
    async with running_api_server(store, pki) as second, second.admin() as admin:
        code, found = await call(admin, "GET", f"{CRON_TABS}/nightly")
        assert (code, found["spec"]["replicas"]) == (200, 1)


async def test_a_new_schema_counts_at_once_for_what_is_stored(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        defined = await define(admin, cron_tab_definition())
        await call(admin, "POST", CRON_TABS, cron_tab())
        for version in defined["spec"]["versions"]:
            properties = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
            properties["color"] = {"type": "string", "default": "blue", "maxLength": 4}
            properties["cronSpec"]["maxLength"] = 5
        code, changed = await call(
            admin, "PUT", f"{DEFINITIONS}/{defined['metadata']['name']}", defined
        )
        assert (code, changed["metadata"]["generation"]) == (200, 2)
        _, found = await call(admin, "GET", f"{CRON_TABS}/nightly")
        assert found["spec"]["color"] == "blue"
        patch = {"metadata": {"labels": {"a": "b"}}}
        path, headers = f"{CRON_TABS}/nightly", {"Content-Type": MERGE}
        assert (await call(admin, "PATCH", path, patch, **headers))[0] == 200
        code, refused = await call(admin, "PATCH", path, {"spec": {"color": "green"}}, **headers)
        assert (code, refused["details"]["causes"]) == (
            422,
            [{"reason": "FieldValueTooLong", "field": "spec.color",
              "message": "Too long: may not be more than 4 bytes"}],
        )  # fmt: skip


async def test_an_instance_with_a_finalizer_holds_its_definition(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        await define(admin, cron_tab_definition())
        body: dict[str, Any] = cron_tab()
        body["metadata"]["finalizers"] = ["example.com/mine"]
        await call(admin, "POST", CRON_TABS, body)
        definition = f"{DEFINITIONS}/crontabs.{GROUP}"
        code, marked = await call(admin, "DELETE", definition)
        assert (code, marked["metadata"]["finalizers"]) == (
            200, ["customresourcecleanup.apiextensions.k8s.io"],
        )  # fmt: skip
        async with asyncio.timeout(30):
            while True:
                _, shown = await call(admin, "GET", definition)
                conditions = {one["type"]: one for one in shown["status"]["conditions"]}
                if "Terminating" in conditions:
                    break
        assert conditions["Terminating"]["reason"] == "InstanceDeletionInProgress"
        code, refused = await call(admin, "POST", CRON_TABS, cron_tab("late"))
        assert (code, refused["message"]) == (
            405, "create not allowed while custom resource definition is terminating",
        )  # fmt: skip
        patch = {"metadata": {"finalizers": None}}
        headers = {"Content-Type": MERGE}
        assert (await call(admin, "PATCH", f"{CRON_TABS}/nightly", patch, **headers))[0] == 200
        await answered(admin, definition, 404)


async def test_a_taken_name_is_not_accepted_until_it_is_free(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        await define(admin, cron_tab_definition())
        second = cron_tab_definition()
        second["metadata"]["name"] = f"others.{GROUP}"
        second["spec"]["names"] = {"plural": "others", "kind": "Other", "shortNames": ["ct"]}
        code, _ = await call(admin, "POST", DEFINITIONS, second)
        assert code == 201
        path = f"{DEFINITIONS}/others.{GROUP}"
        async with asyncio.timeout(30):
            while True:
                _, shown = await call(admin, "GET", path)
                found = {one["type"]: one for one in shown["status"].get("conditions", ())}
                if found:
                    break
        assert (found["NamesAccepted"]["reason"], found["NamesAccepted"]["message"]) == (
            "ShortNamesConflict", '"ct" is already in use',
        )  # fmt: skip
        assert found["Established"]["status"] == "False"
        await call(admin, "DELETE", f"{DEFINITIONS}/crontabs.{GROUP}")
        await answered(admin, f"/apis/{GROUP}/v1/others", 200)


async def test_rules_that_are_not_evaluated_are_said_so(api: RunningApiServer) -> None:
    definition = cron_tab_definition()
    spec = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["x-kubernetes-validations"] = [{"rule": "self.replicas < 5"}]
    async with api.admin() as admin, admin.post(DEFINITIONS, json=definition) as response:
        assert response.status == 201
        assert "x-kubernetes-validations are stored" in response.headers["Warning"]


async def test_others_need_to_be_allowed(api: RunningApiServer) -> None:
    async with api.admin() as admin, api.session("eve") as eve:
        await define(admin, cron_tab_definition())
        assert (await call(eve, "GET", CRON_TABS))[0] == 403
        rules = [{"apiGroups": [GROUP], "resources": ["crontabs"], "verbs": ["list"]}]
        rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
        await call(admin, "POST", f"{rbac}/roles", {"metadata": {"name": "r"}, "rules": rules})
        reference = {"kind": "Role", "name": "r", "apiGroup": "rbac.authorization.k8s.io"}
        subjects = [{"kind": "User", "name": "eve"}]
        body = {"metadata": {"name": "b"}, "roleRef": reference, "subjects": subjects}
        await call(admin, "POST", f"{rbac}/rolebindings", body)
        assert (await call(eve, "GET", CRON_TABS))[0] == 200
        assert (await call(eve, "GET", f"{CRON_TABS}/x"))[0] == 403
