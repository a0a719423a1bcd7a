"""A client that watches, and goes on where it stood whenever its watch ends."""

from __future__ import annotations

import asyncio
import http
from collections.abc import Sequence
from contextlib import aclosing

from podpass.api.errors import StatusError
from podpass.api.meta import resource_version_of
from podpass.api.resources import CONFIG_MAPS
from podpass.client.rest import ConnectionFailed, RestClient
from tests.chaos.config_map_registers import Refused, key_value
from tests.chaos.watched import BOOKMARK, Listed, Told, WatchLog

_WATCH_SECONDS = 60
_PAUSE = 0.2


class Watcher:
    """Watches ConfigMaps of one namespace.

    Args:
        log: What it is told.
        clients: API servers; the next one is asked when a watch ends.
        namespace: Of the ConfigMaps.
        keys: Which ones count.
    """

    def __init__(
        self, log: WatchLog, clients: Sequence[RestClient], namespace: str, keys: Sequence[str]
    ) -> None:
        self.log = log
        self._clients = clients
        self._namespace = namespace
        self._keys = frozenset(keys)
        self.log.reached = log.started

    async def run(self) -> None:
        """Watch until cancelled.

        Raises:
            Refused: The API server said no where it had no reason to.
        """
        turn = 0
        while True:
            client = self._clients[turn % len(self._clients)]
            turn += 1
            try:
                await self._watch(client)
            except ConnectionFailed:
                await asyncio.sleep(_PAUSE)
            except StatusError as error:
                if error.code == http.HTTPStatus.GONE:
                    await self._list(client)
                elif error.code != http.HTTPStatus.TOO_MANY_REQUESTS and error.code < 500:
                    raise Refused(f"watch: {error.code} {error}") from error
                else:
                    await asyncio.sleep(_PAUSE)
            self.log.resumed += 1

    async def _watch(self, client: RestClient) -> None:
        watch = client.watch(
            CONFIG_MAPS,
            self._namespace,
            resource_version=str(self.log.reached),
            timeout_seconds=_WATCH_SECONDS,
        )
        async with aclosing(watch) as events:
            async for kind, obj in events:
                revision = int(resource_version_of(obj))
                self.log.hear(kind, revision)
                if kind != BOOKMARK and obj["metadata"]["name"] in self._keys:
                    read = key_value(obj)
                    self.log.entries.append(Told(kind, read.key, read.value.decode(), revision))

    async def _list(self, client: RestClient) -> None:
        try:
            found = await client.list(CONFIG_MAPS, self._namespace)
        except (ConnectionFailed, StatusError):
            return
        read = [key_value(one) for one in found["items"]]
        there = {one.key: int(one.mod_revision) for one in read if one.key in self._keys}
        self.log.reached = int(resource_version_of(found))
        self.log.entries.append(Listed(self.log.reached, there))
