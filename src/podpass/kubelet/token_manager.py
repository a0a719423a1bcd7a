"""The service account tokens that this node holds for its pods.

1. A token is asked for once per key, however many volumes want it at the same time.
2. It is asked for again when `refresh` says so; until then everyone gets the copy.
3. When asking fails, a copy that is still valid is given out; failures are not remembered.
4. Tokens of deleted pods, and expired ones, are dropped; tokens live in memory only.

A key is made of the request; what is kept is the answer, and its `spec.expirationSeconds`, which
the server may have shortened or extended, decides the refresh. No token or key holding one ever
shows itself in logs or errors.

Source: Kubernetes v1.36, `pkg/kubelet/token/token_manager.go`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from podpass.api.errors import StatusError
from podpass.api.meta import parse_time
from podpass.api.resources import AUTHENTICATION, SERVICE_ACCOUNTS, Object
from podpass.base.clock import Clock
from podpass.base.logs import Secret
from podpass.base.tasks import jitter as lengthen
from podpass.client.config import ConfigError
from podpass.client.rest import ConnectionFailed, RestClient
from podpass.kubelet.metrics import KubeletMetrics
from podpass.kubelet.refresh import TokenLifetime

_log = logging.getLogger("kubelet.token")

FIRST_RETRY = timedelta(seconds=1)
"""Wait after a failed refresh; doubles up to MAX_RETRY, as long as the old token is valid."""
MAX_RETRY = timedelta(seconds=30)


class TokenFetchFailed(Exception):
    """There is no token to give out; the message says why and holds no secret."""


@dataclass(frozen=True, slots=True)
class TokenKey:
    """What a token is asked for with.

    Attributes:
        namespace: Of pod and service account.
        service_account: Its name.
        audiences: As asked for, in order; none means the API server's own.
        expiration_seconds: As asked for.
        pod_name: Bound pod.
        pod_uid: Its UID.
    """

    namespace: str
    service_account: str
    audiences: tuple[str, ...]
    expiration_seconds: int
    pod_name: str
    pod_uid: str

    def to_request(self) -> Object:
        """Return the body of the TokenRequest."""
        spec: Object = {
            "expirationSeconds": self.expiration_seconds,
            "boundObjectRef": {
                "apiVersion": "v1",
                "kind": "Pod",
                "name": self.pod_name,
                "uid": self.pod_uid,
            },
        }
        if self.audiences:
            spec["audiences"] = [*self.audiences]
        return {
            "apiVersion": f"{AUTHENTICATION}/v1",
            "kind": "TokenRequest",
            "metadata": {"namespace": self.namespace, "name": self.service_account},
            "spec": spec,
        }


RequestToken: TypeAlias = Callable[[TokenKey], Awaitable[Object]]
"""Sends a TokenRequest; raises StatusError, ConnectionFailed or ConfigError."""


def token_requester(client: RestClient) -> RequestToken:
    """Return a function that sends TokenRequests to the API server."""

    async def request(key: TokenKey) -> Object:
        return await client.create(
            SERVICE_ACCOUNTS,
            key.to_request(),
            namespace=key.namespace,
            name=key.service_account,
            subresource="token",
        )

    return request


@dataclass(slots=True)
class _Held:
    token: Secret
    lifetime: TokenLifetime | None
    jitter: timedelta
    failures: int = 0
    retry_at: datetime | None = None

    def due(self, now: datetime) -> bool:
        return self.lifetime is not None and self.lifetime.refresh_due(now, self.jitter)

    def next_check(self) -> datetime | None:
        if self.retry_at is not None or self.lifetime is None:
            return self.retry_at
        return self.lifetime.refresh_at(self.jitter)


class TokenManager:
    """Holds the tokens of this node's pods."""

    def __init__(
        self,
        request: RequestToken,
        clock: Clock,
        *,
        choose_share: Callable[[], float] = lambda: lengthen(1.0, 1.0) - 1.0,
        metrics: KubeletMetrics | None = None,
    ) -> None:
        """Prepare; nothing is asked for yet.

        Args:
            request: Asks the API server.
            clock: Tells when a refresh is due.
            choose_share: Returns which part of a token's maximum jitter to use, 0 to 1.
            metrics: Counts refreshes.
        """
        self._request = request
        self._clock = clock
        self._choose_share = choose_share
        self._held: dict[TokenKey, _Held] = {}
        self._running: dict[TokenKey, asyncio.Task[_Held]] = {}
        self._metrics = metrics or KubeletMetrics()
        self._metrics.registry.before_render(self._show_age)

    async def token(self, key: TokenKey) -> str:
        """Return a valid token, fetched now if there is none or a refresh is due.

        Raises:
            TokenFetchFailed: None could be fetched and none that is valid is held.
        """
        self._drop_expired(self._clock.now(), but=key)
        held = self._held.get(key)
        if held is not None and not held.due(self._clock.now()):
            held.retry_at = None
            return held.token.reveal()
        try:
            return (await self._fetch_once(key)).token.reveal()
        except (StatusError, ConnectionFailed, ConfigError, TokenFetchFailed) as error:
            self._metrics.refresh_failures.inc()
            if held is None:
                raise TokenFetchFailed(f"failed to fetch token: {error}") from error
            return self._still_valid(key, held, error)

    def next_check(self, pod_uid: str) -> datetime | None:
        """Return when a token of this pod must be looked at next; None if it has none."""
        times = [
            moment
            for key, held in self._held.items()
            if key.pod_uid == pod_uid and (moment := held.next_check()) is not None
        ]
        return min(times, default=None)

    def forget_pod(self, pod_uid: str) -> None:
        """Drop the tokens of a pod that is gone."""
        for key in [key for key in self._held if key.pod_uid == pod_uid]:
            del self._held[key]
        for key in [key for key in self._running if key.pod_uid == pod_uid]:
            self._running.pop(key).cancel()

    def _still_valid(self, key: TokenKey, held: _Held, error: Exception) -> str:
        """Return the old token after a failed refresh; rule 3."""
        now = self._clock.now()
        if held.lifetime is not None and held.lifetime.expired(now):
            self._held.pop(key, None)
            raise TokenFetchFailed(
                f"token of service account {key.namespace}/{key.service_account} "
                f"expired and refresh failed: {error}"
            ) from error
        held.retry_at = now + min(MAX_RETRY, FIRST_RETRY * 2 ** min(held.failures, 10))
        held.failures += 1
        _log.warning(
            "token of service account %s/%s for pod %s not refreshed, keeping the valid one: %s",
            key.namespace, key.service_account, key.pod_name, error,
        )  # fmt: skip
        return held.token.reveal()

    async def _fetch_once(self, key: TokenKey) -> _Held:
        """Share one request between all who want the same token; rule 1."""
        task = self._running.get(key)
        if task is None:
            self._metrics.refreshes.inc(self._reason(key))
            task = self._running[key] = asyncio.create_task(self._fetch(key))
            task.add_done_callback(lambda done: self._fetched(key, done))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise TokenFetchFailed("the pod was deleted") from None
            raise

    def _fetched(self, key: TokenKey, task: asyncio.Task[_Held]) -> None:
        if self._running.get(key) is not task:
            return  # the pod is gone
        del self._running[key]
        if not task.cancelled() and task.exception() is None:
            self._held[key] = task.result()

    async def _fetch(self, key: TokenKey) -> _Held:
        answer = await self._request(key)
        status = answer.get("status") or {}
        if not status.get("token"):
            raise TokenFetchFailed("the server's answer holds no token")
        seconds = (answer.get("spec") or {}).get("expirationSeconds")
        if seconds is None:
            _log.error(
                "token of service account %s/%s came without expirationSeconds; "
                "it will not be refreshed",
                key.namespace, key.service_account,
            )  # fmt: skip
            return _Held(Secret(status["token"]), None, timedelta(0))
        try:
            expires_at = parse_time(str(status.get("expirationTimestamp")))
        except ValueError as error:
            raise TokenFetchFailed("the server's answer names no time of expiry") from error
        lifetime = TokenLifetime(expires_at - timedelta(seconds=int(seconds)), expires_at)
        jitter = lifetime.maximum_jitter * self._choose_share()
        held = _Held(Secret(status["token"]), lifetime, jitter)
        now = self._clock.now()
        skew = (lifetime.issued_at - now).total_seconds()
        self._metrics.clock_skew.set(round(skew, 3))
        if now < lifetime.issued_at:
            # The server's clock is still ahead: look again, but do not ask without pause.
            held.retry_at = now + MAX_RETRY
        return held

    def _reason(self, key: TokenKey) -> str:
        held = self._held.get(key)
        if held is None or held.lifetime is None:
            return "new"
        return "clock" if self._clock.now() < held.lifetime.issued_at else "age"

    def _show_age(self) -> None:
        now = self._clock.now()
        lives = [held.lifetime for held in self._held.values() if held.lifetime is not None]
        ratios = [
            (now - one.issued_at) / (one.expires_at - one.issued_at)
            for one in lives
            if one.expires_at > one.issued_at
        ]
        self._metrics.token_age.set(round(max(ratios, default=0.0), 4))

    def _drop_expired(self, now: datetime, *, but: TokenKey) -> None:
        """Drop what nobody asked for until its end; `but` is being asked for now."""
        for key, held in [*self._held.items()]:
            if key != but and held.lifetime is not None and held.lifetime.expired(now):
                del self._held[key]
