"""WSGI: who gets in, what the application sees, and how the others are answered."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from wsgiref.util import setup_testing_defaults

import pytest

from podpass.testing.fake_clock import FakeClock
from podpass.testing.fake_issuer import ISSUER, FakeIssuer
from podpass.workload.key_source import FixedKeys
from podpass.workload.verifier import Verifier
from podpass.workload.wsgi import BearerWSGI

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

SIGNER = FakeIssuer()
GOOD = SIGNER.token()


def call(authorization: str | None) -> tuple[str, dict[str, str], bytes, list[Any]]:
    """Return status, headers, body, and what the application saw."""
    seen: list[Any] = []
    started: list[Any] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        seen.append(environ)
        start_response("200 OK", [])
        return [b"in"]

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Any:
        started.append((status, dict(headers), exc_info))

    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    if authorization is not None:
        environ["HTTP_AUTHORIZATION"] = authorization
    keys = FixedKeys(SIGNER.jwks(), issuer=ISSUER)
    guarded = BearerWSGI(app, Verifier(keys, audience="vault", clock=FakeClock()))
    body = b"".join(guarded(environ, start_response))
    return started[0][0], started[0][1], body, seen


def test_a_good_token_gets_in_and_stays_outside() -> None:
    status, _, body, seen = call(f"Bearer {GOOD}")
    assert (status, body) == ("200 OK", b"in")
    assert seen[0]["podpass.identity"].username == "system:serviceaccount:shop:app"
    assert "HTTP_AUTHORIZATION" not in seen[0]


@pytest.mark.parametrize(
    ("header", "challenge"),
    [
        (None, "Bearer"),
        ("Digest x", "Bearer"),
        (
            f"Bearer {SIGNER.token(exp=1)}",
            'Bearer error="invalid_token", error_description="the token has expired"',
        ),
    ],
    ids=["no header", "another scheme", "an expired token"],
)
def test_no_good_token_is_a_401(header: str | None, challenge: str) -> None:
    status, headers, body, seen = call(header)
    assert (status, seen) == ("401 Unauthorized", [])
    assert headers["WWW-Authenticate"] == challenge
    assert SIGNER.token()[:40].encode() not in body
