"""`kubectl create token` with all its flags."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
import pytest_asyncio
import yaml
from apiserver.api_calls import ACCOUNTS, PODS, account, call, node, pod
from apiserver.kubectl_calls import KUBECTL, Kubectl, write_kubeconfig

from podpass.jose import jws
from podpass.testing.api_server import ISSUER, TestPki, running_api_server
from podpass.testing.memory_store import MemoryStore

pytestmark = [
    pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed beside python"),
    pytest.mark.asyncio(loop_scope="module"),
]
SECRETS = PODS.replace("pods", "secrets")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kubectl(pki: TestPki, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Kubectl]:
    path = tmp_path_factory.mktemp("kubectl") / "config"
    async with running_api_server(MemoryStore(), pki) as api, api.admin() as admin:
        await call(admin, "POST", ACCOUNTS, account("app"), expect=201)
        await call(admin, "POST", PODS, pod("p", serviceAccountName="app"), expect=201)
        await call(admin, "POST", SECRETS, {"metadata": {"name": "s"}}, expect=201)
        await call(admin, "POST", "/api/v1/nodes", node("n1"), expect=201)
        write_kubeconfig(path, api)
        yield Kubectl(path)


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = orjson.loads(jws.unverified_payload(token))
    return claims


@pytest.mark.rule("kubectl.token", "kubectl.duration")
@pytest.mark.parametrize(
    ("flags", "audiences", "seconds"),
    [
        pytest.param([], [ISSUER], 3600, id="nothing"),
        pytest.param(["--duration=0"], [ISSUER], 3600, id="no duration"),
        pytest.param(
            ["--duration=20m", "--audience=a", "--audience=b"], ["a", "b"], 1200, id="everything"
        ),
    ],
)
async def test_the_bare_token_is_printed(
    kubectl: Kubectl, flags: list[str], audiences: list[str], seconds: int
) -> None:
    token = await kubectl("create", "token", "app", *flags)
    claims = claims_of(token)
    assert not token.endswith("\n")
    assert claims["aud"] == audiences
    assert claims["exp"] - claims["iat"] == seconds


@pytest.mark.rule("kubectl.token")
async def test_the_whole_request_can_be_printed(kubectl: Kubectl) -> None:
    printed = yaml.safe_load(await kubectl("create", "token", "app", "-o", "yaml"))
    assert (printed["kind"], printed["metadata"]["name"]) == ("TokenRequest", "app")
    assert printed["status"]["token"].count(".") == 2


@pytest.mark.rule("kubectl.bound")
@pytest.mark.parametrize(("kind", "name"), [("Pod", "p"), ("Secret", "s"), ("Node", "n1")])
async def test_an_object_is_bound(kubectl: Kubectl, kind: str, name: str) -> None:
    bound = ["--bound-object-kind", kind, "--bound-object-name", name]
    private = claims_of(await kubectl("create", "token", "app", *bound))["kubernetes.io"]
    assert private[kind.lower()]["name"] == name
    refused = await kubectl.run("create", "token", "app", *bound, "--bound-object-uid", "old")
    assert refused.code == 1
    assert "the UID in the bound object reference (old) does not match" in refused.err


@pytest.mark.rule("kubectl.server-errors")
async def test_what_the_server_says_is_shown(kubectl: Kubectl) -> None:
    refused = await kubectl.run("create", "token", "ghost")
    assert refused.code == 1
    assert 'failed to create token: serviceaccounts "ghost" not found' in refused.err


@pytest.mark.rule("kubectl.client-errors")
@pytest.mark.parametrize(
    ("flags", "text"),
    [
        pytest.param(["--duration=-1m"], "--duration must be greater than or equal to 0", id="-1m"),
        pytest.param(["--duration=1ms"], "in units less than seconds", id="milliseconds"),
        pytest.param(["--audience="], "--audience must not be an empty string", id="no audience"),
        pytest.param(
            ["--bound-object-kind=Foo", "--bound-object-name=f"],
            "supported --bound-object-kind values are Node, Pod, Secret",
            id="another kind",
        ),
        pytest.param(["--bound-object-kind=Pod"], "--bound-object-name is required", id="no name"),
        pytest.param(["--bound-object-name=p"], "can only be set if", id="no kind"),
        pytest.param(["--bound-object-uid=u"], "can only be set if", id="a UID alone"),
    ],
)
async def test_bad_flags_are_refused_by_kubectl(
    kubectl: Kubectl, flags: list[str], text: str
) -> None:
    refused = await kubectl.run("create", "token", "app", *flags)
    assert refused.code == 1
    assert text in refused.err
