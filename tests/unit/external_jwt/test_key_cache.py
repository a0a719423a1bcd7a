"""When keys are fetched, and which count meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from podpass.apiserver.external_jwt.failures import CallFailed, SignerUnusable
from podpass.apiserver.external_jwt.key_cache import KeyCache
from podpass.apiserver.external_jwt.messages import FetchKeysResponse, Timestamp
from podpass.apiserver.metrics import ExternalJwtMetrics
from podpass.base.metrics import Registry
from podpass.testing.background import Background
from podpass.testing.fake_clock import FakeClock, settle
from podpass.testing.reference_signer import wire_key

from .conftest import KEY, OTHER, ScriptedSource, answer

AWAY = CallFailed("Unavailable", "nobody there")
OLD_ID, NEW_ID = KEY.public.key_id, OTHER.public.key_id
BOTH = answer(wire_key(KEY.public), wire_key(OTHER.public))


class Rig:
    """A cache over a scripted signer and a clock that stands still."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.source = ScriptedSource()
        self.metrics = ExternalJwtMetrics(Registry())
        self.cache = KeyCache(self.source.fetch, self.clock, self.metrics)

    async def knows(self, key_id: str) -> bool:
        return bool((await self.cache.for_token(key_id)).candidates(key_id))


@pytest.fixture
def rig() -> Rig:
    return Rig()


@pytest.mark.rule("signer.fetch-keys")
async def test_the_first_fetch_may_take_a_minute(rig: Rig) -> None:
    await rig.cache.fill()
    assert rig.source.timeouts == [60.0]
    assert await rig.knows(OLD_ID)
    assert [key.key_id for key in rig.cache.published] == [OLD_ID]


@pytest.mark.rule("signer.fetch-keys")
@pytest.mark.parametrize(
    ("given", "why"),
    [
        pytest.param(AWAY, "rpc error: code = Unavailable desc = nobody there", id="no signer"),
        pytest.param(answer(stamp=None), "invalid data timestamp: there is none", id="no time"),
    ],
)
async def test_the_first_fetch_must_succeed(
    rig: Rig, given: FetchKeysResponse | SignerUnusable, why: str
) -> None:
    rig.source.answer = given
    with pytest.raises(SignerUnusable) as caught:
        await rig.cache.fill()
    assert str(caught.value).endswith(f"while fetching token verification keys: {why}")
    assert str(caught.value).startswith("while initially filling key cache: ")


async def test_before_the_first_fetch_there_are_no_keys(rig: Rig) -> None:
    assert len(rig.cache.published) == 0
    with pytest.raises(SignerUnusable, match="no keys have been fetched yet"):
        await rig.cache.for_token("")


@pytest.mark.rule("signer.fetch-keys")
async def test_keys_are_fetched_again_when_the_signer_said(rig: Rig) -> None:
    await rig.cache.fill()
    async with Background() as background:
        background.start(rig.cache.run())
        await rig.clock.advance(59.9)
        assert rig.source.fetches == 1
        rig.source.answer = answer(wire_key(OTHER.public), hint=5)
        await rig.clock.advance(0.1)
        assert rig.source.timeouts == [60.0, 10.0]
        assert await rig.knows(NEW_ID)
        await rig.clock.advance(4.9)
        assert rig.source.fetches == 2
        await rig.clock.advance(0.1)
        assert rig.source.fetches == 3


@pytest.mark.rule("signer.fetch-keys")
@pytest.mark.parametrize(
    "given", [pytest.param(AWAY, id="no signer"), pytest.param(answer(hint=0), id="no hint")]
)
async def test_after_a_failure_the_old_keys_stay_and_ten_seconds_later_it_is_tried_again(
    rig: Rig, given: FetchKeysResponse | SignerUnusable
) -> None:
    await rig.cache.fill()
    async with Background() as background:
        background.start(rig.cache.run())
        rig.source.answer = given
        await rig.clock.advance(60)
        assert rig.source.fetches == 2
        assert await rig.knows(OLD_ID)
        await rig.clock.advance(9.9)
        assert rig.source.fetches == 2
        await rig.clock.advance(0.1)
        assert rig.source.fetches == 3
        rig.source.answer = answer(wire_key(OTHER.public))
        await rig.clock.advance(10)
        assert not await rig.knows(OLD_ID)
        assert await rig.knows(NEW_ID)
        await rig.clock.advance(59.9)
        assert rig.source.fetches == 4


@pytest.mark.rule("signer.refetch")
async def test_an_unknown_key_id_fetches_at_once(rig: Rig) -> None:
    await rig.cache.fill()
    await rig.clock.advance(1)
    rig.source.answer = BOTH
    assert await rig.knows(NEW_ID)
    assert rig.source.fetches == 2


async def test_a_fetch_in_between_moves_the_next_one(rig: Rig) -> None:
    await rig.cache.fill()
    async with Background() as background:
        background.start(rig.cache.run())
        await rig.clock.advance(30)
        await rig.cache.for_token("unknown")
        assert rig.cache.max_age() == 60
        await rig.clock.advance(59.9)
        assert rig.source.fetches == 2
        await rig.clock.advance(0.1)
        assert rig.source.fetches == 3


