"""Puts the keys of a snapshot into an empty store, with revisions that only rise.

What was written before the filling counts as compacted: a watch or list of the old store's
revisions is refused, so that nobody takes the new content for what he knew. docs/adr/0050.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from podpass.storage.interface import KeyValue, StoreError, StoreRevision
from podpass.storage.location import SQLITE_SCHEME, EtcdLocation, etcd_address


class StoreNotEmpty(StoreError):
    """The target holds keys already."""


async def fill_store(
    location: str | EtcdLocation,
    entries: Iterable[KeyValue],
    *,
    above: StoreRevision,
    replace: bool = False,
) -> StoreRevision:
    """Write `entries` to the store at `location`.

    Args:
        location: As for `open_store`; nobody else uses it.
        entries: In any order; each gets a revision of its own.
        above: All new revisions are greater.
        replace: Whether keys that an etcd holds already are removed first.

    Returns:
        The newest revision; all earlier ones are compacted.

    Raises:
        StoreNotEmpty: The target holds keys.
        StoreUnavailable: It cannot be written.
    """
    if isinstance(location, EtcdLocation):
        from podpass.storage.etcd_filling import fill_etcd  # noqa: PLC0415 - only the driver in use

        return await fill_etcd(
            etcd_address(location), location.prefix, entries, above=above, replace=replace
        )
    from podpass.storage.sqlite_filling import fill_file  # noqa: PLC0415

    path = Path(location.removeprefix(SQLITE_SCHEME)).absolute()
    return await asyncio.to_thread(fill_file, path, entries, above=above)
