"""Tokens of Secrets at the API server: accepted, counted, and the day of their use written down.

1. The last use is a date in a label of the Secret, written once a day and also for a token that is
   marked invalid. That it cannot be written refuses nobody.
2. Counters move when a token is validated, not when the cache answers for it.

Source: Kubernetes `pkg/serviceaccount/legacy.go`, `patchSecretWithLastUsedDate`; KEP-2799.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta

from podpass.api.errors import StatusError
from podpass.api.meta import labels_of, name_of, namespace_of, uid_of
from podpass.api.resources import SECRETS, Object
from podpass.apiserver.metrics import TokenMetrics
from podpass.base.clock import Clock
from podpass.serviceaccount.legacy import (
    LegacyTokenValidator,
    MarkedInvalid,
)
from podpass.serviceaccount.token_secret import (
    LAST_USED,
)
from podpass.serviceaccount.validation import ValidToken
from podpass.storage.objects import ObjectStore

_log = logging.getLogger("legacy-tokens")


class LegacyTokens:
    """Judges tokens of Secrets."""

    def __init__(
        self,
        validator: LegacyTokenValidator,
        objects: ObjectStore,
        metrics: TokenMetrics,
        clock: Clock,
    ) -> None:
        """Judge by `validator`; the label goes to `objects`."""
        self._validator = validator
        self._objects = objects
        self._metrics = metrics
        self._clock = clock

    async def validate(self, token: str, target_audiences: Sequence[str]) -> ValidToken:
        """Return whose token this is.

        Args:
            token: Compact JWS whose issuer is LEGACY_ISSUER.
            target_audiences: Who wants to accept it.

        Raises:
            InvalidToken: See `LegacyTokenValidator.validate`.
        """
        try:
            use = await self._validator.validate(token, target_audiences)
        except MarkedInvalid as error:
            self._metrics.invalid_auto.inc()
            await self._note_use(error.secret)
            raise
        (self._metrics.auto if use.automatic else self._metrics.manual).inc()
        await self._note_use(use.secret)
        return use.valid

    async def _note_use(self, secret: Object) -> None:
        now = self._clock.now()
        today, tomorrow = str(now.date()), str((now + timedelta(days=1)).date())
        if labels_of(secret).get(LAST_USED) in {today, tomorrow}:  # 1
            return

        def change(current: Object) -> Object:
            labels = {**labels_of(current), LAST_USED: today}
            return current | {"metadata": current["metadata"] | {"labels": labels}}

        namespace, name = namespace_of(secret), name_of(secret)
        try:
            await self._objects.update(
                SECRETS, namespace, name, change, expected_uid=uid_of(secret)
            )
        except StatusError as error:
            _log.warning("last use of secret %s/%s not noted: %s", namespace, name, error)
