"""Decides for each request whether it is audited, and where its events go."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from podpass.api.meta import UserInfo
from podpass.apiserver.audit_event import RequestAudit
from podpass.apiserver.audit_file import AuditFile
from podpass.apiserver.audit_policy import AuditPolicy, Level, load_policy
from podpass.apiserver.metrics import Metrics
from podpass.apiserver.plain_request import HttpRequest
from podpass.apiserver.request_info import RequestInfo
from podpass.apiserver.settings import ApiServerSettings
from podpass.base.clock import Clock

_MEBIBYTE = 1024 * 1024
_NOBODY = UserInfo("")


class LineSink(Protocol):
    """Takes finished lines."""

    lost: int

    def write(self, line: bytes) -> None:
        """Have a line written soon."""
        ...

    def close(self) -> None:
        """Write what is waiting."""
        ...


class Auditor:
    """The audit log of one server."""

    def __init__(
        self, policy: AuditPolicy, sink: LineSink, metrics: Metrics, now: Callable[[], datetime]
    ) -> None:
        """Log what `policy` says to `sink`."""
        self._policy = policy
        self._sink = sink
        self._metrics = metrics
        self._now = now
        metrics.registry.before_render(self._count_lost)

    def begin(
        self,
        http: HttpRequest,
        info: RequestInfo,
        audit_id: str,
        user: UserInfo,
        annotations: dict[str, str],
    ) -> RequestAudit | None:
        """Follow a request from the moment that its sender is known; None if it is not logged."""
        decision = self._policy.decide(user, info)
        if decision.level is Level.NONE:
            return None
        return RequestAudit(
            http=http,
            info=info,
            id=audit_id,
            user=user,
            decision=decision,
            annotations=annotations,
            now=self._now,
            send=self._send,
        )

    def refused(self, http: HttpRequest, info: RequestInfo, audit_id: str, how: str) -> None:
        """Log a request that was refused because of its credential.

        Args:
            http: The request.
            info: What it was about.
            audit_id: Its id.
            how: What it came with, e.g. `bearer`.
        """
        audit = self.begin(http, info, audit_id, _NOBODY, {})
        if audit is not None:
            audit.unauthenticated(f"Authentication failed, attempted: {how}")

    def close(self) -> None:
        """Write what is waiting."""
        self._sink.close()

    def _send(self, line: bytes) -> None:
        self._metrics.audit_events.inc()
        self._sink.write(line)

    def _count_lost(self) -> None:
        counter = self._metrics.audit_errors
        counter.inc("log", by=self._sink.lost - counter.value("log"))


def open_auditor(settings: ApiServerSettings, metrics: Metrics, clock: Clock) -> Auditor | None:
    """Return the auditor of the settings; None if there is no log or no policy, as upstream.

    Raises:
        AuditUnusable: The policy is bad, or the log cannot be written.
    """
    if settings.audit_policy_file is None or not settings.audit_log_path:
        return None
    policy = load_policy(settings.audit_policy_file)
    sink = AuditFile(
        settings.audit_log_path,
        now=clock.now,
        maximum_bytes=settings.audit_log_maxsize * _MEBIBYTE,
        backups=settings.audit_log_maxbackup,
        days=settings.audit_log_maxage,
    )
    return Auditor(policy, sink, metrics, clock.now)
