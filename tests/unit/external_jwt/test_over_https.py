"""An API server whose tokens somebody else signs: issue, use, publish, rotate."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import orjson
import pytest

from podpass.apiserver.external_jwt.messages import Timestamp
from podpass.apiserver.settings import ApiServerSettings
from podpass.jose import base64url
from podpass.jose.keys import ES384, generate_signing_key
from podpass.testing.api_server import RunningApiServer, TestPki, running_api_server
from podpass.testing.memory_store import MemoryStore
from podpass.testing.reference_signer import ReferenceSigner, wire_key

from .conftest import KEY, OTHER

ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
TOKEN = f"{ACCOUNTS}/app/token"
SELF = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
YEAR = 365 * 24 * 3600


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> TestPki:
    directory: Path = tmp_path_factory.mktemp("pki")
    return TestPki.make(directory)


def settings_for(pki: TestPki, socket: str, **more: Any) -> ApiServerSettings:
    return replace(
        pki.settings(),
        service_account_signing_key_file=None,
        service_account_key_files=(),
        service_account_signing_endpoint=socket,
        **more,
    )


class Client:
    """An administrator at a server, and whoever holds a token."""

    def __init__(self, server: RunningApiServer, admin: aiohttp.ClientSession) -> None:
        self.server = server
        self.admin = admin

    async def post(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        async with self.admin.post(path, json=body) as response:
            return response.status, orjson.loads(await response.read())

    async def token(self, **spec: Any) -> str:
        code, answer = await self.post(TOKEN, {"spec": spec})
        assert code == 201, answer
        return str(answer["status"]["token"])

    async def refusal(self) -> str:
        """Return the words with which a token is not issued."""
        code, answer = await self.post(TOKEN, {})
        assert code == 500
        assert answer["reason"] == "InternalError"
        return str(answer["message"])

    async def who(self, token: str) -> str:
        """Return the name of a token's user, empty if it does not count."""
        async with self.server.session(token=token) as session:
            body = {"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1"}
            async with session.post(SELF, json=body) as response:
                if response.status == 401:
                    return ""
                answer = orjson.loads(await response.read())
                return str(answer["status"]["userInfo"]["username"])

    async def why_not(self, token: str) -> str:
        _, answer = await self.post(REVIEWS, {"spec": {"token": token}})
        return str(answer["status"].get("error", ""))

    async def document(self, path: str) -> tuple[dict[str, Any], str]:
        async with self.admin.get(path) as response:
            assert response.status == 200
            return orjson.loads(await response.read()), response.headers["Cache-Control"]

    async def published(self) -> list[str]:
        document, _ = await self.document("/openid/v1/jwks")
        return [key["kid"] for key in document["keys"]]

    async def metrics(self) -> str:
        async with self.admin.get("/metrics") as response:
            return await response.text()


@asynccontextmanager
async def serving(
    pki: TestPki, settings: ApiServerSettings, store: MemoryStore | None = None
) -> AsyncIterator[Client]:
    async with (
        running_api_server(store or MemoryStore(), pki, settings=settings) as server,
        server.admin() as admin,
    ):
        client = Client(server, admin)
        code, _ = await client.post(ACCOUNTS, {"metadata": {"name": "app"}})
        assert code in {201, 409}
        yield client


@pytest.fixture
async def client(pki: TestPki, socket: str, signer: ReferenceSigner) -> AsyncIterator[Client]:
    """A server that has KEY's public half."""
    assert signer.key is KEY
    async with serving(pki, settings_for(pki, socket)) as made:
        yield made


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = orjson.loads(base64url.decode(token.split(".")[1]))
    return claims


