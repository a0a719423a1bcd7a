"""ConfigMaps of one namespace as registers, over HTTP."""

from __future__ import annotations

import http
from collections.abc import Awaitable
from typing import TypeVar

from podpass.api.errors import StatusError
from podpass.api.meta import resource_version_of
from podpass.api.resources import CONFIG_MAPS, Object
from podpass.client.rest import ConnectionFailed, RestClient
from podpass.storage.interface import (
    KeyExists,
    KeyMissing,
    KeyValue,
    RevisionConflict,
    StoreRevision,
    StoreUnavailable,
)

T = TypeVar("T")


class Refused(Exception):
    """The API server said no where it had no reason to."""


class ConfigMapRegisters:
    """A `Registers`; keys are names.

    Args:
        client: One API server, or whoever answers at a shared address.
        namespace: Where the ConfigMaps are.
    """

    def __init__(self, client: RestClient, namespace: str) -> None:
        self._client = client
        self._namespace = namespace

    async def get(self, key: str) -> KeyValue | None:
        try:
            return key_value(
                await _answer(key, self._client.get(CONFIG_MAPS, self._namespace, key))
            )
        except KeyMissing:
            return None

    async def create(self, key: str, value: bytes) -> KeyValue:
        return key_value(
            await _answer(key, self._client.create(CONFIG_MAPS, self._made(key, value)))
        )

    async def update(self, key: str, value: bytes, expected_revision: StoreRevision) -> KeyValue:
        obj = self._made(key, value)
        obj["metadata"]["resourceVersion"] = str(expected_revision)
        return key_value(await _answer(key, self._client.update(CONFIG_MAPS, obj)))

    async def delete(self, key: str, expected_revision: StoreRevision) -> StoreRevision:
        deletion = self._client.delete(
            CONFIG_MAPS, self._namespace, key, resource_version=str(expected_revision)
        )
        await _answer(key, deletion)
        return StoreRevision(0)  # the answer does not tell it

    async def current_revision(self) -> StoreRevision:
        found = await _answer("", self._client.list(CONFIG_MAPS, self._namespace))
        return StoreRevision(int(resource_version_of(found)))

    def _made(self, key: str, value: bytes) -> Object:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": key, "namespace": self._namespace},
            "data": {"value": value.decode()},
        }


def key_value(obj: Object) -> KeyValue:
    """Return a ConfigMap as the value of a register; when it was created is not known."""
    return KeyValue(
        obj["metadata"]["name"],
        str((obj.get("data") or {}).get("value", "")).encode(),
        StoreRevision(0),
        StoreRevision(int(resource_version_of(obj))),
    )


async def _answer(key: str, request: Awaitable[T]) -> T:
    """Return what was answered, and name refusals as a store would.

    Raises:
        StoreUnavailable: The outcome is unknown.
        Refused: No store would have said that.
    """
    try:
        return await request
    except ConnectionFailed as error:
        raise StoreUnavailable(str(error)) from error
    except StatusError as error:
        if error.code == http.HTTPStatus.NOT_FOUND:
            raise KeyMissing(key) from error
        if error.reason == "AlreadyExists":
            raise KeyExists(key) from error
        if error.code == http.HTTPStatus.CONFLICT:
            nobody = KeyValue(key, b"", StoreRevision(0), StoreRevision(0))
            raise RevisionConflict(key, nobody) from error
        if error.code == http.HTTPStatus.TOO_MANY_REQUESTS or error.code >= 500:
            raise StoreUnavailable(str(error)) from error
        raise Refused(f"{error.code} {error}") from error
