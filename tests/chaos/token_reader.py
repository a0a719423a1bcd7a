"""Reads token files on the node again and again, as the programs in the pods do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from podpass.base.clock import SystemClock
from podpass.jose.jws import JwsError, parse_unverified, verify
from podpass.jose.key_set import KeySet
from tests.chaos.tokens_read import ExpiredRead

READ_SECONDS = 0.1


@dataclass(slots=True)
class TokenReader:
    """Reads files for ever.

    Attributes:
        files: Name for people, and path.
        keys: Who may have signed.
        reads: How many there were.
        tokens: How many different tokens.
        torn: What was not a token.
        expired: What was one no more.
    """

    files: Sequence[tuple[str, Path]]
    keys: KeySet
    reads: int = 0
    tokens: int = 0
    torn: list[str] = field(default_factory=list)
    expired: list[ExpiredRead] = field(default_factory=list)
    _lives: dict[str, tuple[str, float, float]] = field(default_factory=dict)

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            for name, path in self.files:
                self.read(name, path)
            await asyncio.sleep(READ_SECONDS)

    def read(self, name: str, path: Path) -> None:
        """Read one file once."""
        self.reads += 1
        now = SystemClock().now().timestamp()
        try:
            token = path.read_text()
            known = self._lives.get(name)
            if known is None or known[0] != token:
                claims = json.loads(verify(parse_unverified(token), self.keys))
                known = self._lives[name] = (token, claims["iat"], claims["exp"])
                self.tokens += 1
        except (OSError, JwsError, ValueError) as error:
            self.torn.append(f"{name}: {error}")
            return
        _, issued_at, expires_at = known
        if now >= expires_at:
            self.expired.append(ExpiredRead(name, now, issued_at, expires_at))
