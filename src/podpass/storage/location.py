"""From the location that a user gives to the store behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from podpass.storage.interface import Store, StoreUnavailable

if TYPE_CHECKING:
    from podpass.storage.etcd_gateway import EtcdAddress

SQLITE_SCHEME = "sqlite://"
_SCHEMES = ("https://", "http://")
DEFAULT_ETCD_PREFIX = "/podpass"


@dataclass(frozen=True, slots=True, kw_only=True)
class EtcdLocation:
    """An etcd and how to be known there, as kube-apiserver's `--etcd-*` flags say it.

    Attributes:
        servers: `https://host:port` of its members; empty for none.
        ca_file: What signed their certificates; None for the machine's own list.
        cert_file: Client certificate, if they ask for one.
        key_file: Its key.
        prefix: Root of this cluster's keys.
    """

    servers: Sequence[str] = ()
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    prefix: str = DEFAULT_ETCD_PREFIX


async def open_store(location: str | EtcdLocation) -> Store:
    """Open the store at `location`.

    Args:
        location: `sqlite:///absolute/path`, `sqlite://relative/path`, or an etcd.

    Raises:
        StoreUnavailable: There is no such kind of store, or it cannot be used.
    """
    if isinstance(location, EtcdLocation):
        return await _open_etcd(location)
    if not location.startswith(SQLITE_SCHEME) or location == SQLITE_SCHEME:
        raise StoreUnavailable(f"storage {location!r} is not of the form sqlite:///path/to/file")
    from podpass.storage.sqlite import SqliteStore  # noqa: PLC0415 - only the driver in use

    return await SqliteStore.open(Path(location.removeprefix(SQLITE_SCHEME)))


async def _open_etcd(location: EtcdLocation) -> Store:
    from podpass.storage.etcd import EtcdStore  # noqa: PLC0415 - only the driver in use

    return await EtcdStore.open(etcd_address(location), prefix=location.prefix)


def etcd_address(location: EtcdLocation) -> EtcdAddress:
    """Return what the driver asks for.

    Raises:
        StoreUnavailable: What was given cannot be right.
    """
    from podpass.storage.etcd_gateway import EtcdAddress  # noqa: PLC0415 - only the driver in use

    for server in location.servers:
        if not server.startswith(_SCHEMES):
            raise StoreUnavailable(f"etcd server {server!r} is not of the form https://host:port")
    if (location.cert_file is None) != (location.key_file is None):
        raise StoreUnavailable("an etcd client certificate and its key go together; give both")
    return EtcdAddress(location.servers, location.ca_file, location.cert_file, location.key_file)