@pytest.mark.rule(
    "signer.sign",
    "metrics.external-signer",
    "discovery.external-signer-cache",
    "signer.fetch-keys",
)
async def test_a_token_of_a_known_key_is_issued_published_and_accepted(client: Client) -> None:
    token = await client.token()
    header = orjson.loads(base64url.decode(token.split(".")[0]))
    assert header == {"typ": "JWT", "alg": "ES256", "kid": KEY.public.key_id}
    assert await client.who(token) == "system:serviceaccount:default:app"
    assert await client.published() == [KEY.public.key_id]
    configuration, cached = await client.document("/.well-known/openid-configuration")
    assert configuration["id_token_signing_alg_values_supported"] == ["ES256"]
    assert cached in {"public, max-age=59", "public, max-age=58"}
    metrics = await client.metrics()
    assert 'apiserver_externaljwt_sign_request_total{code="OK"} 1' in metrics
    assert 'apiserver_externaljwt_fetch_keys_request_total{code="OK"} 1' in metrics
    assert "apiserver_externaljwt_fetch_keys_data_timestamp " in metrics
    assert (
        'apiserver_externaljwt_request_duration_seconds_count{method="/v1.ExternalJWTSigner/Sign",'
        'code="OK"} 1'
    ) in metrics


@pytest.mark.rule("signer.unknown-key")
async def test_a_token_of_an_unknown_key_is_issued_and_not_accepted(
    client: Client, signer: ReferenceSigner
) -> None:
    signer.key = OTHER
    token = await client.token()
    assert await client.who(token) == ""
    assert "invalid signature, no keys found" in await client.why_not(token)


@pytest.mark.rule("signer.unknown-key")
async def test_a_token_of_another_key_under_a_known_id_is_not_accepted(
    client: Client, signer: ReferenceSigner
) -> None:
    signer.key = OTHER
    signer.header = {"kid": KEY.public.key_id}
    token = await client.token()
    assert await client.who(token) == ""
    assert "error in cryptographic primitive" in await client.why_not(token)


@pytest.mark.rule("signer.header", "token-request.signer-failure")
@pytest.mark.parametrize(
    ("members", "why"),
    [
        pytest.param(
            {"alg": "ABC"},
            'while validating header: bad signing algorithm "ABC"',
            id="an unknown algorithm",
        ),
        pytest.param({"typ": "ABC"}, "while validating header: bad type", id="a wrong type"),
        pytest.param({"kid": None}, "while validating header: key id missing", id="no key id"),
    ],
)
async def test_a_bad_header_is_an_error_of_the_server(
    client: Client, signer: ReferenceSigner, members: dict[str, object], why: str
) -> None:
    signer.header = members
    assert await client.refusal() == (f"Internal error occurred: failed to generate token: {why}")


@pytest.mark.rule("signer.excluded-key", "signer.legacy", "discovery.excluded-keys")
async def test_an_excluded_key_verifies_and_is_in_no_document_but_does_not_sign(
    pki: TestPki, socket: str, signer: ReferenceSigner
) -> None:
    retired, store = generate_signing_key(ES384), MemoryStore()
    signer.key = retired
    async with serving(pki, settings_for(pki, socket), store) as client:
        old = await client.token()  # not known yet, so it may sign
    signer.keys.append(wire_key(retired.public, excluded=True))
    async with serving(pki, settings_for(pki, socket), store) as client:
        assert await client.who(old) == "system:serviceaccount:default:app"
        assert await client.published() == [KEY.public.key_id]
        configuration, _ = await client.document("/.well-known/openid-configuration")
        assert configuration["id_token_signing_alg_values_supported"] == ["ES256"]
        assert "is excluded from OIDC discovery docs" in await client.refusal()


@pytest.mark.rule("signer.refetch", "discovery.render-once", "signer.fetch-keys")
async def test_a_key_that_is_added_later_is_honoured_and_shown(
    client: Client, signer: ReferenceSigner
) -> None:
    signer.key = OTHER
    token = await client.token()
    assert await client.who(token) == ""
    assert "apiserver_externaljwt_fetch_keys_data_timestamp 1784000000" not in (
        await client.metrics()
    )
    signer.keys.append(wire_key(OTHER.public))
    signer.data_timestamp = Timestamp(1_784_000_000)
    async with asyncio.timeout(30):
        while not await client.who(token):  # at most one fetch a second
            pass
    assert await client.published() == [KEY.public.key_id, OTHER.public.key_id]
    assert "apiserver_externaljwt_fetch_keys_data_timestamp 1784000000" in await client.metrics()


