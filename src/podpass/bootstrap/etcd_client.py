"""How a home is known at an etcd: its certificates, and a prefix of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from podpass.base.files import write_file
from podpass.bootstrap.cluster import Cluster
from podpass.bootstrap.home import Home, HomeError
from podpass.operator import names
from podpass.storage.interface import StoreUnavailable
from podpass.storage.location import EtcdLocation, open_store

_FILES = (names.ETCD_CA, names.ETCD_CERT, names.ETCD_KEY)


def copy_client_files(home: Home, files: Sequence[Path | None]) -> bool:
    """Copy CA, client certificate and key into the home, readable for its owner only.

    Args:
        home: Where to.
        files: The three of them in this order, or None for each.

    Returns:
        Whether there were any.

    Raises:
        HomeError: One or two are missing, or cannot be read.
    """
    given = [file for file in files if file is not None]
    if not given:
        return False
    if len(given) != len(_FILES):
        raise HomeError(
            "--etcd-cafile, --etcd-certfile and --etcd-keyfile go together; give all three"
        )
    try:
        home.etcd.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, file in zip(_FILES, given, strict=True):
            write_file(home.etcd / name, file.read_bytes(), mode=0o600)
    except OSError as error:
        raise HomeError(f"cannot copy the certificates for etcd: {error}") from error
    return True


def etcd_location(home: Home, cluster: Cluster) -> EtcdLocation:
    """Return where the objects of this cluster are."""
    files = [home.etcd / name if cluster.etcd_client_files else None for name in _FILES]
    ca_file, cert_file, key_file = files
    return EtcdLocation(
        servers=cluster.etcd_servers.split(","),
        ca_file=ca_file,
        cert_file=cert_file,
        key_file=key_file,
        prefix=cluster.etcd_prefix,
    )


def check_prefix_is_free(home: Home, cluster: Cluster) -> None:
    """See that the etcd answers and holds nothing of another cluster; for a home that is new.

    Raises:
        HomeError: It does not, or the prefix is in use.
    """

    async def is_free() -> bool:
        store = await open_store(etcd_location(home, cluster))
        try:
            return not (await store.list("/", limit=1)).items
        finally:
            await store.close()

    try:
        free = asyncio.run(is_free())
    except StoreUnavailable as error:
        raise HomeError(str(error)) from error
    if not free:
        raise HomeError(
            f"the prefix {cluster.etcd_prefix} of the etcd holds another cluster; "
            "give another one with --etcd-prefix"
        )
