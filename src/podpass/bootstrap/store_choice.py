"""Where a restored cluster keeps its objects: as before, or where its administrator says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from podpass.bootstrap.cluster import Cluster
from podpass.bootstrap.etcd_client import copy_client_files
from podpass.bootstrap.home import Home, HomeError


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreChoice:
    """What was asked for; nothing is what the backup says.

    Attributes:
        engine: `sqlite` or `etcd`; empty for that of `etcd_servers`, or the backup's.
        etcd_servers: Members of another etcd, with commas between.
        etcd_files: CA, client certificate and key for it, or None for each.
        etcd_prefix: Root of the keys in it; empty for the one that the cluster had.
    """

    engine: str = ""
    etcd_servers: str = ""
    etcd_files: Sequence[Path | None] = (None, None, None)
    etcd_prefix: str = ""

    def apply(self, before: Cluster, home: Home) -> Cluster:
        """Return the cluster with the store that was chosen, and keep its certificates in `home`.

        Those of the etcd that it had stay if that is still the one.

        Raises:
            HomeError: What was asked for does not fit together, or a file cannot be copied.
        """
        details = bool(self.etcd_servers or self.etcd_prefix or any(self.etcd_files))
        servers = self.etcd_servers or before.etcd_servers
        if self.engine == "sqlite" and details:
            raise HomeError("a store of sqlite takes no options of an etcd; leave one of them out")
        if self.engine == "sqlite" or not (servers or details or self.engine):
            _forget_client_files(home)
            return replace(before, etcd_servers="", etcd_client_files=False)
        if not servers:
            raise HomeError("the backup is of a store of sqlite; name the etcd with --etcd")
        if self.etcd_servers:
            _forget_client_files(home)
        kept = before.etcd_client_files and not self.etcd_servers
        return replace(
            before,
            etcd_servers=servers,
            etcd_prefix=self.etcd_prefix or before.etcd_prefix,
            etcd_client_files=copy_client_files(home, self.etcd_files) or kept,
        )


AS_BEFORE = StoreChoice()


def _forget_client_files(home: Home) -> None:
    for path in home.etcd.glob("*"):
        path.unlink()
