"""The service account tokens that this node holds for its pods.

1. A token is asked for once per key, however many volumes want it at the same time.
2. It is asked for again when `refresh` says so; until then everyone gets the copy.
3. When asking fails, a copy that is still valid is given out; failures are not remembered.
4. Tokens of deleted pods, and expired ones, are dropped; tokens live in memory only.
5. What is done for one pod costs the same however many tokens the node holds.

A key is made of the request, and so is the token's slot, which spreads the refreshes of a cluster.
What is kept is the answer, and its `spec.expirationSeconds`, which the server may have shortened or
extended, decides the refresh. No token or key holding one ever shows itself in logs or errors.

Source: Kubernetes v1.36, `pkg/kubelet/token/token_manager.go`.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
from typing import TypeAlias

from podpass.api.errors import StatusError
from podpass.api.meta import parse_time
from podpass.api.resources import AUTHENTICATION, SERVICE_ACCOUNTS, Object
from podpass.base.clock import Clock
from podpass.base.logs import Secret
from podpass.base.tasks import jitter
from podpass.client.config import ConfigError
from podpass.client.rest import ConnectionFailed, RestClient
from podpass.kubelet.held_token import HeldToken
from podpass.kubelet.metrics import KubeletMetrics
from podpass.kubelet.refresh import TokenLifetime

_log = logging.getLogger("kubelet.token")

SWEEP_SECONDS = 60.0
"""Between two looks for expired tokens that nobody asked for."""


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

    def slot(self) -> float:
        """Return the token's place in the period of refreshes, 0 to below 1, even over all pods."""
        text = "\0".join(
            (self.pod_uid, self.service_account, str(self.expiration_seconds), *self.audiences)
        )
        digest = hashlib.blake2b(text.encode(), digest_size=6).digest()
        return int.from_bytes(digest) / 2**48

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