@pytest.mark.parametrize(
    "key_id", [pytest.param("", id="no key id"), pytest.param(OLD_ID, id="a known key id")]
)
async def test_tokens_do_not_fetch_with(rig: Rig, key_id: str) -> None:
    await rig.cache.fill()
    await rig.clock.advance(30)
    assert len(await rig.cache.for_token(key_id)) == 1
    assert rig.source.fetches == 1


@pytest.mark.rule("signer.refetch")
async def test_a_flood_of_unknown_key_ids_fetches_once_a_second(rig: Rig) -> None:
    await rig.cache.fill()
    await rig.clock.advance(30)
    for tenth in range(21):
        await asyncio.gather(*(rig.cache.for_token(f"{tenth}-{i}") for i in range(50)))
        await rig.clock.advance(0.1)
    assert rig.source.fetches == 1 + 3


async def test_a_flood_while_the_signer_is_away_fetches_once_in_ten_seconds(rig: Rig) -> None:
    await rig.cache.fill()
    await rig.clock.advance(30)
    rig.source.answer = AWAY
    for second in range(11):
        assert not await rig.knows(f"unknown-{second}")
        await rig.clock.advance(1)
    assert rig.source.fetches == 1 + 2
    assert await rig.knows(OLD_ID)


async def test_a_failed_look_up_does_not_change_the_next_refresh(rig: Rig) -> None:
    await rig.cache.fill()
    await rig.clock.advance(10)
    rig.source.answer = AWAY
    await rig.cache.for_token("unknown")
    assert rig.cache.max_age() == 50


@pytest.mark.rule("signer.refetch")
async def test_who_comes_while_a_fetch_is_under_way_shares_it(rig: Rig) -> None:
    await rig.cache.fill()
    await rig.clock.advance(30)
    opened = asyncio.Event()

    async def slow(timeout: float) -> FetchKeysResponse:
        rig.source.timeouts.append(timeout)
        await opened.wait()
        return BOTH

    rig.cache._fetch = slow
    waiting = [asyncio.create_task(rig.knows(NEW_ID)) for _ in range(3)]
    await settle()
    waiting[0].cancel()
    await settle()
    opened.set()
    assert await asyncio.gather(*waiting[1:]) == [True, True]
    assert rig.source.fetches == 2


async def test_closing_ends_a_fetch(rig: Rig) -> None:
    async def never(_timeout: float) -> FetchKeysResponse:
        await asyncio.Event().wait()
        raise AssertionError

    rig.cache._fetch = never
    filling = asyncio.create_task(rig.cache.fill())
    await settle()
    rig.cache.close()
    await asyncio.wait([filling])
    assert filling.cancelled()


@pytest.mark.rule("discovery.render-once")
async def test_documents_are_made_anew_only_after_a_change(rig: Rig) -> None:
    await rig.cache.fill()
    before = rig.cache.published
    await rig.clock.advance(2)
    await rig.cache.for_token("unknown")
    assert rig.cache.published is before
    rig.source.answer = answer(stamp=Timestamp(5))
    await rig.clock.advance(2)
    await rig.cache.for_token("unknown")
    assert rig.cache.published is not before


@pytest.mark.rule("discovery.excluded-keys")
async def test_an_excluded_key_verifies_and_is_not_shown(rig: Rig) -> None:
    rig.source.answer = answer(wire_key(KEY.public), wire_key(OTHER.public, excluded=True))
    await rig.cache.fill()
    assert await rig.knows(NEW_ID)
    assert rig.cache.is_excluded(NEW_ID)
    assert [key.key_id for key in rig.cache.published] == [OLD_ID]


@pytest.mark.rule("discovery.external-signer-cache")
async def test_documents_may_be_kept_until_the_next_fetch(rig: Rig) -> None:
    await rig.cache.fill()
    assert rig.cache.max_age() == 60
    await rig.clock.advance(0.5)
    assert rig.cache.max_age() == 59
    await rig.clock.advance(100)
    assert rig.cache.max_age() == 0


@pytest.mark.rule("metrics.external-signer")
async def test_fetches_are_counted_by_their_code(rig: Rig) -> None:
    await rig.cache.fill()
    assert rig.metrics.fetched.value() == rig.clock.now().timestamp()
    assert rig.metrics.data.value() == 1_760_000_000.5
    before = rig.metrics.fetched.value()
    rig.source.answer = AWAY
    await rig.clock.advance(1)
    await rig.cache.for_token("unknown")
    rig.source.answer = answer(stamp=None)
    await rig.clock.advance(10)
    await rig.cache.for_token("unknown")
    assert rig.metrics.fetches.value("OK") == 1
    assert rig.metrics.fetches.value("Unavailable") == 1
    assert rig.metrics.fetches.value("unknown-non-grpc") == 1
    assert rig.metrics.fetched.value() == before
