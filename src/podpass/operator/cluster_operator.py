"""The ClusterOperator: all conditions of the KubeAPIServer boiled down to four.

1. A condition belongs to the group whose name its type ends with.
2. Nothing found: Unknown, `NoData`. All as they should be: that value, `AsExpected`, and all
   messages.
3. Otherwise the opposite value (Unknown if the bad ones all are), and only the bad ones speak:
   `{Type}_{Reason}`, or `{Type}` without a reason, joined by `::`.
4. Degraded is sluggish: what has been bad for less than the inertia does not count.

Source: openshift/library-go, `status/status_controller.go`, `condition.go`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from podpass.api.meta import parse_time, set_condition
from podpass.api.resources import Object

DEGRADED: Final = "Degraded"
GROUPS: Final[Mapping[str, str]] = {
    DEGRADED: "False",
    "Progressing": "False",
    "Available": "True",
    "Upgradeable": "True",
}
"""Group to the status that it should have."""

_OPPOSITE: Final = {"True": "False", "False": "True"}


@dataclass(frozen=True, slots=True)
class Summary:
    """One condition of the ClusterOperator."""

    type: str
    status: str
    reason: str
    message: str


def summarize(
    group: str, conditions: Iterable[Object], *, now: datetime, inertia: timedelta
) -> Summary:
    """Return the condition of one group.

    Args:
        group: A key of GROUPS.
        conditions: Of the KubeAPIServer.
        now: Current time.
        inertia: Rule 4; has no meaning for other groups.
    """
    good = GROUPS[group]
    members = [one for one in conditions if str(one.get("type", "")).endswith(group)]
    if not members:
        return Summary(group, "Unknown", "NoData", "")
    bad = [one for one in members if one.get("status") != good]
    if group == DEGRADED:
        bad = [one for one in bad if not _younger_than(one, inertia, now)]
    if not bad:
        return Summary(group, good, "AsExpected", _messages(members) or "All is well")
    unknown = all(one.get("status") == "Unknown" for one in bad)
    names = []
    for one in bad:
        name = str(one["type"]).removesuffix(group)
        names.append(f"{name}_{one['reason']}" if one.get("reason") else name)
    return Summary(
        group, "Unknown" if unknown else _OPPOSITE[good], "::".join(sorted(names)), _messages(bad)
    )


def summaries(
    conditions: Sequence[Object], *, now: datetime, inertia: timedelta
) -> tuple[Summary, ...]:
    """Return all conditions of the ClusterOperator."""
    return tuple(summarize(group, conditions, now=now, inertia=inertia) for group in GROUPS)


def apply_summaries(status: Object, wanted: Iterable[Summary], *, now: datetime) -> bool:
    """Put the conditions into the status of a ClusterOperator; tell whether anything changed."""
    conditions = status.setdefault("conditions", [])
    changed = False
    for one in wanted:
        changed |= set_condition(
            conditions,
            one.type,
            one.status,
            now=now,
            reason=one.reason or None,
            message=one.message or None,
        )
    return changed


def _younger_than(condition: Object, inertia: timedelta, now: datetime) -> bool:
    since = condition.get("lastTransitionTime")
    return bool(since) and now - parse_time(str(since)) < inertia


def _messages(conditions: Iterable[Object]) -> str:
    """Return `{Type}: {line}` for every line, each line of a condition once."""
    lines = []
    for one in sorted(conditions, key=lambda one: str(one["type"])):
        said = dict.fromkeys(str(one.get("message") or "").split("\n"))
        lines += [f"{one['type']}: {line}" for line in said if line]
    return "\n".join(lines)
