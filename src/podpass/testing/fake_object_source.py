"""ConfigMaps, Secrets and tokens in memory, for tests of volumes and environments."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from podpass.api.resources import Object
from podpass.kubelet.object_source import SourceFailed
from podpass.kubelet.token_manager import TokenFetchFailed, TokenKey

T = TypeVar("T")


@dataclass
class FakeObjectSource:
    """A kubelet.object_source.ObjectSource.

    Attributes:
        config_maps: `namespace/name` to data.
        secrets: `namespace/name` to data, not encoded.
        token_text: What every token is.
        away: Why nothing can be had; empty if it can.
        token_failure: Why there is no token; empty if there is one.
        keys: What tokens were asked for with.
    """

    config_maps: dict[str, dict[str, str]] = field(default_factory=dict)
    secrets: dict[str, dict[str, bytes]] = field(default_factory=dict)
    token_text: str = "token-1"  # noqa: S105 - opens nothing
    away: str = ""
    token_failure: str = ""
    keys: list[TokenKey] = field(default_factory=list)

    async def config_map(self, namespace: str, name: str) -> Object | None:
        data = self._read(self.config_maps, namespace, name)
        return None if data is None else {"data": data}

    async def secret(self, namespace: str, name: str) -> Object | None:
        data = self._read(self.secrets, namespace, name)
        if data is None:
            return None
        return {"data": {key: base64.b64encode(value).decode() for key, value in data.items()}}

    async def token(self, key: TokenKey) -> str:
        self.keys.append(key)
        if self.token_failure:
            raise TokenFetchFailed(self.token_failure)
        return self.token_text

    def _read(self, objects: Mapping[str, T], namespace: str, name: str) -> T | None:
        if self.away:
            raise SourceFailed(self.away)
        return objects.get(f"{namespace}/{name}")
