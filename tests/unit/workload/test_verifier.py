"""A recipient with the issuer's keys: when it asks, and what it does while nobody answers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from podpass.jose.keys import ES256, generate_signing_key
from podpass.testing.fake_clock import FakeClock, until
from podpass.testing.fake_issuer import ISSUER, FakeIssuer, bound_claims, signed
from podpass.workload.api_server import ApiServer
from podpass.workload.key_cache import CacheRules
from podpass.workload.key_source import ClusterKeys, IssuerKeys
from podpass.workload.refusal import IssuerUnavailable, Reason, TokenRefused
from podpass.workload.transport import Answer
from podpass.workload.verifier import AsyncVerifier, Verifier

RULES = CacheRules(unknown_key_interval=30, maximum_stale=1000)
NEW = generate_signing_key(ES256)


class Recipient:
    """An issuer, a clock, and both faces of the verifier as one blocking call each."""

    def __init__(self, face: str, *, learn: bool = False) -> None:
        self.issuer = FakeIssuer()
        self.clock = FakeClock()
        keys = (
            ClusterKeys(ApiServer("https://api.example", transport=self.issuer))
            if learn
            else IssuerKeys(ISSUER, transport=self.issuer)
        )
        arguments: dict[str, Any] = {
            "audience": "vault",
            "cache_rules": RULES,
            "clock": self.clock,
            "leeway": timedelta(days=9),
        }
        if face == "sync":
            self._sync = Verifier(keys, **arguments)
            self._async = None
        else:
            self._async = AsyncVerifier(keys, **arguments)

    async def reason(self, token: str) -> Reason | None:
        """Why the token is refused, or None."""
        try:
            if self._async is None:
                self._sync.verify(token)
            else:
                await self._async.verify(token)
                if self._async._fetching is not None:
                    await self._async._fetching
        except TokenRefused as refused:
            return refused.reason
        return None

    @property
    def asked(self) -> int:
        """How often the keys were fetched."""
        return sum(url.endswith("/openid/v1/jwks") for url in self.issuer.requests)


@pytest.fixture(params=["sync", "async"])
def recipient(request: pytest.FixtureRequest) -> Recipient:
    return Recipient(request.param)


@pytest.fixture(params=["sync", "async"])
def learner(request: pytest.FixtureRequest) -> Recipient:
    return Recipient(request.param, learn=True)


async def test_keys_are_fetched_once_and_used_while_they_are_fresh(recipient: Recipient) -> None:
    token = recipient.issuer.token()
    assert await recipient.reason(token) is None
    await recipient.clock.advance(3599)
    assert await recipient.reason(token) is None
    assert recipient.asked == 1
    await recipient.clock.advance(1)
    assert await recipient.reason(token) is None
    assert recipient.asked == 2


async def test_a_foreign_or_malformed_token_asks_nobody(recipient: Recipient) -> None:
    foreign = signed(bound_claims(iss="https://evil.example"), NEW)
    assert await recipient.reason(foreign) is Reason.ISSUER
    assert await recipient.reason("x") is Reason.MALFORMED
    assert recipient.issuer.requests == []


async def test_a_new_key_is_found_at_its_first_token(recipient: Recipient) -> None:
    assert await recipient.reason(recipient.issuer.token()) is None
    await recipient.clock.advance(30)
    recipient.issuer.keys.insert(0, NEW)
    assert await recipient.reason(recipient.issuer.token()) is None
    assert recipient.asked == 2


async def test_strangers_cannot_make_it_ask_all_the_time(recipient: Recipient) -> None:
    stranger = signed(bound_claims(), NEW)
    for _ in range(50):
        assert await recipient.reason(stranger) is Reason.UNKNOWN_KEY
    assert recipient.asked == 1
    await recipient.clock.advance(30)
    for _ in range(50):
        assert await recipient.reason(stranger) is Reason.UNKNOWN_KEY
    assert recipient.asked == 2


async def test_a_key_that_was_withdrawn_is_refused_after_the_next_fetch(
    recipient: Recipient,
) -> None:
    token = recipient.issuer.token()
    assert await recipient.reason(token) is None
    recipient.issuer.keys[:] = [NEW]
    await recipient.clock.advance(3600)
    await recipient.reason(token)
    assert await recipient.reason(token) is Reason.UNKNOWN_KEY


async def test_cached_keys_are_used_while_the_issuer_is_away_but_not_for_ever(
    recipient: Recipient,
) -> None:
    token = recipient.issuer.token()
    assert await recipient.reason(token) is None
    recipient.issuer.away = "no route to issuer"
    await recipient.clock.advance(3600)
    assert await recipient.reason(token) is None
    await recipient.clock.advance(999)
    assert await recipient.reason(token) is None
    await recipient.clock.advance(1)
    with pytest.raises(IssuerUnavailable, match="no keys to check tokens with: no route to issuer"):
        await recipient.reason(token)
    recipient.issuer.away = ""
    await recipient.clock.advance(60)
    assert await recipient.reason(token) is None


async def test_an_issuer_that_is_away_is_asked_less_and_less(recipient: Recipient) -> None:
    recipient.issuer.away = "down"
    for _ in range(100):
        with pytest.raises(IssuerUnavailable):
            await recipient.reason(recipient.issuer.token())
        await recipient.clock.advance(1)
    assert len(recipient.issuer.requests) == 7  # at 0, 1, 3, 7, 15, 31, 63 seconds


async def test_the_issuer_of_a_cluster_is_learned(learner: Recipient) -> None:
    assert await learner.reason(learner.issuer.token()) is None
    assert learner.issuer.requests == [
        "https://api.example/.well-known/openid-configuration",
        "https://api.example/openid/v1/jwks",
    ]
    assert await learner.reason(learner.issuer.token(iss="https://evil.example")) is Reason.ISSUER


async def test_a_change_of_the_learned_issuer_is_noticed(learner: Recipient) -> None:
    assert await learner.reason(learner.issuer.token()) is None
    await learner.clock.advance(30)
    learner.issuer.issuer = "https://new.example"
    assert await learner.reason(learner.issuer.token(iss="https://new.example")) is None
    assert await learner.reason(learner.issuer.token()) is Reason.ISSUER
    assert learner.asked == 2


async def test_a_discovery_document_of_another_issuer_gives_no_keys(recipient: Recipient) -> None:
    recipient.issuer.issuer = "https://other.example"
    with pytest.raises(IssuerUnavailable, match=r"of the issuer 'https://other\.example'"):
        await recipient.reason(recipient.issuer.token())


class Gate:
    """An issuer whose second and later answers wait until a test opens the gate."""

    def __init__(self, issuer: FakeIssuer) -> None:
        self.issuer = issuer
        self.waiting = threading.Semaphore(0)
        self.opened = threading.Event()
        self.free = 2

    def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        answer = self.issuer(method, url, headers, body)
        if len(self.issuer.requests) > self.free:
            self.waiting.release()
            assert self.opened.wait(10)
        return answer


def test_threads_share_one_request_and_go_on_with_the_keys_they_have() -> None:
    issuer, clock = FakeIssuer(), FakeClock()
    gate = Gate(issuer)
    verifier = Verifier(IssuerKeys(ISSUER, transport=gate), audience="vault", clock=clock)
    verifier.verify(issuer.token())
    asyncio.run(clock.advance(3600))
    fetcher = threading.Thread(target=verifier.verify, args=[issuer.token()])
    fetcher.start()
    assert gate.waiting.acquire(timeout=10)
    verifier.verify(issuer.token())  # the fetch hangs, the check does not
    stranger: list[TokenRefused] = []

    def unknown() -> None:
        try:
            verifier.verify(signed(bound_claims(), NEW))
        except TokenRefused as refused:
            stranger.append(refused)

    waiter = threading.Thread(target=unknown)  # has to wait for what the fetch brings
    waiter.start()
    gate.opened.set()
    fetcher.join()
    waiter.join()
    assert [one.reason for one in stranger] == [Reason.UNKNOWN_KEY]
    assert len(issuer.requests) == 4


async def test_tasks_share_one_request_and_go_on_with_the_keys_they_have() -> None:
    issuer, clock = FakeIssuer(), FakeClock()
    gate = Gate(issuer)
    gate.free = 0
    verifier = AsyncVerifier(IssuerKeys(ISSUER, transport=gate), audience="vault", clock=clock)
    first = [asyncio.create_task(verifier.verify(issuer.token())) for _ in range(20)]
    await until(lambda: issuer.requests)
    first[0].cancel()
    gate.opened.set()
    results = await asyncio.gather(*first, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert not any(isinstance(one, BaseException) for one in results[1:])
    assert len(issuer.requests) == 2
    gate.opened.clear()
    await clock.advance(3600)
    await verifier.verify(issuer.token())  # the fetch hangs, the check does not
    await until(lambda: len(issuer.requests) == 3)
    gate.opened.set()
    assert verifier._fetching is not None
    await verifier._fetching


@pytest.mark.parametrize("kind", [Verifier, AsyncVerifier])
def test_short_ways_to_a_verifier(
    kind: type[Verifier | AsyncVerifier], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(kind.for_issuer(ISSUER, audience="vault"), kind)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(IssuerUnavailable, match="not inside a pod"):
        kind.in_cluster(audience="vault")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "1")
    assert isinstance(kind.in_cluster(audience="vault"), kind)
    with pytest.raises(ValueError, match="an audience is needed"):
        kind.in_cluster(audience="")
    with pytest.raises(TypeError, match="audience"):
        kind(IssuerKeys(ISSUER))  # type: ignore[call-arg]
