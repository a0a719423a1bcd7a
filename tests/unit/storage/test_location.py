from pathlib import Path

import pytest

from podpass.storage.interface import StoreUnavailable
from podpass.storage.location import open_store


async def test_a_file_by_its_absolute_path(tmp_path: Path) -> None:
    store = await open_store(f"sqlite://{tmp_path}/deep/podpass.db")
    await store.create("/a/x", b"")
    await store.close()
    assert (tmp_path / "deep" / "podpass.db").exists()


@pytest.mark.parametrize("location", ["", "sqlite:/x", "sqlite://", "https://127.0.0.1:2379"])
async def test_other_locations_are_refused(location: str) -> None:
    with pytest.raises(StoreUnavailable, match="is not of the form sqlite:///path/to/file"):
        await open_store(location)
