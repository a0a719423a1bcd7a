import asyncio

from podpass.storage.interface import StoreRevision
from podpass.storage.stored_object import StoredObject
from podpass.storage.subscription import Bookmark, CacheEvent, Subscription
from podpass.testing.fake_clock import settle


def event(revision: int, size: int = 2) -> CacheEvent:
    stored = StoredObject("/k", StoreRevision(revision), b"x" * size)
    return CacheEvent("ADDED", stored, None, StoreRevision(revision))


def subscribe(*history: int, after: int = 0, maximum_backlog: int = 3) -> Subscription:
    return Subscription(
        [event(one) for one in history],
        after_revision=StoreRevision(after),
        maximum_backlog=maximum_backlog,
    )


async def drain(subscription: Subscription) -> list[int]:
    return [one.revision async for one in subscription]


async def test_history_comes_before_live_events() -> None:
    subscription = subscribe(1, 2)
    subscription.offer(event(3))
    subscription.close()
    assert await drain(subscription) == [1, 2, 3]


async def test_waiting_watcher_is_woken() -> None:
    subscription = subscribe()
    first = asyncio.ensure_future(anext(subscription))
    await settle()
    subscription.offer(event(1))
    subscription.offer(event(2))
    assert (await first).revision == 1
    assert (await anext(subscription)).revision == 2


async def test_events_up_to_the_start_are_left_out() -> None:
    subscription = subscribe(after=5)
    for revision in (4, 5, 6):
        subscription.offer(event(revision))
    subscription.close()
    assert await drain(subscription) == [6]


async def test_full_backlog_is_kept_and_one_more_cuts_off() -> None:
    subscription = subscribe(maximum_backlog=3)
    for revision in (1, 2, 3):
        subscription.offer(event(revision))
    assert not subscription.ended
    subscription.offer(event(4))
    assert subscription.ended
    subscription.offer(event(5))
    assert await drain(subscription) == []


async def test_history_does_not_count_as_lag() -> None:
    subscription = subscribe(1, 2, 3, 4, 5, maximum_backlog=1)
    subscription.offer(event(6))
    assert not subscription.ended
    subscription.offer(event(7))
    assert subscription.ended


async def test_bookmark_only_for_a_watcher_that_has_everything() -> None:
    subscription = subscribe(after=2)
    subscription.offer_bookmark(StoreRevision(1))
    subscription.offer_bookmark(StoreRevision(2))
    assert await anext(subscription) == Bookmark(StoreRevision(2))
    subscription.offer(event(3))
    subscription.offer_bookmark(StoreRevision(3))
    subscription.close()
    subscription.offer_bookmark(StoreRevision(4))
    assert await drain(subscription) == [3]


async def test_close_ends_a_waiting_watcher() -> None:
    subscription = subscribe()
    reading = asyncio.create_task(drain(subscription))
    await settle()
    subscription.close()
    subscription.close()
    assert await reading == []


async def test_watcher_that_was_interrupted_can_go_on() -> None:
    subscription = subscribe()
    reading = asyncio.ensure_future(anext(subscription))
    await settle()
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    subscription.offer(event(1))
    assert (await anext(subscription)).revision == 1


def of_bytes(maximum: int, *history: CacheEvent) -> tuple[Subscription, list[bool]]:
    cuts: list[bool] = []
    subscription = Subscription(
        history,
        after_revision=StoreRevision(0),
        maximum_backlog=100,
        maximum_bytes=maximum,
        cut=lambda: cuts.append(True),
    )
    return subscription, cuts


async def test_so_many_bytes_are_kept_and_one_more_cuts_off() -> None:
    subscription, cuts = of_bytes(100)
    subscription.offer(event(1, 50))
    subscription.offer(event(2, 50))
    assert (subscription.ended, cuts) == (False, [])
    subscription.offer(event(3, 1))
    subscription.offer(event(4, 1))
    assert (subscription.ended, cuts) == (True, [True])
    assert await drain(subscription) == []


async def test_what_was_read_makes_room() -> None:
    subscription, cuts = of_bytes(100)
    for revision in range(1, 20):
        subscription.offer(event(revision, 90))
        assert (await anext(subscription)).revision == revision
    assert cuts == []


async def test_a_watcher_that_has_everything_gets_an_event_of_any_size() -> None:
    subscription, cuts = of_bytes(100)
    subscription.offer(event(1, 1000))
    assert (await anext(subscription)).revision == 1
    assert cuts == []


async def test_bytes_of_the_history_do_not_count_as_lag() -> None:
    subscription, cuts = of_bytes(100, event(1, 500))
    subscription.offer(event(2, 100))
    assert cuts == []
    subscription.offer(event(3, 1))
    assert cuts == [True]
