"""From the location that a user gives to the store behind it."""

from __future__ import annotations

from pathlib import Path

from podpass.storage.interface import Store, StoreUnavailable

_SQLITE = "sqlite://"


async def open_store(location: str) -> Store:
    """Open the store at `location`.

    Args:
        location: `sqlite:///absolute/path`, or `sqlite://relative/path`.

    Raises:
        StoreUnavailable: There is no such kind of store, or it cannot be used.
    """
    if not location.startswith(_SQLITE) or location == _SQLITE:
        raise StoreUnavailable(f"storage {location!r} is not of the form sqlite:///path/to/file")
    from podpass.storage.sqlite import SqliteStore  # noqa: PLC0415 - only the driver in use

    return await SqliteStore.open(Path(location.removeprefix(_SQLITE)))
