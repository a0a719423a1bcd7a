"""`kubelet.token_manager`: one request a key, refreshed in time, kept while the API is away."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from podpass.api.errors import StatusError
from podpass.api.meta import format_time
from podpass.api.resources import Object
from podpass.client.rest import ConnectionFailed
from podpass.kubelet.held_token import FUTURE_RETRY
from podpass.kubelet.refresh import MAX_RETRY
from podpass.kubelet.token_manager import (
    SWEEP_SECONDS,
    TokenFetchFailed,
    TokenKey,
    TokenManager,
)
from podpass.testing.fake_clock import FakeClock, settle

KEY = TokenKey("ns", "robot", ("vault",), 3600, "pod", "uid-1")
HOUR = 3600.0


@dataclass
class FakeIssuer:
    """Answers token requests with numbered tokens."""

    clock: FakeClock
    skew: timedelta = timedelta(0)
    failure: Exception | None = None
    answer: Object | None = None
    granted: int | None = None
    gate: asyncio.Event | None = None
    requests: list[TokenKey] = field(default_factory=list)

    async def __call__(self, key: TokenKey) -> Object:
        self.requests.append(key)
        if self.gate is not None:
            await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        if self.answer is not None:
            return self.answer
        seconds = self.granted or key.expiration_seconds
        expires = self.clock.now() + self.skew + timedelta(seconds=seconds)
        return {
            "spec": {"expirationSeconds": seconds},
            "status": {
                "token": f"token-{len(self.requests)}",
                "expirationTimestamp": format_time(expires),
            },
        }


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def issuer(clock: FakeClock) -> FakeIssuer:
    return FakeIssuer(clock)


@pytest.fixture
def tokens(clock: FakeClock, issuer: FakeIssuer) -> TokenManager:
    return TokenManager(issuer, clock, slot_of=lambda _: 0.0, choose_spread=lambda: 0.0)


async def test_a_token_is_fetched_once_and_kept(tokens: TokenManager, issuer: FakeIssuer) -> None:
    assert await tokens.token(KEY) == "token-1"
    assert await tokens.token(KEY) == "token-1"
    assert issuer.requests == [KEY]


async def test_volumes_that_want_it_at_once_share_one_request(
    tokens: TokenManager, issuer: FakeIssuer
) -> None:
    issuer.gate = asyncio.Event()
    asked = [asyncio.create_task(tokens.token(KEY)) for _ in range(3)]
    await settle()
    asked[0].cancel()  # one that gives up does not stop the others
    issuer.gate.set()
    assert await asyncio.gather(*asked[1:]) == ["token-1", "token-1"]
    assert len(issuer.requests) == 1
    assert asked[0].cancelled()


@pytest.mark.rule("token-manager.key")
@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"audiences": ("vault", "api")}, id="audiences"),
        pytest.param({"expiration_seconds": 7200}, id="life"),
        pytest.param({"pod_uid": "uid-2"}, id="pod"),
        pytest.param({"service_account": "other"}, id="service account"),
    ],
)
async def test_another_request_is_another_token(
    tokens: TokenManager, other: dict[str, Any]
) -> None:
    assert await tokens.token(KEY) == "token-1"
    assert await tokens.token(replace(KEY, **other)) == "token-2"


@pytest.mark.rule("token-manager.refresh-share")
async def test_it_is_refreshed_at_four_fifths_of_its_life(
    tokens: TokenManager, clock: FakeClock
) -> None:
    await tokens.token(KEY)
    assert tokens.next_check("uid-1") == clock.now() + timedelta(minutes=48)
    await clock.advance(48 * 60)
    assert await tokens.token(KEY) == "token-1"
    await clock.advance(1)
    assert await tokens.token(KEY) == "token-2"


@pytest.mark.rule("token-manager.refresh-share")
async def test_its_slot_decides_when_the_first_refresh_is(
    clock: FakeClock, issuer: FakeIssuer
) -> None:
    tokens = TokenManager(issuer, clock, slot_of=lambda _: 0.5)
    await tokens.token(KEY)
    assert tokens.next_check("uid-1") == clock.now() + timedelta(minutes=24)
    await clock.advance(24 * 60 + 1)
    assert await tokens.token(KEY) == "token-2"
    assert tokens.next_check("uid-1") == clock.now() + timedelta(minutes=48, seconds=-1)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"pod_uid": "uid-2"}, id="pod"),
        pytest.param({"audiences": ("api",)}, id="audience"),
        pytest.param({"audiences": ()}, id="no audience"),
        pytest.param({"expiration_seconds": 7200}, id="life"),
        pytest.param({"service_account": "other"}, id="service account"),
    ],
)
def test_each_token_of_each_pod_has_a_slot_of_its_own(other: dict[str, Any]) -> None:
    assert KEY.slot() == replace(KEY, namespace="where it is found anyway").slot()
    assert KEY.slot() != replace(KEY, **other).slot()


def test_slots_fill_the_period_evenly() -> None:
    tenths = [0] * 10
    for number in range(10_000):
        tenths[int(replace(KEY, pod_uid=f"uid-{number}").slot() * 10)] += 1
    assert all(900 < count < 1100 for count in tenths), tenths


async def test_a_token_wants_a_look_when_its_check_is_due(
    tokens: TokenManager, clock: FakeClock
) -> None:
    assert tokens.wants_look(KEY), "there is none yet"
    await tokens.token(KEY)
    await clock.advance(48 * 60 - 1)
    assert not tokens.wants_look(KEY)
    await clock.advance(1)
    assert tokens.wants_look(KEY)


@pytest.mark.rule("token-manager.refresh-status")
async def test_the_life_that_was_granted_decides(
    tokens: TokenManager, issuer: FakeIssuer, clock: FakeClock
) -> None:
    issuer.granted = 600
    await tokens.token(KEY)
    assert tokens.next_check("uid-1") == clock.now() + timedelta(seconds=480)


@pytest.mark.rule("token-manager.failure-keeps")
async def test_a_valid_token_outlives_an_api_that_is_away(
    tokens: TokenManager, issuer: FakeIssuer, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    await tokens.token(KEY)
    await clock.advance(50 * 60)
    issuer.failure = ConnectionFailed("refused")
    with caplog.at_level(logging.WARNING):
        assert await tokens.token(KEY) == "token-1"
    assert "token-1" not in caplog.text
    assert tokens.next_check("uid-1") == clock.now() + timedelta(seconds=1)
    assert await tokens.token(KEY) == "token-1"
    assert tokens.next_check("uid-1") == clock.now() + timedelta(seconds=2)
    for _ in range(20):
        await tokens.token(KEY)
    assert tokens.next_check("uid-1") == clock.now() + MAX_RETRY
    issuer.failure = None
    assert await tokens.token(KEY) != "token-1"
    assert tokens.next_check("uid-1") == clock.now() + timedelta(minutes=46), "back to its slot"


async def test_retries_are_spread_by_chance(clock: FakeClock, issuer: FakeIssuer) -> None:
    tokens = TokenManager(issuer, clock, slot_of=lambda _: 0.0)
    await tokens.token(KEY)
    await clock.advance(50 * 60)
    issuer.failure = ConnectionFailed("refused")
    for _ in range(10):
        await tokens.token(KEY)
    due = tokens.next_check("uid-1")
    assert due is not None
    assert clock.now() + MAX_RETRY / 2 <= due <= clock.now() + MAX_RETRY


@pytest.mark.rule("token-manager.failure-none")
@pytest.mark.parametrize(
    ("age", "valid"),
    [pytest.param(HOUR, True, id="at its end"), pytest.param(HOUR + 1, False, id="behind it")],
)
async def test_an_expired_token_is_not_given_out(
    tokens: TokenManager, issuer: FakeIssuer, clock: FakeClock, age: float, valid: bool
) -> None:
    await tokens.token(KEY)
    await clock.advance(age)
    issuer.failure = StatusError(503, "ServiceUnavailable", "not now")
    if valid:
        assert await tokens.token(KEY) == "token-1"
    else:
        with pytest.raises(TokenFetchFailed, match="robot expired and refresh failed: not now"):
            await tokens.token(KEY)
        with pytest.raises(TokenFetchFailed, match="failed to fetch token: not now"):
            await tokens.token(KEY)


@pytest.mark.rule("token-manager.failure-none")
async def test_a_failure_is_not_remembered(tokens: TokenManager, issuer: FakeIssuer) -> None:
    issuer.failure = StatusError(403, "Forbidden", "no")
    with pytest.raises(TokenFetchFailed, match="failed to fetch token: no"):
        await tokens.token(KEY)
    issuer.failure = None
    assert await tokens.token(KEY) == "token-2"
    assert tokens.next_check("other") is None


@pytest.mark.rule("token-manager.no-skew")
async def test_a_token_of_the_future_is_replaced_as_soon_as_the_clocks_agree(
    tokens: TokenManager, issuer: FakeIssuer, clock: FakeClock
) -> None:
    issuer.skew = timedelta(hours=2)
    assert await tokens.token(KEY) == "token-1"
    assert tokens.next_check("uid-1") == clock.now() + FUTURE_RETRY, "not asked for without pause"
    issuer.skew = timedelta(0)
    await clock.advance(1)
    assert await tokens.token(KEY) == "token-2"
    assert tokens.next_check("uid-1") == clock.now() + timedelta(minutes=48, seconds=-1)


async def test_a_token_whose_time_has_come_is_kept(
    tokens: TokenManager, issuer: FakeIssuer, clock: FakeClock
) -> None:
    issuer.skew = timedelta(seconds=10)
    await tokens.token(KEY)
    await clock.advance(30)
    assert await tokens.token(KEY) == "token-1"
    assert tokens.next_check("uid-1") == clock.now() + timedelta(minutes=48, seconds=-30)


@pytest.mark.rule("token-manager.pod-gone")
async def test_tokens_of_a_deleted_pod_are_dropped(
    tokens: TokenManager, issuer: FakeIssuer
) -> None:
    other = replace(KEY, pod_uid="uid-2")
    await tokens.token(KEY)
    await tokens.token(other)
    tokens.forget_pod("uid-1")
    assert tokens.next_check("uid-1") is None
    assert await tokens.token(other) == "token-2"
    assert await tokens.token(KEY) == "token-3"
    assert len(issuer.requests) == 3


async def test_a_request_under_way_ends_with_its_pod(
    tokens: TokenManager, issuer: FakeIssuer
) -> None:
    issuer.gate = asyncio.Event()
    asked = asyncio.create_task(tokens.token(KEY))
    await settle()
    tokens.forget_pod("uid-1")
    with pytest.raises(TokenFetchFailed, match="the pod was deleted"):
        await asked
    assert tokens.next_check("uid-1") is None


@pytest.mark.rule("token-manager.cleanup")
async def test_expired_tokens_that_nobody_wants_are_dropped(
    tokens: TokenManager, clock: FakeClock
) -> None:
    await tokens.token(KEY)
    await clock.advance(HOUR + 1)
    await tokens.token(replace(KEY, pod_uid="uid-2"))
    assert tokens.next_check("uid-1") is None


async def test_expired_tokens_are_looked_for_now_and_then(
    tokens: TokenManager, clock: FakeClock
) -> None:
    await tokens.token(KEY)
    await clock.advance(HOUR - 1)
    other = replace(KEY, pod_uid="uid-2")
    await tokens.token(other)  # looks for them
    await clock.advance(2)
    await tokens.token(other)
    assert tokens.next_check("uid-1") is not None, "not again so soon"
    await clock.advance(SWEEP_SECONDS)
    await tokens.token(other)
    assert tokens.next_check("uid-1") is None


@pytest.mark.rule("token-manager.no-lifetime")
async def test_a_token_without_a_life_is_never_refreshed(
    tokens: TokenManager, issuer: FakeIssuer, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.answer = {"spec": {}, "status": {"token": "t"}}
    assert await tokens.token(KEY) == "t"
    assert "without expirationSeconds" in caplog.text
    assert tokens.next_check("uid-1") is None
    await clock.advance(100 * HOUR)
    assert await tokens.token(KEY) == "t"
    assert len(issuer.requests) == 1


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param({}, "holds no token", id="empty"),
        pytest.param(
            {"spec": {"expirationSeconds": 600}, "status": {"token": "t"}},
            "names no time of expiry",
            id="no time",
        ),
    ],
)
async def test_an_answer_that_is_no_token_is_a_failure(
    tokens: TokenManager, issuer: FakeIssuer, answer: Object, message: str
) -> None:
    issuer.answer = answer
    with pytest.raises(TokenFetchFailed, match=message):
        await tokens.token(KEY)


@pytest.mark.rule("volume.token-request")
def test_the_request_is_bound_to_the_pod() -> None:
    assert KEY.to_request()["spec"] == {
        "audiences": ["vault"],
        "expirationSeconds": 3600,
        "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "pod", "uid": "uid-1"},
    }
    assert "audiences" not in replace(KEY, audiences=()).to_request()["spec"]
