"""What every driver of `storage.interface` must do; a test class of a driver inherits it.

The driver's class provides the fixtures `store` and `peer`: two handles on one store, as two
API servers have them (the same object where a store lives in one process).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from podpass.storage.interface import (
    Change,
    Compacted,
    FutureRevision,
    KeyExists,
    KeyMissing,
    KeyValue,
    Progress,
    RevisionConflict,
    Store,
    StoreRevision,
    StoreUnavailable,
)


async def read_until(
    watch: AsyncIterator[Change | Progress],
    revision: int,
    *,
    changes: int | None = None,
    within: float = 30,
) -> list[Change]:
    """Return what a watch delivers up to its progress to `revision`, or so many changes."""
    seen: list[Change] = []
    async with asyncio.timeout(within):
        async for news in watch:
            if isinstance(news, Change):
                seen.append(news)
            elif news.revision >= revision:
                break
            if changes is not None and len(seen) == changes:
                break
    return seen


def keys_of(items: Sequence[KeyValue]) -> list[str]:
    return [item.key for item in items]


class StoreContract:
    """The suite."""

    async def test_created_value_is_read_back_with_its_revision(self, store: Store) -> None:
        made = await store.create("/a/x", b"one")
        assert made.mod_revision == made.create_revision > 0
        assert await store.get("/a/x") == made
        assert await store.current_revision() == made.mod_revision

    async def test_missing_key_reads_as_none(self, store: Store) -> None:
        await store.create("/a/x", b"one")
        assert await store.get("/a/") is None
        assert await store.get("/a/xx") is None

    @pytest.mark.parametrize(
        "value",
        [
            pytest.param(b"", id="empty value is a value"),
            pytest.param(bytes(range(256)), id="all bytes pass"),
            pytest.param(b"x" * 1_500_000, id="value above one megabyte"),
        ],
    )
    async def test_values_are_opaque(self, store: Store, value: bytes) -> None:
        await store.create("/a/x", value)
        found = await store.get("/a/x")
        assert found is not None
        assert found.value == value
        assert keys_of((await store.list("/a/")).items) == ["/a/x"]

    async def test_create_of_a_key_in_use_changes_nothing(self, store: Store) -> None:
        made = await store.create("/a/x", b"one")
        with pytest.raises(KeyExists):
            await store.create("/a/x", b"two")
        assert await store.get("/a/x") == made
        assert await store.current_revision() == made.mod_revision

    async def test_update_at_the_expected_revision(self, store: Store) -> None:
        made = await store.create("/a/x", b"one")
        updated = await store.update("/a/x", b"two", made.mod_revision)
        assert updated.create_revision == made.create_revision
        assert updated.mod_revision > made.mod_revision
        assert await store.get("/a/x") == updated
        assert updated.value == b"two"

    async def test_update_at_another_revision_carries_the_current_value(self, store: Store) -> None:
        made = await store.create("/a/x", b"one")
        updated = await store.update("/a/x", b"two", made.mod_revision)
        with pytest.raises(RevisionConflict) as refused:
            await store.update("/a/x", b"three", made.mod_revision)
        assert refused.value.current == updated
        assert await store.get("/a/x") == updated

    async def test_delete_at_the_expected_revision(self, store: Store) -> None:
        made = await store.create("/a/x", b"one")
        revision = await store.delete("/a/x", made.mod_revision)
        assert revision > made.mod_revision
        assert await store.get("/a/x") is None
        assert (await store.list("/a/")).items == ()
        assert await store.current_revision() == revision

    async def test_delete_at_another_revision_carries_the_current_value(self, store: Store) -> None:
        made = await store.create("/a/x", b"one")
        updated = await store.update("/a/x", b"two", made.mod_revision)
        with pytest.raises(RevisionConflict) as refused:
            await store.delete("/a/x", made.mod_revision)
        assert refused.value.current == updated

    async def test_writes_of_a_missing_key_are_refused(self, store: Store) -> None:
        made = await store.create("/a/x", b"one")
        with pytest.raises(KeyMissing):
            await store.update("/a/y", b"two", made.mod_revision)
        with pytest.raises(KeyMissing):
            await store.delete("/a/y", made.mod_revision)
        await store.delete("/a/x", made.mod_revision)
        with pytest.raises(KeyMissing):
            await store.update("/a/x", b"two", made.mod_revision)
        with pytest.raises(KeyMissing):
            await store.delete("/a/x", made.mod_revision)

    async def test_deleted_key_can_be_created_again(self, store: Store) -> None:
        first = await store.create("/a/x", b"one")
        revision = await store.delete("/a/x", first.mod_revision)
        second = await store.create("/a/x", b"two")
        assert second.create_revision == second.mod_revision > revision

    async def test_list_is_sorted_and_keeps_to_the_prefix(self, store: Store) -> None:
        for key in ("/a/y", "/a.b/x", "/a/x/deep", "/a0/x", "/a/ä", "/a/Z", "/b/x"):
            await store.create(key, key.encode())
        listing = await store.list("/a/")
        assert keys_of(listing.items) == ["/a/Z", "/a/x/deep", "/a/y", "/a/ä"]
        assert [item.value.decode() for item in listing.items] == keys_of(listing.items)
        assert listing.remaining == 0
        assert listing.revision == await store.current_revision()

    async def test_list_of_nothing(self, store: Store) -> None:
        listing = await store.list("/a/")
        newest = await store.current_revision()
        assert (listing.items, listing.revision, listing.remaining) == ((), newest, 0)

    @pytest.mark.parametrize(
        ("after", "limit", "expected", "remaining"),
        [
            pytest.param("", 2, ["/a/1", "/a/2"], 3, id="first page"),
            pytest.param("/a/2", 2, ["/a/3", "/a/4"], 1, id="page in the middle"),
            pytest.param("/a/4", 2, ["/a/5"], 0, id="last page is short"),
            pytest.param("/a/3", 2, ["/a/4", "/a/5"], 0, id="last page is full"),
            pytest.param("/a/2x", 1, ["/a/3"], 2, id="start key need not exist"),
            pytest.param("/a/5", 2, [], 0, id="nothing behind the last"),
            pytest.param("/a/3", 0, ["/a/4", "/a/5"], 0, id="no limit"),
            pytest.param("/0", 1, ["/a/1"], 4, id="start before the prefix"),
            pytest.param("/b", 1, [], 0, id="start behind the prefix"),
        ],
    )
    async def test_pages(
        self, store: Store, after: str, limit: int, expected: list[str], remaining: int
    ) -> None:
        for name in "35142":
            await store.create(f"/a/{name}", b"")
        await store.create("/b/1", b"")
        listing = await store.list("/a/", after=after, limit=limit)
        assert keys_of(listing.items) == expected
        assert listing.remaining == remaining

    async def test_list_at_a_revision_is_a_snapshot(self, store: Store) -> None:
        first = await store.create("/a/x", b"one")
        second = await store.create("/a/y", b"one")
        updated = await store.update("/a/x", b"two", first.mod_revision)
        await store.delete("/a/y", second.mod_revision)
        assert (await store.list("/a/", revision=first.mod_revision)).items == (first,)
        assert (await store.list("/a/", revision=second.mod_revision)).items == (first, second)
        assert (await store.list("/a/", revision=updated.mod_revision)).items == (updated, second)
        listing = await store.list("/a/")
        assert listing.items == (updated,)
        page = await store.list("/a/", limit=1, revision=second.mod_revision)
        assert (page.items, page.remaining, page.revision) == ((first,), 1, second.mod_revision)

    async def test_list_at_an_unwritten_revision_is_refused(self, store: Store) -> None:
        made = await store.create("/a/x", b"one")
        assert (await store.list("/a/", revision=made.mod_revision)).items == (made,)
        with pytest.raises(FutureRevision):
            await store.list("/a/", revision=StoreRevision(made.mod_revision + 1))

    async def test_watch_delivers_history_then_live_changes(self, store: Store) -> None:
        made = await store.create("/a/x", b"one")
        updated = await store.update("/a/x", b"two", made.mod_revision)
        watch = store.watch("/a/", StoreRevision(0))
        assert await read_until(watch, updated.mod_revision) == [
            Change("/a/x", made.mod_revision, made, None),
            Change("/a/x", updated.mod_revision, updated, made),
        ]
        deleted = await store.delete("/a/x", updated.mod_revision)
        again = await store.create("/a/x", b"three")
        assert await read_until(watch, again.mod_revision) == [
            Change("/a/x", deleted, None, updated),
            Change("/a/x", again.mod_revision, again, None),
        ]

    async def test_watch_starts_behind_the_given_revision(self, store: Store) -> None:
        made = await store.create("/a/x", b"one")
        second = await store.create("/a/y", b"one")
        watch = store.watch("/a/", made.mod_revision)
        changes = await read_until(watch, second.mod_revision)
        assert [change.key for change in changes] == ["/a/y"]

    async def test_watch_of_a_revision_ahead_waits_for_it(self, store: Store) -> None:
        newest = (await store.create("/a/1", b"")).mod_revision
        watch = store.watch("/a/", StoreRevision(newest + 1))
        await store.create("/a/2", b"")
        third = await store.create("/a/3", b"")
        changes = await read_until(watch, third.mod_revision)
        assert [change.key for change in changes] == ["/a/3"]

    async def test_watch_keeps_to_its_prefix_but_progresses_over_all(self, store: Store) -> None:
        watch = store.watch("/a/", StoreRevision(0))
        await store.create("/a/x", b"")
        await store.create("/a.b/x", b"")
        last = await store.create("/a0/x", b"")
        changes = await read_until(watch, last.mod_revision)
        assert [change.key for change in changes] == ["/a/x"]

    async def test_watch_over_a_long_history_has_no_gap(self, store: Store) -> None:
        made = await asyncio.gather(*(store.create(f"/a/{i}", b"") for i in range(1200)))
        newest = max(one.mod_revision for one in made)
        changes = await read_until(store.watch("/a/", StoreRevision(0)), newest)
        revisions = [change.revision for change in changes]
        assert revisions == sorted({one.mod_revision for one in made})

    async def test_progress_comes_without_changes(self, store: Store) -> None:
        made = await store.create("/a/x", b"")
        watch = store.watch("/a/", made.mod_revision)
        async with asyncio.timeout(10):
            assert await anext(watch) == Progress(made.mod_revision)
            assert await anext(watch) == Progress(made.mod_revision)

    async def test_each_watcher_gets_everything(self, store: Store, peer: Store) -> None:
        watches = [one.watch("/a/", StoreRevision(0)) for one in (store, store, peer)]
        made = [await store.create(f"/a/{i}", b"") for i in range(10)]
        for watch in watches:
            changes = await read_until(watch, made[-1].mod_revision)
            assert [change.current for change in changes] == made

    async def test_acknowledged_write_is_read_by_every_peer(
        self, store: Store, peer: Store
    ) -> None:
        entry = await store.create("/a/x", b"0")
        for turn in range(50):
            writer, reader = (store, peer) if turn % 2 else (peer, store)
            entry = await writer.update("/a/x", b"%d" % turn, entry.mod_revision)
            assert await reader.get("/a/x") == entry
            assert await reader.current_revision() == entry.mod_revision
            assert (await reader.list("/a/")).items == (entry,)

    async def test_watch_sees_what_a_peer_writes(self, store: Store, peer: Store) -> None:
        watch = store.watch("/a/", StoreRevision(0))
        made = await peer.create("/a/x", b"one")
        assert await read_until(watch, made.mod_revision) == [
            Change("/a/x", made.mod_revision, made, None)
        ]

    async def test_of_concurrent_creates_one_wins(self, store: Store, peer: Store) -> None:
        attempts = [(store if i % 2 else peer).create("/a/x", b"%d" % i) for i in range(20)]
        outcomes = await asyncio.gather(*attempts, return_exceptions=True)
        won = [one for one in outcomes if isinstance(one, KeyValue)]
        assert len(won) == 1
        assert sum(isinstance(one, KeyExists) for one in outcomes) == 19
        assert await store.get("/a/x") == won[0]

    async def test_concurrent_increments_lose_nothing(self, store: Store, peer: Store) -> None:
        await store.create("/counter/x", b"0")

        async def increment(handle: Store) -> None:
            current = await handle.get("/counter/x")
            while current is not None:
                try:
                    value = b"%d" % (int(current.value) + 1)
                    await handle.update("/counter/x", value, current.mod_revision)
                    return
                except RevisionConflict as conflict:
                    current = conflict.current

        await asyncio.gather(*(increment(store if i % 2 else peer) for i in range(40)))
        final = await store.get("/counter/x")
        assert final is not None
        assert final.value == b"40"

    async def test_a_refused_write_leaves_the_others_of_its_time_alone(self, store: Store) -> None:
        await store.create("/a/5", b"old")
        writes = [store.create(f"/a/{i}", b"new") for i in range(10)]
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
        assert [isinstance(one, KeyExists) for one in outcomes] == [i == 5 for i in range(10)]
        assert len((await store.list("/a/")).items) == 10

    async def test_compaction_refuses_the_past_and_keeps_the_present(self, store: Store) -> None:
        first = await store.create("/a/x", b"one")
        second = await store.update("/a/x", b"two", first.mod_revision)
        kept = await store.create("/a/kept", b"")
        gone = await store.create("/a/gone", b"")
        await store.delete("/a/gone", gone.mod_revision)
        third = await store.update("/a/x", b"three", second.mod_revision)
        await store.compact(third.mod_revision)
        with pytest.raises(Compacted) as refused:
            await store.list("/a/", revision=second.mod_revision)
        assert refused.value.compact_revision == third.mod_revision
        assert (await store.list("/a/", revision=third.mod_revision)).items == (kept, third)
        assert (await store.list("/a/")).items == (kept, third)
        assert await store.get("/a/x") == third
        assert await store.current_revision() == third.mod_revision

    async def test_compaction_at_an_older_revision_keeps_what_is_later(self, store: Store) -> None:
        first = await store.create("/a/x", b"one")
        second = await store.update("/a/x", b"two", first.mod_revision)
        third = await store.update("/a/x", b"three", second.mod_revision)
        await store.compact(second.mod_revision)
        assert (await store.list("/a/", revision=second.mod_revision)).items == (second,)
        changes = await read_until(store.watch("/a/", second.mod_revision), third.mod_revision)
        assert changes == [Change("/a/x", third.mod_revision, third, second)]

    async def test_compaction_can_be_repeated(self, store: Store) -> None:
        entry = await store.create("/a/x", b"0")
        for turn in range(5):
            entry = await store.update("/a/x", b"%d" % turn, entry.mod_revision)
            await store.compact(entry.mod_revision)
        await store.compact(entry.mod_revision)
        await store.compact(entry.create_revision)
        assert await store.get("/a/x") == entry
        with pytest.raises(Compacted):
            await store.list("/a/", revision=entry.create_revision)

    async def test_revisions_go_on_after_everything_was_deleted_and_compacted(
        self, store: Store
    ) -> None:
        made = await store.create("/a/x", b"")
        deleted = await store.delete("/a/x", made.mod_revision)
        await store.compact(deleted)
        assert await store.current_revision() == deleted
        assert await store.get("/a/x") is None
        again = await store.create("/a/x", b"")
        assert again.mod_revision > deleted
        changes = await read_until(store.watch("/a/", deleted), again.mod_revision)
        assert changes == [Change("/a/x", again.mod_revision, again, None)]

    async def test_compaction_of_an_unwritten_revision_is_refused(self, store: Store) -> None:
        made = await store.create("/a/x", b"")
        with pytest.raises(FutureRevision):
            await store.compact(StoreRevision(made.mod_revision + 1))

    async def test_watch_from_before_the_compaction_is_refused(self, store: Store) -> None:
        made = [await store.create(f"/a/{i}", b"") for i in range(5)]
        await store.compact(made[3].mod_revision)
        with pytest.raises(Compacted):
            await anext(store.watch("/a/", made[0].mod_revision))
        changes = await read_until(store.watch("/a/", made[3].mod_revision), made[4].mod_revision)
        assert [change.current for change in changes] == [made[4]]

    async def test_watch_that_compaction_overtakes_has_no_gap(
        self, store: Store, peer: Store
    ) -> None:
        made = await store.create("/a/x", b"")
        watch = store.watch("/a/", made.mod_revision)
        assert await anext(watch) == Progress(made.mod_revision)
        entry = made
        for _ in range(5):
            entry = await peer.update("/a/x", b"", entry.mod_revision)
        await peer.compact(entry.mod_revision)
        try:
            changes = await read_until(watch, entry.mod_revision)
        except Compacted as refused:
            assert refused.compact_revision == entry.mod_revision  # noqa: PT017 - either is right
        else:
            assert len(changes) == 5

    async def test_close_ends_watches_and_refuses_the_rest(self, store: Store) -> None:
        watch = store.watch("/a/", StoreRevision(0))
        await anext(watch)
        reading = asyncio.create_task(read_until(watch, 10))
        await store.close()
        assert await reading == []
        with pytest.raises(StoreUnavailable):
            await store.get("/a/x")
        with pytest.raises(StoreUnavailable):
            await store.create("/a/x", b"")
        with pytest.raises(StoreUnavailable):
            await store.list("/a/")
        await store.close()
