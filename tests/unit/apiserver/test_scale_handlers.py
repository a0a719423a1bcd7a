"""The size of a workload, apart from everything else about it."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from apiserver.api_calls import call

from podpass.api.errors import StatusError
from podpass.api.resources import Object
from podpass.apiserver.scale_handlers import scale_of, scaled
from podpass.testing.api_server import RunningApiServer

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
SCALE = f"{DEPLOYMENTS}/web/scale"
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"

STORED: Object = {
    "metadata": {"name": "web", "namespace": "ns", "uid": "u", "resourceVersion": "7"},
    "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}},
    "status": {"replicas": 2},
}


def test_the_scale_of_a_workload() -> None:
    assert scale_of(STORED) == {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": STORED["metadata"],
        "spec": {"replicas": 3},
        "status": {"replicas": 2, "selector": "app=web"},
    }
    assert scale_of({"metadata": {"name": "web"}})["spec"] == {"replicas": 0}


@pytest.mark.parametrize(
    ("scale", "replicas", "version"),
    [
        pytest.param({"spec": {"replicas": 5}}, 5, "7", id="a number"),
        pytest.param({}, 0, "7", id="nothing is zero"),
        pytest.param(
            {"metadata": {"name": "web", "namespace": "ns", "resourceVersion": "6"}}, 0, "6",
            id="preconditions are kept",
        ),
    ],
)  # fmt: skip
def test_scaled(scale: Object, replicas: int, version: str) -> None:
    new = scaled(STORED, scale)
    assert new["spec"] == STORED["spec"] | {"replicas": replicas}
    assert new["metadata"] == STORED["metadata"] | {"resourceVersion": version}


@pytest.mark.parametrize(
    ("scale", "code", "message"),
    [
        pytest.param(
            {"metadata": {"name": "other"}}, 400,
            "the name of the object (other) does not match the name on the URL (web)",
            id="of another object",
        ),
        pytest.param(
            {"metadata": {"namespace": "other"}}, 400,
            "the namespace of the object (other) does not match the namespace on the URL (ns)",
            id="of another namespace",
        ),
        pytest.param(
            {"spec": {"replicas": -1}}, 422,
            'Scale.autoscaling "web" is invalid: spec.replicas: Invalid value: -1: must be greater '
            "than or equal to 0",
            id="negative",
        ),
    ],
)  # fmt: skip
def test_refusals(scale: Object, code: int, message: str) -> None:
    named = {"metadata": {"name": "web"}} | scale
    with pytest.raises(StatusError) as refused:
        scaled(STORED, named)
    assert (refused.value.code, refused.value.message) == (code, message)


@pytest.fixture
async def deployment(api: RunningApiServer) -> Object:
    labels = {"app": "web"}
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "c", "image": "nginx"}]},
            },
        },
    }
    async with api.admin() as admin:
        created: Object = await call(admin, "POST", DEPLOYMENTS, body, expect=201)
        return created


async def size(admin: aiohttp.ClientSession) -> tuple[int, int]:
    found: Any = await call(admin, "GET", f"{DEPLOYMENTS}/web")
    return found["spec"]["replicas"], found["metadata"]["generation"]


async def test_over_https(api: RunningApiServer, deployment: Object) -> None:
    async with api.admin() as admin:
        scale = await call(admin, "GET", SCALE)
        assert scale["metadata"]["uid"] == deployment["metadata"]["uid"]
        scale["spec"]["replicas"] = 4
        answer = await call(admin, "PUT", SCALE, scale)
        assert (answer["kind"], answer["spec"]) == ("Scale", {"replicas": 4})
        assert await size(admin) == (4, 2)
        refused = await call(admin, "PUT", SCALE, scale, expect=409)
        assert refused["reason"] == "Conflict"
        patch = {"spec": {"replicas": 2}}
        await call(admin, "PATCH", SCALE, patch, content_type=MERGE)
        assert await size(admin) == (2, 3)
        await call(admin, "PATCH", f"{SCALE}?dryRun=All", {"spec": {"replicas": 9}},
                   content_type=MERGE)  # fmt: skip
        assert await size(admin) == (2, 3)
        await call(admin, "GET", f"{DEPLOYMENTS}/nobody/scale", expect=404)
        await call(admin, "DELETE", SCALE, expect=405)


def applied(**spec: int) -> Object:
    return {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {}, "spec": spec}


async def test_a_scale_is_applied(api: RunningApiServer, deployment: Object) -> None:
    assert deployment["spec"]["replicas"] == 1
    async with api.admin() as admin:

        async def apply(scale: Object, query: str, expect: int = 200) -> Any:
            return await call(
                admin, "PATCH", f"{SCALE}?{query}", scale, content_type=APPLY, expect=expect
            )

        async def owners() -> dict[str, list[tuple[str, str]]]:
            found = await call(admin, "GET", f"{DEPLOYMENTS}/web")
            return {
                entry["manager"]: [(entry["apiVersion"], entry.get("subresource", ""))]
                for entry in found["metadata"].get("managedFields", [])
                if "f:replicas" in entry["fieldsV1"].get("f:spec", {})
            }

        unnamed = await apply(applied(replicas=3), "", 422)
        assert "fieldManager: Required value" in unnamed["message"]
        refused = await apply(applied(replicas=3), "fieldManager=one", 409)
        assert 'conflict with "before-first-apply" using autoscaling/v1' in refused["message"]
        scale = await apply(applied(replicas=3), "fieldManager=one&force=true")
        assert (scale["kind"], scale["spec"]) == ("Scale", {"replicas": 3})
        assert await size(admin) == (3, 2)
        assert await owners() == {"one": [("apps/v1", "scale")]}
        await apply(applied(replicas=4), "fieldManager=one")
        assert await size(admin) == (4, 3)
        refused = await apply(applied(replicas=5), "fieldManager=two", 409)
        assert 'conflict with "one" with subresource "scale": .spec.replicas' in refused["message"]
        assert refused["details"]["causes"][0]["reason"] == "FieldManagerConflict"
        await apply(applied(replicas=5), "fieldManager=two&force=true&dryRun=All")
        assert await size(admin) == (4, 3)
        await apply(applied(replicas=4), "fieldManager=two")
        assert sorted(await owners()) == ["one", "two"]
        await apply(applied(replicas=5), "fieldManager=two&force=true")
        assert sorted(await owners()) == ["two"]
        await call(
            admin, "PATCH", f"{SCALE}?fieldManager=x", {"spec": {"replicas": 6}}, content_type=MERGE
        )
        assert list(await owners()) == ["x"]
        negative = await apply(applied(replicas=-1), "fieldManager=x&force=true", 422)
        assert "must be greater than or equal to 0" in negative["message"]
        other = applied(replicas=1) | {"metadata": {"name": "other"}}
        await apply(other, "fieldManager=x", 400)
        await apply({"kind": "Pod", "apiVersion": "v1"}, "fieldManager=x", 400)
        await call(
            admin, "PATCH", f"{DEPLOYMENTS}/nobody/scale?fieldManager=x", applied(replicas=1),
            content_type=APPLY, expect=404,
        )  # fmt: skip
        await call(
            admin, "PATCH", f"{SCALE}?force=true", {"spec": {}}, content_type=MERGE, expect=422
        )
