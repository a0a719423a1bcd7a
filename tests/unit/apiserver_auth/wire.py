"""A real server over HTTPS with a clock that stands still, and tokens made by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from podpass.api.meta import format_time
from podpass.api.resources import Object
from podpass.apiserver.settings import ApiServerSettings
from podpass.apiserver.signing_keys import read_signing_key
from podpass.base.clock import SystemClock
from podpass.jose import base64url, jws
from podpass.jose.keys import SigningKey
from podpass.testing.api_server import ISSUER, RunningApiServer, TestPki, running_api_server
from podpass.testing.memory_store import MemoryStore

NAMESPACE = "/api/v1/namespaces/ns1"
ACCOUNTS = f"{NAMESPACE}/serviceaccounts"
TOKEN = f"{ACCOUNTS}/app/token"
REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
JSON = "application/json"


class StandingClock:
    """Shows one time until it is moved on; who sleeps sleeps really, as a server's tasks do."""

    def __init__(self) -> None:
        self._really = SystemClock()
        self._start = self._really.now().replace(microsecond=0)
        self._elapsed = 0.0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        await self._really.sleep(seconds)

    def advance(self, seconds: float) -> None:
        """Move on."""
        self._elapsed += seconds


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    code: int
    body: Any
    headers: dict[str, str]
    warnings: list[str]

    @property
    def text(self) -> str:
        """The message of a Status."""
        return str(self.body["message"])


@dataclass(slots=True)
class Wire:
    """A server with namespace ns1 and account app, seen by its administrator."""

    server: RunningApiServer
    admin: aiohttp.ClientSession
    clock: StandingClock
    key: SigningKey

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        session: aiohttp.ClientSession | None = None,
        content_type: str = JSON,
        **headers: str,
    ) -> Answer:
        """Send a request; the body is encoded unless it is bytes."""
        data = body if isinstance(body, bytes) or body is None else orjson.dumps(body)
        if data is not None:
            headers["Content-Type"] = content_type
        async with (session or self.admin).request(
            method, path, data=data, headers=headers
        ) as response:
            raw = await response.read()
            kind = response.content_type
            decoded = orjson.loads(raw) if kind.endswith("json") else raw
            warnings = response.headers.getall("Warning", [])
            return Answer(response.status, decoded, dict(response.headers), list(warnings))

    async def make(self, path: str, body: Object) -> Object:
        """Create an object."""
        answer = await self.send("POST", path, body)
        assert answer.code == 201, answer.body
        made: Object = answer.body
        return made

    async def issue(self, account: str = "app", **spec: Any) -> str:
        """Return a token of the account."""
        answer = await self.make(f"{ACCOUNTS}/{account}/token", {"spec": spec})
        return str(answer["status"]["token"])

    async def account(self, name: str) -> str:
        """Create an account and return its UID."""
        made = await self.make(ACCOUNTS, {"metadata": {"name": name}})
        return str(made["metadata"]["uid"])

    async def pod(self, name: str, account: str = "app", **spec: Any) -> str:
        """Create a pod and return its UID."""
        pod = {"serviceAccountName": account, "containers": [{"name": "c", "image": "i"}], **spec}
        made = await self.make(f"{NAMESPACE}/pods", {"metadata": {"name": name}, "spec": pod})
        return str(made["metadata"]["uid"])

    async def review(self, token: str, *audiences: str) -> Object:
        """Return the status of a TokenReview."""
        made = await self.make(REVIEWS, {"spec": {"token": token, "audiences": list(audiences)}})
        status: Object = made["status"]
        return status

    async def login(self, token: str, path: str = "/api") -> Answer:
        """Send a request with a token."""
        async with self.server.session(token=token) as somebody:
            return await self.send("GET", path, session=somebody)

    def moment(self, seconds: float) -> int:
        """Return the time in seconds from now, as a claim has it."""
        return int(self.clock.now().timestamp() + seconds)

    def stamp(self, seconds: float) -> str:
        """Return the time in seconds from now, as an object has it."""
        return format_time(self.clock.now() + timedelta(seconds=seconds))

    def claims(self, uid: str, **changes: Any) -> dict[str, Any]:
        """Return good claims of account app; None takes one away."""
        claims = {
            "iss": ISSUER,
            "sub": "system:serviceaccount:ns1:app",
            "aud": [ISSUER],
            "iat": self.moment(0),
            "nbf": self.moment(0),
            "exp": self.moment(600),
            "kubernetes.io": {"namespace": "ns1", "serviceaccount": {"name": "app", "uid": uid}},
        } | changes
        return {name: value for name, value in claims.items() if value is not None}

    def sign(self, claims: dict[str, Any], key: SigningKey | None = None, **header: Any) -> str:
        """Return a token over any claims, with any header if one is given."""
        signer = key or self.key
        encoded = _encode_header(header) if header else jws.encode_header(signer)
        return jws.sign(orjson.dumps(claims), signer, header=encoded)


def _encode_header(header: dict[str, Any]) -> str:
    return base64url.encode(orjson.dumps(header))


def claims_of(token: str) -> dict[str, Any]:
    """Return the claims of a token, not verified."""
    claims: dict[str, Any] = orjson.loads(jws.unverified_payload(token))
    return claims


@asynccontextmanager
async def wired(
    directory: Path, *, store: MemoryStore | None = None, **changes: Any
) -> AsyncIterator[Wire]:
    """Start a server with changed settings, over a store of its own if none is given."""
    pki = TestPki.make(directory)
    settings: ApiServerSettings = replace(pki.settings(), **changes)
    clock = StandingClock()
    async with (
        running_api_server(store or MemoryStore(), pki, settings=settings, clock=clock) as server,
        server.admin() as admin,
    ):
        wire = Wire(server, admin, clock, read_signing_key(directory / "sa.key"))
        await wire.make("/api/v1/namespaces", {"metadata": {"name": "ns1"}})
        await wire.account("app")
        yield wire
