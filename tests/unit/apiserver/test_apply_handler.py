"""Server-side apply over HTTP: who may, what is refused, what is stored."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import orjson
import pytest
from apiserver.api_calls import CONFIG_MAPS, PODS, call, pod

from podpass.testing.api_server import RunningApiServer

APPLY = "application/apply-patch+yaml"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


def config(data: dict[str, str] | None = None, **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c", **metadata},
        "data": data or {},
    }


async def apply(
    session: aiohttp.ClientSession,
    body: Any,
    query: str = "fieldManager=ann",
    *,
    expect: int = 200,
    path: str = f"{CONFIG_MAPS}/c",
) -> Any:
    return await call(session, "PATCH", f"{path}?{query}", body, content_type=APPLY, expect=expect)


def managers(obj: Any) -> list[tuple[str, str]]:
    return [(one["manager"], one["operation"]) for one in obj["metadata"].get("managedFields", ())]


async def test_what_is_missing_is_made_and_then_merged(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        made = await apply(admin, config({"a": "1"}), expect=201)
        assert made["data"] == {"a": "1"}
        assert managers(made) == [("ann", "Apply")]
        other = await apply(admin, config({"b": "2"}), "fieldManager=bob")
        assert other["data"] == {"a": "1", "b": "2"}
        again = await apply(admin, config({"b": "2"}), "fieldManager=bob")
        assert again["metadata"] == other["metadata"]
        left = await apply(admin, config({}), "fieldManager=ann")
        assert left["data"] == {"b": "2"}


async def test_a_body_in_yaml_is_applied(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        body = b"apiVersion: v1\nkind: ConfigMap\ndata: {a: 'yes'}\n"
        assert (await apply(admin, body, expect=201))["data"] == {"a": "yes"}


async def test_a_conflict_is_told_and_can_be_forced(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        await apply(admin, config({"a": "1"}), expect=201)
        refused = await apply(admin, config({"a": "2"}), "fieldManager=bob", expect=409)
        assert refused["reason"] == "Conflict"
        assert refused["message"] == 'Apply failed with 1 conflict: conflict with "ann": .data.a'
        (cause,) = refused["details"]["causes"]
        assert (cause["reason"], cause["field"]) == ("FieldManagerConflict", ".data.a")
        forced = await apply(admin, config({"a": "2"}), "fieldManager=bob&force=true")
        assert (forced["data"], managers(forced)) == ({"a": "2"}, [("bob", "Apply")])


async def test_an_ordinary_write_takes_the_field_over(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        await apply(admin, config({"a": "1"}), expect=201)
        merge = "application/merge-patch+json"
        changed = await call(
            admin, "PATCH", f"{CONFIG_MAPS}/c", {"data": {"a": "2"}}, content_type=merge,
            User_Agent="editor/1.0",
        )  # fmt: skip
        assert managers(changed) == [("editor", "Update")]
        refused = await apply(admin, config({"a": "1"}), expect=409)
        assert '"editor" using v1: .data.a' in refused["message"]


async def test_who_names_no_manager_pays_for_no_record(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        plain = await call(admin, "POST", CONFIG_MAPS, config({"a": "1"}), expect=201)
        assert "managedFields" not in plain["metadata"]
        changed = await call(admin, "PUT", f"{CONFIG_MAPS}/c?fieldManager=x", config({"a": "2"}))
        assert "managedFields" not in changed["metadata"]
        refused = await apply(admin, config({"a": "3"}), expect=409)
        assert '"before-first-apply" using v1: .data.a' in refused["message"]


async def test_who_names_a_manager_is_recorded(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        made = await call(
            admin, "POST", f"{CONFIG_MAPS}?fieldManager=maker", config({"a": "1"}), expect=201
        )
        (entry,) = made["metadata"]["managedFields"]
        assert entry == {
            "manager": "maker",
            "operation": "Update",
            "apiVersion": "v1",
            "time": entry["time"],
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {"f:a": {}}},
        }


@pytest.mark.parametrize(
    ("sent", "left"),
    [
        pytest.param([{}], [], id="one empty entry removes the list"),
        pytest.param([], [("ann", "Apply"), ("Python", "Update")], id="no entry leaves it"),
    ],
)
async def test_a_client_may_reset_the_list(
    api: RunningApiServer, sent: list[Any], left: list[tuple[str, str]]
) -> None:
    async with api.admin() as admin:
        await apply(admin, config({"a": "1"}), expect=201)
        body = config({"a": "1", "b": "2"}, managedFields=sent)
        written = await call(admin, "PUT", f"{CONFIG_MAPS}/c", body)
        assert managers(written) == left


async def test_status_is_applied_apart(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        await call(admin, "POST", "/api/v1/namespaces/default/serviceaccounts",
                   {"metadata": {"name": "default"}}, expect=201)  # fmt: skip
        body = pod("p") | {"status": {"phase": "Running"}}
        made = await apply(admin, body, path=f"{PODS}/p", expect=201)
        assert made["status"]["phase"] == "Pending"
        assert "f:status" not in made["metadata"]["managedFields"][0]["fieldsV1"]
        shown = await apply(admin, body, "fieldManager=kubelet", path=f"{PODS}/p/status")
        assert shown["status"]["phase"] == "Running"
        entry = next(one for one in shown["metadata"]["managedFields"] if "subresource" in one)
        assert (entry["manager"], entry["subresource"]) == ("kubelet", "status")
        assert entry["fieldsV1"] == {"f:status": {"f:phase": {}}}
        await apply(admin, pod("none"), path=f"{PODS}/none/status", expect=404)


async def test_a_status_without_a_manager_is_not_recorded(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        body = {"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {
            "metadata": {"labels": {"a": "b"}}, "spec": pod("x")["spec"]}}}  # fmt: skip
        await apply(admin, body | {"metadata": {"name": "d"}, "apiVersion": "apps/v1",
                                   "kind": "Deployment"},
                    path=f"{DEPLOYMENTS}/d", expect=201)  # fmt: skip
        merge = "application/merge-patch+json"
        patched = await call(admin, "PATCH", f"{DEPLOYMENTS}/d/status",
                             {"status": {"replicas": 1}}, content_type=merge)  # fmt: skip
        assert patched["status"]["replicas"] == 1
        assert managers(patched) == [("ann", "Apply")]


async def test_a_dry_run_writes_nothing(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        query = "fieldManager=ann&dryRun=All"
        assert (await apply(admin, config({"a": "1"}), query, expect=201))["data"] == {"a": "1"}
        await call(admin, "GET", f"{CONFIG_MAPS}/c", expect=404)


@pytest.mark.parametrize(
    ("query", "body", "code", "message"),
    [
        pytest.param(
            "", config(), 422,
            'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required '
            "for apply patch",
            id="no manager",
        ),
        pytest.param(
            f"fieldManager={'m' * 129}", config(), 422, "may not be more than 128 bytes",
            id="a manager that is too long",
        ),
        pytest.param(
            "fieldManager=a%01", config(), 422, "should only contain printable characters",
            id="a manager that cannot be shown",
        ),
        pytest.param(
            "fieldManager=ann", config(managedFields=[{"manager": "x"}]), 400,
            "metadata.managedFields must be nil",
            id="owners in the body",
        ),
        pytest.param(
            "fieldManager=ann", config(name="other"), 400, "does not match the name on the URL",
            id="another name",
        ),
        pytest.param(
            "fieldManager=ann", config(namespace="other"), 400, "does not match the namespace",
            id="another namespace",
        ),
        pytest.param(
            "fieldManager=ann", config(uid="u"), 409,
            "uid mismatch: the provided object specified uid u, and no existing object was found",
            id="a uid that nobody has",
        ),
        pytest.param(
            "fieldManager=ann&fieldValidation=Strict", config() | {"bogus": 1}, 400,
            'strict decoding error: unknown field "bogus"',
            id="an unknown field",
        ),
        pytest.param("fieldManager=ann", b"a: [", 400, "yaml: ", id="broken YAML"),
        pytest.param("fieldManager=ann", {"kind": "Pod"}, 400, "cannot be handled", id="a pod"),
        pytest.param("fieldManager=ann", [], 400, "cannot unmarshal array", id="a list"),
    ],
)  # fmt: skip
async def test_what_cannot_be_applied(
    api: RunningApiServer, query: str, body: Any, code: int, message: str
) -> None:
    async with api.admin() as admin:
        assert message in (await apply(admin, body, query, expect=code))["message"]


async def test_items_with_equal_keys_are_refused(api: RunningApiServer) -> None:
    body = pod("p", volumes=[{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}])
    async with api.admin() as admin:
        refused = await apply(admin, body, path=f"{PODS}/p", expect=400)
        assert '.spec.volumes: duplicate entries for key [name="v"]' in refused["message"]


async def test_cbor_and_force_without_applying_are_refused(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        path = f"{CONFIG_MAPS}/c?fieldManager=a"
        cbor = "application/apply-patch+cbor"
        refused = await call(admin, "PATCH", path, b"\xa0", content_type=cbor, expect=415)
        assert "application/apply-patch+yaml" in refused["message"]
        merge = "application/merge-patch+json"
        refused = await call(admin, "PATCH", f"{path}&force=true", {}, content_type=merge,
                             expect=422)  # fmt: skip
        assert "force: Forbidden: may not be specified for non-apply patch" in refused["message"]


async def test_who_may_patch_but_not_create_makes_nothing(api: RunningApiServer) -> None:
    group = "/apis/rbac.authorization.k8s.io/v1"
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["patch"]}
    subject = {"kind": "User", "name": "pat", "apiGroup": "rbac.authorization.k8s.io"}
    reference = {"kind": "ClusterRole", "name": "p", "apiGroup": "rbac.authorization.k8s.io"}
    async with api.admin() as admin, api.session("pat") as pat:
        await call(admin, "POST", f"{group}/clusterroles",
                   {"metadata": {"name": "p"}, "rules": [rule]}, expect=201)  # fmt: skip
        await call(admin, "POST", f"{group}/clusterrolebindings",
                   {"metadata": {"name": "p"}, "subjects": [subject], "roleRef": reference},
                   expect=201)  # fmt: skip
        refused = await apply(pat, config({"a": "1"}), expect=403)
        assert 'User "pat" cannot create resource "configmaps"' in refused["message"]
        await apply(admin, config({"a": "1"}), expect=201)
        await apply(pat, config({"b": "1"}), "fieldManager=pat")


async def test_a_lost_race_is_run_again(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        names = [f"m{at}" for at in range(8)]
        await apply(admin, config({"x": "1"}), expect=201)
        await asyncio.gather(
            *(apply(admin, config({name: "1"}), f"fieldManager={name}") for name in names)
        )
        found = await call(admin, "GET", f"{CONFIG_MAPS}/c")
        assert set(found["data"]) == {"x", *names}


async def test_owners_do_not_bloat_a_pod(api: RunningApiServer) -> None:
    """A pod from kubectl does not double; one from a controller not at all."""
    async with api.admin() as admin:
        await call(admin, "POST", "/api/v1/namespaces/default/serviceaccounts",
                   {"metadata": {"name": "default"}}, expect=201)  # fmt: skip
        plain = await call(admin, "POST", PODS, pod("a"), expect=201)
        owned = await call(admin, "POST", f"{PODS}?fieldManager=kubectl-create", pod("b"),
                           expect=201)  # fmt: skip
        assert "managedFields" not in plain["metadata"]
        assert len(orjson.dumps(owned)) < 2 * len(orjson.dumps(plain))
