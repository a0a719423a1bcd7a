"""From the Authentication to `observedConfig`: the list of issuers, and its observation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import orjson

from podpass.api.resources import Object
from podpass.operator.names import CLUSTER, DEFAULT_ISSUER
from podpass.operator.node_status import is_managed, status_of
from podpass.operator.parts import Parts
from podpass.operator.service_account_issuer import (
    ISSUER_ARGUMENT,
    IssuerChange,
    IssuerError,
    change_issuers,
    next_expiration,
    observe_issuer,
    read_entries,
)
from podpass.operator.sync_loop import DegradedWords, SyncError, SyncLoop


def wanted_issuer(parts: Parts) -> str:
    """Return `spec.serviceAccountIssuer`; an Authentication that is missing asks for nothing."""
    authentication = parts.live.authentications.get(None, CLUSTER) or {}
    return str((authentication.get("spec") or {}).get("serviceAccountIssuer") or "")


class ServiceAccountIssuerController:
    """Keeps `status.serviceAccountIssuers`; only a profile that trusts former issuers runs it."""

    def __init__(self, parts: Parts, trust: timedelta) -> None:
        self._parts = parts
        self._trust = trust

    def loop(self) -> SyncLoop:
        """Return the loop that runs it."""
        loop = self._parts.loop(
            DegradedWords("ServiceAccountIssuerController", silent=True), self.sync
        )
        loop.follow(self._parts.live.authentications)
        return loop

    async def sync(self) -> timedelta | None:
        """Bring the list to what is wanted; return when the next issuer expires.

        Raises:
            SyncError: There are too many issuers.
        """
        wanted = wanted_issuer(self._parts)
        made: list[IssuerChange] = []

        def change(operator: Object) -> None:
            made.clear()
            found = change_issuers(
                read_entries(status_of(operator)),
                wanted,
                trust=self._trust,
                now=self._parts.clock.now(),
            )
            if found is not None:
                made.append(found)
                operator.setdefault("status", {})["serviceAccountIssuers"] = [
                    one.to_json() for one in found.entries
                ]

        try:
            operator = await self._parts.status.update_status(change)
        except IssuerError as error:
            raise SyncError(str(error)) from error
        for one in made:
            self._parts.objects.event("Normal", "ServiceAccountIssuer", one.message)
        expires = next_expiration(read_entries(status_of(operator)))
        return None if expires is None else expires - self._parts.clock.now()


class ConfigObserver:
    """Keeps `spec.observedConfig`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def loop(self) -> SyncLoop:
        """Return the loop that runs it."""
        words = DegradedWords("ConfigObservation", "Error", "")
        loop = self._parts.loop(words, self.sync)
        loop.follow(self._parts.live.authentications)
        loop.follow(self._parts.live.infrastructures)
        return loop

    async def sync(self) -> None:
        """Observe, and write what is new.

        Raises:
            SyncError: The issuer is not valid; the former configuration stays.
        """
        parts = self._parts
        operator = parts.live.operator
        if not operator or not is_managed(operator):
            return
        infrastructure = parts.live.infrastructures.get(None, CLUSTER) or {}
        try:
            arguments = observe_issuer(
                wanted_issuer(parts),
                read_entries(status_of(operator)),
                infrastructure.get("status") or {},
                parts.settings.profile,
            )
        except IssuerError as error:
            raise SyncError(str(error)) from error
        observed = {"apiServerArguments": arguments}
        former = (operator.get("spec") or {}).get("observedConfig") or {}
        if former == observed:
            return

        def change(obj: Object) -> None:
            obj.setdefault("spec", {})["observedConfig"] = observed

        await parts.status.update_spec(change)
        self._tell(former, observed)

    def _tell(self, former: Object, observed: Object) -> None:
        before, now = _issuers(former), _issuers(observed)
        if set(before) != set(now):
            self._parts.objects.event(
                "Normal",
                "ObserveServiceAccountIssuer",
                f"ServiceAccount issuer changed from {before[0]} to {now[0]}",
            )
        text = orjson.dumps(observed, option=orjson.OPT_SORT_KEYS).decode()
        self._parts.objects.event(
            "Normal", "ObservedConfigChanged", f"Writing updated observed config: {text}"
        )


def _issuers(observed: Object) -> Sequence[str]:
    arguments: Mapping[str, list[str]] = observed.get("apiServerArguments") or {}
    return arguments.get(ISSUER_ARGUMENT) or [DEFAULT_ISSUER]