class TokenManager:
    """Holds the tokens of this node's pods."""

    def __init__(
        self,
        request: RequestToken,
        clock: Clock,
        *,
        slot_of: Callable[[TokenKey], float] = TokenKey.slot,
        choose_spread: Callable[[], float] = lambda: jitter(1.0, 1.0) - 1.0,
        metrics: KubeletMetrics | None = None,
    ) -> None:
        """Prepare; nothing is asked for yet.

        Args:
            request: Asks the API server.
            clock: Tells when a refresh is due.
            slot_of: Returns a token's place in the period of refreshes, 0 to below 1.
            choose_spread: Returns which part of the spread of a retry to use, 0 to 1.
            metrics: Counts refreshes.
        """
        self._request = request
        self._clock = clock
        self._slot_of = slot_of
        self._choose_spread = choose_spread
        self._held: dict[str, dict[TokenKey, HeldToken]] = {}
        self._running: dict[str, dict[TokenKey, asyncio.Task[HeldToken]]] = {}
        self._next_sweep = clock.monotonic()
        self._metrics = metrics or KubeletMetrics()
        self._metrics.registry.before_render(self._show_age)

    async def token(self, key: TokenKey) -> str:
        """Return a valid token, fetched now if there is none or a refresh is due.

        Raises:
            TokenFetchFailed: None could be fetched and none that is valid is held.
        """
        now = self._clock.now()
        self._drop_expired(now, but=key)
        held = self._find(key)
        if held is not None and not held.due(now):
            held.looked_at()
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
        of_pod = self._held.get(pod_uid, {})
        times = [moment for one in of_pod.values() if (moment := one.next_check()) is not None]
        return min(times, default=None)

    def wants_look(self, key: TokenKey) -> bool:
        """Tell whether the time of this token's next check has come, or there is none."""
        held = self._find(key)
        if held is None:
            return True
        moment = held.next_check()
        return moment is not None and self._clock.now() >= moment

    def forget_pod(self, pod_uid: str) -> None:
        """Drop the tokens of a pod that is gone."""
        self._held.pop(pod_uid, None)
        for task in self._running.pop(pod_uid, {}).values():
            task.cancel()

    def _find(self, key: TokenKey) -> HeldToken | None:
        return self._held.get(key.pod_uid, {}).get(key)

    def _drop(self, key: TokenKey) -> None:
        of_pod = self._held.get(key.pod_uid, {})
        of_pod.pop(key, None)
        if not of_pod:
            self._held.pop(key.pod_uid, None)

    def _still_valid(self, key: TokenKey, held: HeldToken, error: Exception) -> str:
        """Return the old token after a failed refresh; rule 3."""
        now = self._clock.now()
        if held.expired(now):
            self._drop(key)
            raise TokenFetchFailed(
                f"token of service account {key.namespace}/{key.service_account} "
                f"expired and refresh failed: {error}"
            ) from error
        held.refresh_failed(now, self._choose_spread())
        _log.warning(
            "token of service account %s/%s for pod %s not refreshed, keeping the valid one: %s",
            key.namespace, key.service_account, key.pod_name, error,
        )  # fmt: skip
        return held.token.reveal()

    async def _fetch_once(self, key: TokenKey) -> HeldToken:
        """Share one request between all who want the same token; rule 1."""
        running = self._running.setdefault(key.pod_uid, {})
        task = running.get(key)
        if task is None:
            self._metrics.refreshes.inc(self._reason(key))
            task = running[key] = asyncio.create_task(self._fetch(key))
            task.add_done_callback(partial(self._fetched, key))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise TokenFetchFailed("the pod was deleted") from None
            raise

    def _fetched(self, key: TokenKey, task: asyncio.Task[HeldToken]) -> None:
        running = self._running.get(key.pod_uid, {})
        if running.get(key) is not task:
            return  # the pod is gone
        del running[key]
        if not running:
            del self._running[key.pod_uid]
        if not task.cancelled() and task.exception() is None:
            self._held.setdefault(key.pod_uid, {})[key] = task.result()

    async def _fetch(self, key: TokenKey) -> HeldToken:
        answer = await self._request(key)
        status = answer.get("status") or {}
        if not status.get("token"):
            raise TokenFetchFailed("the server's answer holds no token")
        token = Secret(status["token"])
        seconds = (answer.get("spec") or {}).get("expirationSeconds")
        if seconds is None:
            _log.error(
                "token of service account %s/%s came without expirationSeconds; "
                "it will not be refreshed",
                key.namespace, key.service_account,
            )  # fmt: skip
            return HeldToken.received(token, None, 0.0, self._clock.now())
        try:
            expires_at = parse_time(str(status.get("expirationTimestamp")))
        except ValueError as error:
            raise TokenFetchFailed("the server's answer names no time of expiry") from error
        lifetime = TokenLifetime(expires_at - timedelta(seconds=int(seconds)), expires_at)
        now = self._clock.now()
        self._metrics.clock_skew.set(round((lifetime.issued_at - now).total_seconds(), 3))
        return HeldToken.received(token, lifetime, self._slot_of(key), now)

    def _reason(self, key: TokenKey) -> str:
        held = self._find(key)
        if held is None or held.lifetime is None:
            return "new"
        return "clock" if self._clock.now() < held.lifetime.issued_at else "age"

    def _show_age(self) -> None:
        now = self._clock.now()
        lives = [one.lifetime for one in self._all() if one.lifetime is not None]
        ratios = [
            (now - one.issued_at) / (one.expires_at - one.issued_at)
            for one in lives
            if one.expires_at > one.issued_at
        ]
        self._metrics.token_age.set(round(max(ratios, default=0.0), 4))

    def _all(self) -> Iterator[HeldToken]:
        return chain.from_iterable(of_pod.values() for of_pod in self._held.values())

    def _drop_expired(self, now: datetime, *, but: TokenKey) -> None:
        """Drop, now and then, what nobody asked for until its end; `but` is being asked for."""
        if self._clock.monotonic() < self._next_sweep:
            return
        self._next_sweep = self._clock.monotonic() + SWEEP_SECONDS
        for of_pod in [*self._held.values()]:
            for key, held in [*of_pod.items()]:
                if key != but and held.expired(now):
                    self._drop(key)
