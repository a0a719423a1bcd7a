"""Token Secrets and their accounts: filled, deleted, taken off the list."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from podpass.api import errors
from podpass.api.resources import SECRETS, SERVICE_ACCOUNTS, Object
from podpass.client.controller import FIRST_RETRY_SECONDS
from podpass.client.rest import RestClient
from podpass.controllers.shared_informers import HELD, SharedInformers
from podpass.controllers.token_secrets import (
    MAX_TRIES,
    TokenSecretController,
    wanted_secret,
    without_reference,
)
from podpass.serviceaccount.token_secret import ACCOUNT_NAME, ACCOUNT_UID, TOKEN_TYPE
from podpass.testing.api_simulator import ApiSimulator
from podpass.testing.background import Background
from podpass.testing.fake_clock import FakeClock, until


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


FULL = {"token": b64("T"), "ca.crt": b64("PEM"), "namespace": b64("ns")}
ACCOUNT: Object = {"metadata": {"name": "app", "namespace": "ns", "uid": "S"}}


def secret(
    data: dict[str, str] | None = None,
    *,
    name: str = "s",
    uid: str | None = "S",
    type_: str = TOKEN_TYPE,
    account: str = "app",
) -> Object:
    annotations = {ACCOUNT_NAME: account} | ({ACCOUNT_UID: uid} if uid is not None else {})
    metadata = {"name": name, "namespace": "ns", "annotations": annotations}
    return {"type": type_, "metadata": metadata} | ({"data": data} if data is not None else {})


@pytest.mark.rule("legacy.controller-fills")
@pytest.mark.parametrize(
    ("found", "data"),
    [
        pytest.param(secret(FULL), None, id="as it should be"),
        pytest.param(secret(FULL, uid=None), FULL, id="no UID annotation"),
        pytest.param(secret(FULL, uid=""), FULL, id="an empty UID annotation"),
        pytest.param(
            secret(FULL | {"ca.crt": b64("OLD")}), FULL, id="another CA bundle is replaced"
        ),
        pytest.param(
            secret({"token": FULL["token"], "namespace": FULL["namespace"]}), FULL, id="no bundle"
        ),
        pytest.param(
            secret({"token": FULL["token"], "ca.crt": FULL["ca.crt"]}), FULL, id="no namespace"
        ),
        pytest.param(
            secret(FULL | {"namespace": b64("mine")}), None, id="another namespace is left alone"
        ),
        pytest.param(secret(FULL | {"more": "eA=="}), None, id="another key is left alone"),
        pytest.param(
            secret(FULL | {"token": ""}),
            FULL | {"token": ""},
            id="an empty token: the write makes the server fill it",
        ),
        pytest.param(secret(), {k: FULL[k] for k in ("ca.crt", "namespace")}, id="no data at all"),
        pytest.param(secret({}) | {"immutable": True}, None, id="immutable"),
    ],
)
def test_wanted_secret(found: Object, data: dict[str, str] | None) -> None:
    wanted = wanted_secret(found, ACCOUNT, "PEM")
    if data is None:
        assert wanted is None
        return
    assert wanted is not None
    assert wanted["data"] == data
    assert wanted["metadata"]["annotations"] == {ACCOUNT_NAME: "app", ACCOUNT_UID: "S"}


def test_without_a_bundle_none_is_written() -> None:
    data = {"token": FULL["token"], "namespace": FULL["namespace"]}
    assert wanted_secret(secret(data), ACCOUNT, "") is None


@pytest.mark.rule("legacy.controller-reference")
@pytest.mark.parametrize(
    ("listed", "kept"),
    [
        pytest.param(["s", "x"], ["x"], id="it is listed"),
        pytest.param(["x"], None, id="it is not"),
        pytest.param([], None, id="nothing is"),
    ],
)
def test_references(listed: list[str], kept: list[str] | None) -> None:
    account = ACCOUNT | {"secrets": [{"name": name} for name in listed]}
    wanted = without_reference(account, "s")
    assert (wanted and [one["name"] for one in wanted["secrets"]]) == kept


@pytest.fixture
async def controller(
    client: RestClient,
    informers: SharedInformers,
    clock: FakeClock,
    background: Background,
    tmp_path: Path,
) -> TokenSecretController:
    bundle = tmp_path / "ca.crt"
    bundle.write_text("PEM")
    made = TokenSecretController(client, informers, clock, bundle)
    background.start(made.run())
    return made


def data_of(simulator: ApiSimulator, name: str = "s") -> Any:
    found = simulator.object(SECRETS, "ns", name)
    return found and found.get("data")


@pytest.mark.rule("legacy.controller-fills")
@pytest.mark.usefixtures("controller")
async def test_a_secret_is_filled_and_kept(simulator: ApiSimulator) -> None:
    simulator.put(SERVICE_ACCOUNTS, ACCOUNT)
    simulator.put(SECRETS, secret({"token": b64("T")}, uid=None))
    await until(lambda: data_of(simulator) == FULL)
    simulator.put(SECRETS, secret(FULL | {"ca.crt": b64("forged")}))
    await until(lambda: data_of(simulator) == FULL)


@pytest.mark.rule("legacy.controller-others", "legacy.controller-orphans")
@pytest.mark.usefixtures("controller")
async def test_secrets_go_with_their_account_and_others_stay(simulator: ApiSimulator) -> None:
    simulator.put(SERVICE_ACCOUNTS, ACCOUNT)
    simulator.put(SERVICE_ACCOUNTS, {"metadata": {"name": "b", "namespace": "ns", "uid": "B"}})
    simulator.put(SECRETS, secret(FULL))
    simulator.put(SECRETS, secret(FULL, name="second", uid=None))
    simulator.put(SECRETS, secret({"token": b64("T")}, name="of-b", account="b", uid="B"))
    simulator.put(SECRETS, secret({"k": "eA=="}, name="opaque", type_="Opaque"))
    await until(lambda: data_of(simulator, "of-b") == FULL)
    simulator.remove(SERVICE_ACCOUNTS, "ns", "app")
    await until(lambda: not simulator.object(SECRETS, "ns", "s"))
    await until(lambda: not simulator.object(SECRETS, "ns", "second"))
    deletions = [path for method, path, _ in simulator.requests if method == "DELETE"]
    assert deletions == [
        "/api/v1/namespaces/ns/secrets/s",
        "/api/v1/namespaces/ns/secrets/second",
    ]
    assert data_of(simulator, "of-b") == FULL
    assert data_of(simulator, "opaque") == {"k": "eA=="}


@pytest.mark.rule("legacy.controller-orphans")
@pytest.mark.usefixtures("controller")
@pytest.mark.parametrize(
    "uid",
    [
        pytest.param("OLD", id="of an account before this one"),
        pytest.param("S", id="of an account that is not there"),
    ],
)
async def test_a_secret_without_its_account_goes(simulator: ApiSimulator, uid: str) -> None:
    if uid == "OLD":
        simulator.put(SERVICE_ACCOUNTS, ACCOUNT)
    simulator.put(SECRETS, secret(FULL, uid=uid))
    await until(lambda: not simulator.object(SECRETS, "ns", "s"))


@pytest.mark.rule("legacy.controller-reference")
@pytest.mark.usefixtures("controller")
async def test_a_deleted_secret_is_taken_off_the_list(
    simulator: ApiSimulator, clock: FakeClock
) -> None:
    simulator.put(SERVICE_ACCOUNTS, ACCOUNT | {"secrets": [{"name": "s"}, {"name": "x"}]})
    simulator.put(SECRETS, secret({"token": b64("T")}))
    await until(lambda: data_of(simulator) == FULL)
    simulator.answers.append(errors.conflict("serviceaccounts", "app"))
    simulator.remove(SECRETS, "ns", "s")

    def listed() -> Any:
        found = simulator.object(SERVICE_ACCOUNTS, "ns", "app")
        return found and found["secrets"]

    await until(lambda: not simulator.answers and clock.sleeping)
    await clock.advance(FIRST_RETRY_SECONDS)
    await until(lambda: listed() == [{"name": "x"}])


async def test_a_key_that_always_fails_is_given_up(
    simulator: ApiSimulator, client: RestClient, informers: SharedInformers
) -> None:
    simulator.put(SECRETS, secret(FULL))
    await informers.wait_synced()
    watching = len([*informers])
    await until(lambda: sum("watch=true" in path for _, path, _ in simulator.requests) == watching)
    controller = TokenSecretController(client, informers, FakeClock(), None)
    for tries in range(1, 2 * MAX_TRIES + 1):
        simulator.answers.append(errors.internal("no"))
        if tries % MAX_TRIES == 0:
            await controller.reconcile("secret/ns/s")  # and it counts anew
            continue
        with pytest.raises(errors.StatusError):
            await controller.reconcile("secret/ns/s")


async def test_no_token_is_kept_in_memory(
    simulator: ApiSimulator, informers: SharedInformers
) -> None:
    simulator.put(SECRETS, secret(FULL | {"more": "eA=="}))
    simulator.put(SECRETS, secret({"password": "eA=="}, name="o", type_="Opaque"))
    await until(lambda: informers[SECRETS].get("ns", "s"))
    await until(lambda: informers[SECRETS].get("ns", "o"))
    kept = informers[SECRETS].get("ns", "s")
    assert kept is not None
    assert kept["data"] == FULL | {"token": HELD}
    other = informers[SECRETS].get("ns", "o")
    assert other is not None
    assert (other["type"], "data" in other) == ("Opaque", False)


@pytest.mark.usefixtures("controllers")
async def test_with_the_real_server_a_generated_secret_is_whole_and_goes_with_its_account(
    admin: RestClient,
) -> None:
    account = {"metadata": {"name": "app", "namespace": "default"}}
    await admin.create(SERVICE_ACCOUNTS, account)
    made = secret(uid=None)
    made["metadata"] = {
        "generateName": "app-token-",
        "namespace": "default",
        "annotations": {ACCOUNT_NAME: "app"},
    }
    name = (await admin.create(SECRETS, made))["metadata"]["name"]

    async def keys() -> list[str]:
        listed = (await admin.list(SECRETS, "default"))["items"]
        found = [one for one in listed if one["metadata"]["name"] == name]
        return sorted(found[0].get("data") or {}) if found else ["gone"]

    await eventually(keys, ["ca.crt", "namespace", "token"])
    await admin.delete(SERVICE_ACCOUNTS, "default", "app")
    await eventually(keys, ["gone"])


async def eventually(look: Callable[[], Awaitable[list[str]]], wanted: list[str]) -> None:
    """Ask the API until it shows this."""
    async with asyncio.timeout(30):
        seen = await look()
        while seen != wanted:
            seen = await look()
