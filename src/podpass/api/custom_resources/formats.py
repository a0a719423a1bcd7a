"""The `format` of strings; what is not known here is not checked, as in Kubernetes.

Source: kubernetes.io "Custom Resource Definition", section "Validation" (supported formats).
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date
from typing import Any, Final
from urllib.parse import urlsplit

from podpass.api import names
from podpass.api.meta import parse_time

_DATE_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:?\d\d)\Z", re.ASCII
)
_DURATION: Final = re.compile(r"[-+]?(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)\Z", re.ASCII)
_WORDED_DURATION: Final = re.compile(
    r"(\d+)\s*(nanoseconds?|nanos?|ns|microseconds?|micros?|us|milliseconds?|millis?|ms|seconds?"
    r"|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d|weeks?|wks?|w)\Z",
    re.ASCII,
)
_UUID: Final = r"[0-9a-f]{{8}}-?[0-9a-f]{{4}}-?{}[0-9a-f]{{3}}-?{}[0-9a-f]{{3}}-?[0-9a-f]{{12}}"
_ANY, _VARIANT = "[0-9a-f]", "[89ab]"
_EMAIL: Final = re.compile(r"[^\s@<>]+@[^\s@<>]+\Z", re.ASCII)
_HOST: Final = re.compile(
    r"(?=.{1,255}\Z)[a-z0-9]([-a-z0-9]{0,62}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,62}[a-z0-9])?)*\.?\Z",
    re.ASCII | re.IGNORECASE,
)
_MAC: Final = re.compile(
    r"([0-9a-f]{2}([:-]))([0-9a-f]{2}\2){4}([0-9a-f]{2}|([0-9a-f]{2}\2){2}[0-9a-f]{2})\Z"
    r"|([0-9a-f]{4}\.){2,3}[0-9a-f]{4}\Z",
    re.ASCII | re.IGNORECASE,
)


def _matching(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern, re.ASCII | re.IGNORECASE)
    return lambda text: compiled.fullmatch(text) is not None


def _reads(function: Callable[[str], Any]) -> Callable[[str], bool]:
    def holds(text: str) -> bool:
        with suppress(ValueError, OverflowError, binascii.Error):
            function(text)
            return True
        return False

    return holds


def _date_time(text: str) -> bool:
    if not _DATE_TIME.match(text):
        return False
    return _reads(lambda one: parse_time(one.upper().replace(" ", "T")))(text)


def _uri(text: str) -> bool:
    with suppress(ValueError):
        parts = urlsplit(text)
        return bool(text) and bool(parts.scheme or text.startswith("/"))
    return False


_CHECKS: Final[Mapping[str, Callable[[str], bool]]] = {
    "byte": _reads(lambda text: base64.b64decode(text, validate=True)),
    "bsonobjectid": _matching("[0-9a-f]{24}"),
    "cidr": _reads(lambda text: ipaddress.ip_interface(text) if "/" in text else int("x")),
    "date": _reads(date.fromisoformat),
    "date-time": _date_time,
    "datetime": _date_time,
    "duration": lambda text: bool(_DURATION.match(text) or _WORDED_DURATION.match(text)),
    "email": lambda text: _EMAIL.match(text) is not None,
    "hexcolor": _matching("#?([0-9a-f]{3}|[0-9a-f]{6})"),
    "hostname": lambda text: _HOST.match(text) is not None,
    "ipv4": _reads(ipaddress.IPv4Address),
    "ipv6": _reads(ipaddress.IPv6Address),
    "k8s-long-name": lambda text: not names.dns_subdomain_problems(text),
    "k8s-short-name": lambda text: not names.dns_label_problems(text),
    "mac": lambda text: _MAC.match(text) is not None,
    "uri": _uri,
    "uuid": _matching(_UUID.format(_ANY, _ANY)),
    "uuid3": _matching(_UUID.format("3", _ANY)),
    "uuid4": _matching(_UUID.format("4", _VARIANT)),
    "uuid5": _matching(_UUID.format("5", _VARIANT)),
}


def has_format(text: str, name: str) -> bool:
    """Tell whether a string has this format; an unknown format holds for all."""
    check = _CHECKS.get(name)
    return check is None or check(text)
