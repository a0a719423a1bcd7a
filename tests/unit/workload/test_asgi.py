"""ASGI: who gets in, what the application sees, and how the others are answered."""

from __future__ import annotations

from typing import Any

import pytest

from podpass.testing.fake_clock import FakeClock
from podpass.testing.fake_issuer import ISSUER, FakeIssuer
from podpass.workload.asgi import BearerASGI
from podpass.workload.key_source import FixedKeys, IssuerKeys
from podpass.workload.verifier import AsyncVerifier

SIGNER = FakeIssuer()
GOOD = SIGNER.token()


async def call(
    headers: list[tuple[bytes, bytes]], kind: str = "http", away: str = "", **scope: Any
) -> tuple[list[Any], list[Any]]:
    """Return the scopes that the application saw, and what was sent."""
    seen: list[Any] = []
    sent: list[Any] = []

    async def app(inner: Any, _receive: Any, _send: Any) -> None:
        seen.append(inner)

    async def receive() -> dict[str, str]:
        return {"type": f"{kind}.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    issuer = FakeIssuer()
    issuer.away = away
    keys = IssuerKeys(ISSUER, transport=issuer) if away else FixedKeys(SIGNER.jwks(), issuer=ISSUER)
    verifier = AsyncVerifier(keys, audience="vault", clock=FakeClock())
    await BearerASGI(app, verifier)({"type": kind, "headers": headers, **scope}, receive, send)
    return seen, sent


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_a_good_token_gets_in_and_stays_outside(kind: str) -> None:
    headers = [(b"host", b"a"), (b"Authorization", f"Bearer {GOOD}".encode())]
    seen, sent = await call(headers, kind)
    assert sent == []
    assert seen[0]["podpass.identity"].username == "system:serviceaccount:shop:app"
    assert seen[0]["headers"] == [(b"host", b"a")]


@pytest.mark.parametrize(
    ("header", "challenge"),
    [
        pytest.param(None, b"Bearer", id="no header"),
        pytest.param(b"Basic eA==", b"Bearer", id="another scheme"),
        pytest.param(
            b"Bearer \xff\xfe",
            b'Bearer error="invalid_token", '
            b'error_description="a token has three parts with dots between them"',
            id="bytes",
        ),
        pytest.param(
            f"Bearer {SIGNER.token(aud=['other'])}".encode(),
            b'Bearer error="invalid_token", '
            b'error_description="the token was made for another audience"',
            id="another audience",
        ),
    ],
)
async def test_no_good_token_is_a_401(header: bytes | None, challenge: bytes) -> None:
    seen, (start, body) = await call([] if header is None else [(b"authorization", header)])
    assert seen == []
    assert (start["type"], start["status"]) == ("http.response.start", 401)
    assert dict(start["headers"])[b"www-authenticate"] == challenge
    assert body["type"] == "http.response.body"
    if header is not None:
        assert header.removeprefix(b"Bearer ") not in repr((start, body)).encode()


async def test_no_keys_is_a_503() -> None:
    seen, sent = await call([(b"authorization", f"Bearer {GOOD}".encode())], away="secret-host")
    assert seen == []
    assert sent[0]["status"] == 503
    assert b"secret-host" not in repr(sent).encode()


async def test_a_websocket_is_closed_before_it_opens() -> None:
    seen, sent = await call([], "websocket")
    assert (seen, sent) == ([], [{"type": "websocket.close", "code": 1008}])


async def test_a_websocket_is_answered_where_the_server_can() -> None:
    _, sent = await call([], "websocket", extensions={"websocket.http.response": {}})
    assert [one["type"] for one in sent] == [
        "websocket.http.response.start",
        "websocket.http.response.body",
    ]
    assert sent[0]["status"] == 401


async def test_the_lifespan_is_the_applications_own() -> None:
    seen, _ = await call([], "lifespan")
    assert seen[0]["type"] == "lifespan"


@pytest.mark.parametrize("kind", ["http", "lifespan"])
async def test_the_application_talks_with_the_server_itself(kind: str) -> None:
    sent: list[Any] = []

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await send(await receive())

    async def receive() -> Any:
        return {"type": "from the server"}

    async def send(message: Any) -> None:
        sent.append(message)

    keys = FixedKeys(SIGNER.jwks(), issuer=ISSUER)
    guarded = BearerASGI(app, AsyncVerifier(keys, audience="vault", clock=FakeClock()))
    scope = {"type": kind, "headers": [(b"authorization", f"Bearer {GOOD}".encode())]}
    await guarded(scope, receive, send)
    assert sent == [{"type": "from the server"}]


async def test_the_answer_has_its_body() -> None:
    _, sent = await call([])
    assert sent[1] == {"type": "http.response.body", "body": b"a bearer token is needed\n"}
