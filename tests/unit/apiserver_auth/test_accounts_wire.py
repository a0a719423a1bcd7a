"""ServiceAccounts as objects, over HTTPS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
import pytest_asyncio

from .wire import ACCOUNTS, NAMESPACE, Wire, wired

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENFORCE = "kubernetes.io/enforce-mountable-secrets"
DEPRECATED = (
    f'299 - "metadata.annotations[{ENFORCE}]: deprecated in v1.32+; prefer separate namespaces to '
    'isolate access to mounted secrets"'
)
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def wire(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Wire]:
    async with wired(tmp_path_factory.mktemp("pki")) as made:
        yield made


@pytest.mark.rule("account.enforce-warning")
async def test_the_enforcing_annotation_is_warned_of_when_it_is_new(wire: Wire) -> None:
    path = f"{ACCOUNTS}/strict"
    enforced = {"metadata": {"name": "strict", "annotations": {ENFORCE: "true"}}}
    assert (await wire.send("POST", ACCOUNTS, enforced)).warnings == [DEPRECATED]

    async def patched(annotations: dict[str, Any]) -> list[str]:
        body = {"metadata": {"annotations": annotations}}
        return (await wire.send("PATCH", path, body, content_type=MERGE)).warnings

    assert await patched({"a": "b"}) == []
    assert await patched({ENFORCE: "false"}) == []
    assert await patched({ENFORCE: None}) == []
    assert await patched({ENFORCE: "true"}) == [DEPRECATED]
    spec = {"serviceAccountName": "strict", "containers": [{"name": "c", "image": "i"}]}
    pod = await wire.send(
        "POST", f"{NAMESPACE}/pods", {"metadata": {"name": "strict"}, "spec": spec}
    )
    assert (pod.code, pod.warnings) == (201, [])


@pytest.mark.rule("account.secrets-names")
async def test_of_references_to_secrets_only_names_are_kept(wire: Wire) -> None:
    references = [{"name": "a", "namespace": "x", "kind": "Secret", "uid": "u"}, {"name": "b"}]
    made = await wire.make(ACCOUNTS, {"metadata": {"name": "listing"}, "secrets": references})
    assert made["secrets"] == [{"name": "a"}, {"name": "b"}]


@pytest.mark.rule("account.name")
@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        pytest.param({"generateName": "made-"}, 201, id="a generated name"),
        pytest.param({"name": "a.b-c"}, 201, id="a subdomain"),
        pytest.param({"name": "name with spaces"}, 422, id="spaces"),
        pytest.param({"name": "Upper"}, 422, id="upper case"),
        pytest.param({}, 422, id="no name"),
    ],
)
async def test_names(wire: Wire, metadata: dict[str, str], code: int) -> None:
    assert (await wire.send("POST", ACCOUNTS, {"metadata": metadata})).code == code


@pytest.mark.rule("account.lifecycle", "legacy.no-auto-creation")
async def test_an_account_is_created_watched_patched_listed_and_deleted(wire: Wire) -> None:
    start = (await wire.send("GET", ACCOUNTS)).body["metadata"]["resourceVersion"]
    selector = "labelSelector=life%3Dshort"
    labels = {"name": "short", "labels": {"life": "short"}}
    made = await wire.make(ACCOUNTS, {"metadata": labels})
    assert "secrets" not in made
    patched = await wire.send(
        "PATCH",
        f"{ACCOUNTS}/short",
        {"automountServiceAccountToken": False},
        content_type=STRATEGIC,
    )
    versions = [int(one["metadata"]["resourceVersion"]) for one in (made, patched.body)]
    assert versions[0] < versions[1]
    (listed,) = (await wire.send("GET", f"{ACCOUNTS}?{selector}")).body["items"]
    assert listed["automountServiceAccountToken"] is False
    put = await wire.send(
        "PUT", f"{ACCOUNTS}/short", listed | {"automountServiceAccountToken": True}
    )
    assert put.body["automountServiceAccountToken"] is True
    assert (await wire.send("DELETE", f"{ACCOUNTS}?{selector}")).code == 200
    query = f"watch=1&resourceVersion={start}&{selector}"
    seen: list[str] = []
    async with wire.admin.get(f"{ACCOUNTS}?{query}") as stream, asyncio.timeout(30):
        async for line in stream.content:
            event = orjson.loads(line)
            seen.append(event["type"])
            if event["type"] == "DELETED":
                break
    assert seen == ["ADDED", "MODIFIED", "MODIFIED", "DELETED"]
    short = next(
        one for one in (await wire.send("GET", "/api/v1")).body["resources"]
        if one["name"] == "serviceaccounts"
    )  # fmt: skip
    assert short["shortNames"] == ["sa"]


@pytest.mark.rule("feature.release")
async def test_the_server_names_the_release_that_it_follows(wire: Wire) -> None:
    version = (await wire.send("GET", "/version")).body
    assert (version["major"], version["minor"]) == ("1", "36")
    assert version["gitVersion"].startswith("v1.36.")
