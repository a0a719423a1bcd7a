"""Token Secrets through HTTPS: filled, accepted, written down, marked, deleted."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from apiserver.api_calls import ACCOUNTS, account, call

from podpass.api.resources import Object
from podpass.apiserver.token_cache import SUCCESS_SECONDS
from podpass.serviceaccount.legacy import (
    AUTO_WARNING,
)
from podpass.serviceaccount.token_secret import (
    ACCOUNT_NAME,
    ACCOUNT_UID,
    INVALID_SINCE,
    LAST_USED,
    TOKEN_TYPE,
)
from podpass.testing.api_server import RunningApiServer, TestPki, running_api_server
from podpass.testing.memory_store import MemoryStore
from podpass.testing.shifted_clock import ShiftedClock

SECRETS = "/api/v1/namespaces/default/secrets"
MERGE = "application/merge-patch+json"
SELF = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"


@pytest.fixture
def clock() -> ShiftedClock:
    return ShiftedClock()


@pytest.fixture
async def server(pki: TestPki, clock: ShiftedClock) -> AsyncIterator[RunningApiServer]:
    async with running_api_server(MemoryStore(), pki, clock=clock) as running:
        yield running


@pytest.fixture
async def admin(server: RunningApiServer) -> AsyncIterator[aiohttp.ClientSession]:
    async with server.admin() as session:
        await call(session, "POST", ACCOUNTS, account("app"), expect=201)
        yield session


def token_secret(name: str = "s", account_name: str = "app", **more: Any) -> Object:
    metadata = {"name": name, "annotations": {ACCOUNT_NAME: account_name}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": TOKEN_TYPE} | more


def token_in(secret: Object) -> str:
    return base64.b64decode(secret["data"]["token"]).decode()


async def who(server: RunningApiServer, token: str, expect: int = 201) -> tuple[str, list[str]]:
    """Return the name that a token stands for, and the warnings."""
    body = {"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1"}
    async with server.session(token=token) as session, session.post(SELF, json=body) as answer:
        assert answer.status == expect, await answer.read()
        warnings = answer.headers.getall("Warning", [])
        review = await answer.json()
    return (review["status"]["userInfo"]["username"] if expect == 201 else ""), warnings


async def counted(admin: aiohttp.ClientSession, name: str) -> int:
    text = await call(admin, "GET", "/metrics")
    found = next(line for line in text.splitlines() if line.startswith(f"{name} "))
    return int(found.split()[1])


@pytest.mark.rule(
    "token-review.other-tokens",
    "metrics.legacy-kinds",
    "legacy.lookup-secret",
    "case.legacy.read-write",
    "legacy.controller-key",
)
async def test_a_token_secret_is_filled_when_it_is_made_and_its_token_logs_in(
    server: RunningApiServer, admin: aiohttp.ClientSession, clock: ShiftedClock
) -> None:
    made = await call(admin, "POST", SECRETS, token_secret(), expect=201)
    uid = (await call(admin, "GET", f"{ACCOUNTS}/app"))["metadata"]["uid"]
    assert made["metadata"]["annotations"] == {ACCOUNT_NAME: "app", ACCOUNT_UID: uid}
    assert base64.b64decode(made["data"]["namespace"]) == b"default"
    token = token_in(made)
    assert await who(server, token) == ("system:serviceaccount:default:app", [])
    today = str(clock.now().date())
    labelled = await call(admin, "GET", f"{SECRETS}/s")
    assert labelled["metadata"]["labels"] == {LAST_USED: today}
    await who(server, token)
    assert (await call(admin, "GET", f"{SECRETS}/s")) == labelled  # once a day
    assert await counted(admin, "serviceaccount_legacy_tokens_total") == 1
    assert await counted(admin, "serviceaccount_legacy_manual_token_uses_total") == 1
    assert await counted(admin, "serviceaccount_legacy_auto_token_uses_total") == 0

    await call(admin, "DELETE", f"{SECRETS}/s")
    clock.jump(SUCCESS_SECONDS)
    await who(server, token, expect=401)
    review = {"kind": "TokenReview", "spec": {"token": token}}
    answer = await call(admin, "POST", REVIEWS, review, expect=201)
    assert answer["status"]["error"] == "[invalid bearer token, Token has been invalidated]"


@pytest.mark.rule(
    "legacy.auto-generated-warning",
    "legacy.lookup-account",
    "authentication.cache-replay",
)
async def test_a_listed_secret_warns_each_time_and_an_account_made_anew_ends_it(
    server: RunningApiServer, admin: aiohttp.ClientSession, clock: ShiftedClock
) -> None:
    made = await call(admin, "POST", SECRETS, token_secret(), expect=201)
    listed = {"secrets": [{"name": "s"}]}
    await call(admin, "PATCH", f"{ACCOUNTS}/app", listed, content_type=MERGE)
    for _ in range(2):
        _, warnings = await who(server, token_in(made))
        assert warnings == [f'299 - "{AUTO_WARNING}"']
    assert await counted(admin, "serviceaccount_legacy_auto_token_uses_total") == 1
    await call(admin, "DELETE", f"{ACCOUNTS}/app")
    await call(admin, "POST", ACCOUNTS, account("app"), expect=201)
    clock.jump(SUCCESS_SECONDS)
    await who(server, token_in(made), expect=401)


@pytest.mark.rule("legacy.invalid-since", "legacy.last-used")
async def test_a_marked_secret_is_refused_and_its_use_still_noted(
    server: RunningApiServer, admin: aiohttp.ClientSession, clock: ShiftedClock
) -> None:
    made = await call(admin, "POST", SECRETS, token_secret(), expect=201)
    token = token_in(made)

    async def label(value: str | None) -> None:
        patch = {"metadata": {"labels": {INVALID_SINCE: value, LAST_USED: None}}}
        await call(admin, "PATCH", f"{SECRETS}/s", patch, content_type=MERGE)
        clock.jump(SUCCESS_SECONDS)

    await label("2026-01-01")
    await who(server, token, expect=401)
    labels = (await call(admin, "GET", f"{SECRETS}/s"))["metadata"]["labels"]
    assert labels[LAST_USED] == str(clock.now().date())
    assert await counted(admin, "serviceaccount_invalid_legacy_auto_token_uses_total") == 1
    answer = await call(admin, "POST", REVIEWS, {"spec": {"token": token}}, expect=201)
    assert "has been marked invalid" in answer["status"]["error"]
    for value in ("", None):
        await label(value)
        assert (await who(server, token))[0] == "system:serviceaccount:default:app"


@pytest.mark.rule("legacy.last-used")
@pytest.mark.parametrize(
    ("days", "written"),
    [
        pytest.param(0, False, id="today"),
        pytest.param(1, False, id="tomorrow, by a server whose clock is ahead"),
        pytest.param(-1, True, id="yesterday"),
        pytest.param(2, True, id="the day after tomorrow"),
    ],
)
async def test_the_day_of_use_is_written_unless_it_is_there(
    server: RunningApiServer,
    admin: aiohttp.ClientSession,
    clock: ShiftedClock,
    days: int,
    written: bool,
) -> None:
    made = await call(admin, "POST", SECRETS, token_secret(), expect=201)
    there = str((clock.now() + timedelta(days=days)).date())
    patch = {"metadata": {"labels": {LAST_USED: there}}}
    await call(admin, "PATCH", f"{SECRETS}/s", patch, content_type=MERGE)
    await who(server, token_in(made))
    labels = (await call(admin, "GET", f"{SECRETS}/s"))["metadata"]["labels"]
    assert labels[LAST_USED] == (str(clock.now().date()) if written else there)


async def test_when_a_token_is_made_and_when_not(admin: aiohttp.ClientSession) -> None:
    dry = await call(admin, "POST", f"{SECRETS}?dryRun=All", token_secret(), expect=201)
    assert "token" not in dry.get("data", {})
    orphan = await call(admin, "POST", SECRETS, token_secret("o", "nobody"), expect=201)
    assert "data" not in orphan
    other = token_secret("uid")
    other["metadata"]["annotations"][ACCOUNT_UID] = "of-another"
    assert "data" not in await call(admin, "POST", SECRETS, other, expect=201)
    opaque = await call(admin, "POST", SECRETS, token_secret("p", type="Opaque"), expect=201)
    assert "data" not in opaque
    bare = token_secret("b")
    del bare["metadata"]["annotations"]
    refused = await call(admin, "POST", SECRETS, bare, expect=422)
    field = f"metadata.annotations[{ACCOUNT_NAME}]"
    assert refused["details"]["causes"][0]["field"] == field
    assert f"{field}: Required value" in refused["message"]


async def test_own_values_are_kept_and_a_token_that_is_taken_out_comes_again(
    admin: aiohttp.ClientSession,
) -> None:
    encoded = base64.b64encode(b"mine").decode()
    made = await call(admin, "POST", SECRETS, token_secret(data={"namespace": encoded}), expect=201)
    assert made["data"]["namespace"] == encoded
    patch = {"data": {"token": None}}
    again = await call(admin, "PATCH", f"{SECRETS}/s", patch, content_type=MERGE)
    assert token_in(again)
    given = await call(
        admin, "POST", SECRETS, token_secret("g", data={"token": encoded}), expect=201
    )
    assert given["data"] == {"token": encoded}


async def test_a_generated_name_gets_its_token_with_the_next_write(
    server: RunningApiServer, admin: aiohttp.ClientSession
) -> None:
    wanted = token_secret()
    wanted["metadata"] = wanted["metadata"] | {"generateName": "app-token-"}
    del wanted["metadata"]["name"]
    made = await call(admin, "POST", SECRETS, wanted, expect=201)
    assert "data" not in made
    path = f"{SECRETS}/{made['metadata']['name']}"
    filled = await call(admin, "PUT", path, made)
    assert (await who(server, token_in(filled)))[0] == "system:serviceaccount:default:app"


async def test_who_may_act_is_still_for_rbac_to_say(
    server: RunningApiServer, admin: aiohttp.ClientSession
) -> None:
    made = await call(admin, "POST", SECRETS, token_secret(), expect=201)
    pods = "/api/v1/namespaces/{}/pods"
    binding = {
        "metadata": {"name": "ro"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "ServiceAccount", "name": "app", "namespace": "default"}],
    }
    bindings = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings"
    await call(admin, "POST", bindings, binding, expect=201)
    async with server.session(token=token_in(made)) as app:
        await call(app, "GET", pods.format("default"))
        await call(app, "GET", pods.format("kube-system"), expect=403)
        await call(app, "POST", ACCOUNTS, account("more"), expect=403)


@pytest.mark.rule("legacy.tracking-config-map")
async def test_the_day_that_tracking_began_is_shown(
    admin: aiohttp.ClientSession, clock: ShiftedClock
) -> None:
    path = (
        "/api/v1/namespaces/kube-system/configmaps/"
        "kube-apiserver-legacy-service-account-token-tracking"
    )
    assert (await call(admin, "GET", path))["data"] == {"since": str(clock.now().date())}
