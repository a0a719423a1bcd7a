"""For how long an answer may be kept, as its headers say (RFC 9111, sections 4.2 and 5.2.2)."""

from __future__ import annotations

from collections.abc import Mapping


def fresh_seconds(headers: Mapping[str, str]) -> float | None:
    """Return the seconds for which an answer is fresh.

    Args:
        headers: Of the answer, names in lower case.

    Returns:
        0 where it is not to be kept, None where the headers say nothing that can be read.
    """
    directives = {
        name.strip().lower(): value.strip().strip('"')
        for name, _, value in (
            one.partition("=") for one in headers.get("cache-control", "").split(",")
        )
    }
    if "no-store" in directives or "no-cache" in directives:
        return 0.0
    seconds = _number(directives.get("max-age", ""))
    if seconds is None:
        return None
    return max(0.0, seconds - (_number(headers.get("age", "")) or 0.0))


def _number(text: str) -> float | None:
    return float(text) if text.isascii() and text.isdigit() else None
