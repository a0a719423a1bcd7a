"""Tokens put together from the answers of a signer."""

from __future__ import annotations

import orjson
import pytest

from podpass.apiserver.external_jwt.failures import CallFailed, SignerUnusable
from podpass.apiserver.external_jwt.key_cache import KeyCache
from podpass.apiserver.external_jwt.messages import SignResponse
from podpass.apiserver.external_jwt.signer import ExternalSigner
from podpass.apiserver.metrics import ExternalJwtMetrics
from podpass.apiserver.signing_keys import SigningFailed
from podpass.base.metrics import Registry
from podpass.jose import base64url
from podpass.testing.fake_clock import FakeClock
from podpass.testing.reference_signer import wire_key

from .conftest import KEY, OTHER, ScriptedSource, answer

RETIRED = OTHER.public.key_id


class Rig:
    """A signer that answers what a test puts in, with KEY and the retired OTHER."""

    def __init__(self) -> None:
        self.answer: SignResponse | SignerUnusable = SignResponse()
        self.claims: list[str] = []
        self.clock = FakeClock()
        self.source = ScriptedSource()
        self.source.answer = answer(wire_key(KEY.public), wire_key(OTHER.public, excluded=True))
        self.metrics = ExternalJwtMetrics(Registry())
        self.keys = KeyCache(self.source.fetch, self.clock, self.metrics)
        self.signer = ExternalSigner(self._ask, self.keys, self.metrics)

    async def _ask(self, claims: str) -> SignResponse:
        self.claims.append(claims)
        if isinstance(self.answer, SignerUnusable):
            raise self.answer
        return self.answer

    def answers(self, signature: str = "c2ln", **members: object) -> None:
        header = {"alg": "ES256", "kid": KEY.public.key_id, "typ": "JWT"} | members
        self.answer = SignResponse(
            header=base64url.encode(orjson.dumps(header)), signature=signature
        )


@pytest.fixture
async def rig() -> Rig:
    made = Rig()
    await made.keys.fill()
    return made


@pytest.mark.rule("signer.sign")
async def test_the_parts_are_put_together(rig: Rig) -> None:
    rig.answers()
    assert isinstance(rig.answer, SignResponse)
    assert await rig.signer.sign(b"{}") == f"{rig.answer.header}.e30.c2ln"
    assert rig.claims == ["e30"]
    assert rig.metrics.signs.value("OK") == 1


@pytest.mark.rule("signer.unknown-key")
async def test_a_key_that_nobody_knows_may_sign(rig: Rig) -> None:
    rig.answers(kid="unknown")
    assert (await rig.signer.sign(b"{}")).endswith(".e30.c2ln")


@pytest.mark.rule("signer.header", "signer.excluded-key")
@pytest.mark.parametrize(
    ("members", "why"),
    [
        pytest.param({"typ": "ABC"}, "while validating header: bad type", id="a wrong type"),
        pytest.param(
            {"alg": "ABC"},
            'while validating header: bad signing algorithm "ABC"',
            id="an unknown algorithm",
        ),
        pytest.param(
            {"alg": ""}, 'while validating header: bad signing algorithm ""', id="no algorithm"
        ),
        pytest.param({"kid": ""}, "while validating header: key id missing", id="no key id"),
        pytest.param(
            {"kid": "k" * 1025},
            "while validating header: key id longer than 1 kb",
            id="a long key id",
        ),
        pytest.param(
            {"kid": RETIRED},
            f"while validating header: key used for signing JWT (kid: {RETIRED}) is excluded from "
            "OIDC discovery docs",
            id="a key that is excluded from discovery",
        ),
        pytest.param({"signature": ""}, "empty signature returned", id="no signature"),
        pytest.param(
            {"signature": "a.b"}, "signature returned is not base64url", id="two signatures"
        ),
    ],
)
async def test_no_token_comes_of(rig: Rig, members: dict[str, str], why: str) -> None:
    rig.answers(**members)
    with pytest.raises(SigningFailed) as caught:
        await rig.signer.sign(b"{}")
    assert str(caught.value) == why
    assert rig.metrics.signs.value("unknown-non-grpc") == 1
    assert rig.metrics.signs.value("OK") == 0


@pytest.mark.rule("signer.excluded-key")
async def test_a_key_that_was_excluded_meanwhile_does_not_sign(rig: Rig) -> None:
    rig.answers(kid="new")
    rig.source.answer = answer(
        wire_key(KEY.public), wire_key(OTHER.public, key_id="new", excluded=True)
    )
    await rig.clock.advance(1)
    with pytest.raises(SigningFailed, match="is excluded from OIDC discovery docs"):
        await rig.signer.sign(b"{}")


async def test_a_signer_that_is_away_is_named(rig: Rig) -> None:
    rig.answer = CallFailed("Unavailable", "the HSM is locked")
    with pytest.raises(SigningFailed) as caught:
        await rig.signer.sign(b"{}")
    assert str(caught.value) == (
        "while signing jwt: rpc error: code = Unavailable desc = the HSM is locked"
    )
    assert rig.metrics.signs.value("Unavailable") == 1
