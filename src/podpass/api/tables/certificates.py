"""Requests for certificates in a table.

Source: Kubernetes `pkg/printers/internalversion/printers.go`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from podpass.api.certificate_requests import conditions_of
from podpass.api.meta import name_of
from podpass.api.resources import Object
from podpass.api.tables.columns import NONE, Column, Printer, age, human_duration


def _condition(request: Object) -> str:
    kinds = [str(one.get("type")) for one in conditions_of(request)]
    words: list[str] = [word for word in ("Approved", "Denied", "Failed") if word in kinds] or [
        "Pending"
    ]
    if (request.get("status") or {}).get("certificate"):
        words.append("Issued")
    return ",".join(words)


def _cells(request: Object, now: datetime) -> list[Any]:
    spec = request.get("spec") or {}
    seconds = spec.get("expirationSeconds")
    return [
        name_of(request),
        age(request, now),
        spec.get("signerName") or NONE,
        spec.get("username", ""),
        NONE if seconds is None else human_duration(timedelta(seconds=seconds)),
        _condition(request),
    ]


PRINTERS: Final[dict[str, Printer]] = {
    "CertificateSigningRequest": Printer(
        (
            Column("Name"),
            Column("Age"),
            Column("SignerName"),
            Column("Requestor"),
            Column("RequestedDuration"),
            Column("Condition"),
        ),
        _cells,
    )
}
