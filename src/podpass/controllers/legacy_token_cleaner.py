"""Marks, and a period later deletes, Secrets of old controllers that nobody uses.

1. Nothing happens before uses were written down for a whole period: until a day and a period
   after `since` of the tracking ConfigMap, counted from midnight (UTC).
2. A candidate is a token Secret, older than the period, not on its way out, not used within the
   period, listed by its account, and named by no pod.
3. A candidate without a mark is marked; one whose mark is older than the period is deleted, if it
   is still as it was looked at. Taking the mark off starts again.

Made by hand, a Secret is listed by no account, and stays. Source: Kubernetes
`pkg/controller/serviceaccount/legacy_serviceaccount_token_cleaner.go`; KEP-2799.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from podpass.api.errors import StatusError
from podpass.api.meta import (
    annotations_of,
    is_terminating,
    labels_of,
    name_of,
    namespace_of,
    parse_time,
    resource_version_of,
    uid_of,
)
from podpass.api.resources import CONFIG_MAPS, PODS, SECRETS, SERVICE_ACCOUNTS, Object
from podpass.base.clock import Clock
from podpass.client.rest import ConnectionFailed, RestClient
from podpass.controllers.refusals import is_not_found
from podpass.controllers.shared_informers import SharedInformers
from podpass.serviceaccount.token_secret import (
    ACCOUNT_NAME,
    ACCOUNT_UID,
    INVALID_SINCE,
    LAST_USED,
    is_token_secret_of,
)

INTERVAL_SECONDS = 24 * 3600.0
TRACKING_NAMESPACE = "kube-system"
TRACKING_NAME = "kube-apiserver-legacy-service-account-token-tracking"
_DAY = timedelta(days=1)

Verdict = Literal["keep", "mark", "delete"]

_log = logging.getLogger("legacy-token-cleaner")


def read_date(text: str | None) -> date | None:
    """Return a date written as `YYYY-MM-DD`, or None if it is none."""
    try:
        found = date.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.isoformat() == text else None


def is_tracked_long_enough(since: date | None, period: timedelta, now: datetime) -> bool:
    """Tell whether a missing date of use can be believed (rule 1)."""
    if since is None:
        return False
    midnight = datetime(since.year, since.month, since.day, tzinfo=UTC)
    return now >= midnight + _DAY + period


def judge(
    secret: Object, account: Object | None, *, mounted: bool, now: datetime, period: timedelta
) -> Verdict:
    """Return what is to become of a Secret (rules 2 and 3).

    Args:
        secret: Any Secret; its content is not looked at.
        account: The account that its annotation names.
        mounted: Whether a pod names it.
        now: Current time.
        period: Of the clean-up.
    """
    if not _is_candidate(secret, account, mounted=mounted, start=now - period):
        return "keep"
    since = read_date(labels_of(secret).get(INVALID_SINCE))
    if since is None:
        return "mark"
    return "delete" if since < (now - period).date() else "keep"


def _is_candidate(
    secret: Object, account: Object | None, *, mounted: bool, start: datetime
) -> bool:
    if account is None or mounted or is_terminating(secret):
        return False
    annotations = annotations_of(secret)
    if not is_token_secret_of(secret, account) or not annotations.get(ACCOUNT_UID):
        return False
    if all(one.get("name") != name_of(secret) for one in account.get("secrets") or ()):
        return False
    if parse_time(secret["metadata"]["creationTimestamp"]) >= start:
        return False
    used = labels_of(secret).get(LAST_USED)
    if used is None:
        return True
    last = read_date(used)
    return last is not None and last < start.date()


def secret_names(spec: Object) -> Iterator[str]:
    """Iterate over the Secrets that a pod names: volumes, environment, pull secrets."""
    for reference in spec.get("imagePullSecrets") or ():
        yield reference.get("name") or ""
    for volume in spec.get("volumes") or ():
        yield (volume.get("secret") or {}).get("secretName") or ""
        for source in (volume.get("projected") or {}).get("sources") or ():
            yield (source.get("secret") or {}).get("name") or ""
    for group in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(group) or ():
            for source in container.get("envFrom") or ():
                yield (source.get("secretRef") or {}).get("name") or ""
            for variable in container.get("env") or ():
                reference = (variable.get("valueFrom") or {}).get("secretKeyRef") or {}
                yield reference.get("name") or ""


class LegacyTokenCleaner:
    """Looks at all Secrets once a day."""

    def __init__(
        self, client: RestClient, informers: SharedInformers, clock: Clock, period: timedelta
    ) -> None:
        """Clean up what was not used for `period`."""
        self._client = client
        self._informers = informers
        self._clock = clock
        self._period = period

    async def run(self) -> None:
        """Work until cancelled."""
        await self._informers.wait_synced(SECRETS, SERVICE_ACCOUNTS, PODS)
        while True:
            try:
                await self.clean_up()
            except (StatusError, ConnectionFailed) as error:
                _log.warning("clean-up put off: %s", error)
            await self._clock.sleep(INTERVAL_SECONDS)

    async def clean_up(self) -> None:
        """Go over all Secrets once.

        Raises:
            StatusError: The tracking ConfigMap could not be read.
            ConnectionFailed: The API server was not reached.
        """
        now = self._clock.now()
        if not is_tracked_long_enough(await self._since(), self._period, now):
            return
        mounted = {
            (namespace_of(pod), name)
            for pod in self._informers[PODS].list()
            for name in secret_names(pod.get("spec") or {})
        }
        for secret in self._informers[SECRETS].list():
            namespace, name = namespace_of(secret), name_of(secret)
            account_name = annotations_of(secret).get(ACCOUNT_NAME)
            if not account_name:
                continue
            account = self._informers[SERVICE_ACCOUNTS].get(namespace, account_name)
            verdict = judge(
                secret,
                account,
                mounted=(namespace, name) in mounted,
                now=now,
                period=self._period,
            )
            await self._carry_out(verdict, secret, now)

    async def _since(self) -> date | None:
        try:
            found = await self._client.get(CONFIG_MAPS, TRACKING_NAMESPACE, TRACKING_NAME)
        except StatusError as error:
            if is_not_found(error):
                return None
            raise
        return read_date((found.get("data") or {}).get("since"))

    async def _carry_out(self, verdict: Verdict, secret: Object, now: datetime) -> None:
        namespace, name = namespace_of(secret), name_of(secret)
        version = resource_version_of(secret)
        try:
            if verdict == "mark":
                metadata = {
                    "uid": uid_of(secret),
                    "resourceVersion": version,
                    "labels": {INVALID_SINCE: str(now.date())},
                }
                await self._client.patch(SECRETS, namespace, name, {"metadata": metadata})
                _log.info("secret %s/%s was not used for long and is marked", namespace, name)
            elif verdict == "delete":
                await self._client.delete(SECRETS, namespace, name, resource_version=version)
                _log.info("secret %s/%s was marked long ago and is deleted", namespace, name)
        except StatusError as error:
            _log.warning("secret %s/%s: %s", namespace, name, error)
