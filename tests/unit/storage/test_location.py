from pathlib import Path

import pytest

from podpass.storage.interface import StoreUnavailable
from podpass.storage.location import EtcdLocation, open_store


async def test_a_file_by_its_absolute_path(tmp_path: Path) -> None:
    store = await open_store(f"sqlite://{tmp_path}/deep/podpass.db")
    await store.create("/a/x", b"")
    await store.close()
    assert (tmp_path / "deep" / "podpass.db").exists()


@pytest.mark.parametrize("location", ["", "sqlite:/x", "sqlite://", "https://127.0.0.1:2379"])
async def test_other_locations_are_refused(location: str) -> None:
    with pytest.raises(StoreUnavailable, match="is not of the form sqlite:///path/to/file"):
        await open_store(location)


@pytest.mark.parametrize(
    ("location", "said"),
    [
        pytest.param(
            EtcdLocation(servers=["127.0.0.1:2379"]),
            "etcd server '127.0.0.1:2379' is not of the form https://host:port",
            id="an etcd server without a scheme",
        ),
        pytest.param(
            EtcdLocation(servers=["https://127.0.0.1:1"], cert_file=Path("x.crt")),
            "client certificate and its key go together",
            id="a certificate without its key",
        ),
        pytest.param(
            EtcdLocation(servers=["https://127.0.0.1:1"], key_file=Path("x.key")),
            "client certificate and its key go together",
            id="a key without its certificate",
        ),
        pytest.param(
            EtcdLocation(servers=["http://127.0.0.1:1"]),
            "no member answers",
            id="an etcd that is away",
        ),
    ],
)
async def test_unusable_etcd_locations_say_why(location: EtcdLocation, said: str) -> None:
    with pytest.raises(StoreUnavailable, match=said):
        await open_store(location)