@pytest.mark.rule("token-request.signer-failure", "metrics.external-signer")
async def test_a_signer_that_refuses_is_an_error_of_the_server(
    client: Client, signer: ReferenceSigner
) -> None:
    token = await client.token()
    signer.error = (grpc.StatusCode.UNAVAILABLE, "the HSM is locked")
    assert await client.refusal() == (
        "Internal error occurred: failed to generate token: while signing jwt: "
        "rpc error: code = Unavailable desc = the HSM is locked"
    )
    assert await client.who(token) == "system:serviceaccount:default:app"
    metrics = await client.metrics()
    assert 'apiserver_externaljwt_sign_request_total{code="Unavailable"} 1' in metrics


@pytest.mark.rule("signer.late")
async def test_a_signer_that_comes_late_is_waited_for(pki: TestPki, socket: str) -> None:
    signer = ReferenceSigner(KEY)

    async def use() -> str:
        async with serving(pki, settings_for(pki, socket)) as client:
            return await client.who(await client.token())

    using = asyncio.create_task(use())
    done, _ = await asyncio.wait([using], timeout=0.3)
    assert not done
    signer.start(socket)
    try:
        assert await using == "system:serviceaccount:default:app"
    finally:
        signer.stop()


@pytest.mark.rule("signer.metadata")
async def test_the_longest_life_of_the_signer_is_ours(
    pki: TestPki, socket: str, signer: ReferenceSigner
) -> None:
    signer.max_token_expiration_seconds = 7200
    async with serving(pki, settings_for(pki, socket)) as client:
        claims = claims_of(await client.token(expirationSeconds=7201))
        assert claims["exp"] - claims["iat"] == 7200
    signer.max_token_expiration_seconds = 2 * YEAR
    settings = settings_for(pki, socket, service_account_max_token_expiration=timedelta(hours=1))
    async with serving(pki, settings) as client:
        claims = claims_of(await client.token(expirationSeconds=7201))
        assert claims["exp"] - claims["iat"] == 3600


@pytest.mark.rule("signer.metadata")
@pytest.mark.parametrize(
    ("signers", "extended"),
    [
        pytest.param(7200, 7200, id="as long as the signer allows"),
        pytest.param(2 * YEAR, YEAR, id="not over a year"),
    ],
)
async def test_an_extended_token_lives(
    pki: TestPki, socket: str, signer: ReferenceSigner, signers: int, extended: int
) -> None:
    signer.max_token_expiration_seconds = signers
    async with serving(pki, settings_for(pki, socket)) as client:
        spec = {"serviceAccountName": "app", "containers": [{"name": "c", "image": "i"}]}
        code, _ = await client.post(
            "/api/v1/namespaces/default/pods", {"metadata": {"name": "p"}, "spec": spec}
        )
        assert code == 201
        bound = {"kind": "Pod", "apiVersion": "v1", "name": "p"}
        claims = claims_of(await client.token(expirationSeconds=3607, boundObjectRef=bound))
        assert claims["exp"] - claims["iat"] == extended
        assert claims["kubernetes.io"]["warnafter"] - claims["iat"] == 3607


@pytest.mark.rule("signer.legacy")
async def test_the_token_of_a_secret_is_signed_as_well(client: Client) -> None:
    secret = {
        "metadata": {"name": "s", "annotations": {"kubernetes.io/service-account.name": "app"}},
        "type": "kubernetes.io/service-account-token",
    }
    code, made = await client.post("/api/v1/namespaces/default/secrets", secret)
    assert code == 201
    token = base64.b64decode(made["data"]["token"]).decode()
    assert orjson.loads(base64url.decode(token.split(".")[0]))["kid"] == KEY.public.key_id
    assert await client.who(token) == "system:serviceaccount:default:app"
