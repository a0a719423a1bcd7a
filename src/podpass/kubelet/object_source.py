"""The ConfigMaps, Secrets and tokens that pods refer to.

Objects are read one by one, since a node may not list them, and are kept for a short time, so that
the pods of a burst share one read. That something is missing is not remembered.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from podpass.api.errors import StatusError
from podpass.api.resources import CONFIG_MAPS, SECRETS, Object, Resource
from podpass.base.clock import Clock
from podpass.client.config import ConfigError
from podpass.client.rest import ConnectionFailed, RestClient
from podpass.kubelet.token_manager import TokenKey, TokenManager

TIME_TO_LIVE = 5.0
"""Seconds for which a read object is taken as current."""


class SourceFailed(Exception):
    """An object or token cannot be had now; the message says why and holds no content."""


class ObjectSource(Protocol):
    """Where volumes and environments take their content from."""

    async def config_map(self, namespace: str, name: str) -> Object | None:
        """Return the ConfigMap; None if there is none.

        Raises:
            SourceFailed: It is not known whether there is one.
        """
        ...

    async def secret(self, namespace: str, name: str) -> Object | None:
        """Return the Secret; None if there is none.

        Raises:
            SourceFailed: It is not known whether there is one.
        """
        ...

    async def token(self, key: TokenKey) -> str:
        """Return a valid token.

        Raises:
            TokenFetchFailed: There is none.
        """
        ...


class ApiObjectSource:
    """Reads from the API server."""

    def __init__(self, client: RestClient, tokens: TokenManager, clock: Clock) -> None:
        self._client = client
        self._tokens = tokens
        self._clock = clock
        self._kept: dict[tuple[str, str, str], tuple[float, Object]] = {}
        self._locks: dict[tuple[str, str, str], asyncio.Lock] = {}

    async def config_map(self, namespace: str, name: str) -> Object | None:
        return await self._read(CONFIG_MAPS, namespace, name)

    async def secret(self, namespace: str, name: str) -> Object | None:
        return await self._read(SECRETS, namespace, name)

    async def token(self, key: TokenKey) -> str:
        return await self._tokens.token(key)

    def learn(self, resource: Resource, namespace: str, name: str, found: Object | None) -> None:
        """Take over what a watch has seen; None if the object is gone."""
        key = (resource.plural, namespace, name)
        self._kept.pop(key, None)
        if found is not None:
            self._kept[key] = (self._clock.monotonic() + TIME_TO_LIVE, found)
            self._locks.setdefault(key, asyncio.Lock())

    async def _read(self, resource: Resource, namespace: str, name: str) -> Object | None:
        key = (resource.plural, namespace, name)
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            kept = self._kept.get(key)
            if kept is not None and self._clock.monotonic() < kept[0]:
                return kept[1]
            self._drop_old()
            try:
                found = await self._client.get(resource, namespace, name)
            except StatusError as error:
                if error.code == 404:  # noqa: PLR2004 - not found
                    return None
                raise SourceFailed(error.message) from error
            except (ConnectionFailed, ConfigError) as error:
                raise SourceFailed(str(error)) from error
            self._kept[key] = (self._clock.monotonic() + TIME_TO_LIVE, found)
            return found

    def _drop_old(self) -> None:
        now = self._clock.monotonic()
        for key in [key for key, (end, _) in self._kept.items() if end <= now]:
            del self._kept[key]
            if not self._locks[key].locked():
                del self._locks[key]
