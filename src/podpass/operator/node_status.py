"""The status of the KubeAPIServer object as the operator reads and writes it.

`status` of a node that is not known is written with nothing but its name: a current or target
revision may only be set on an entry that is there already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from podpass.api.meta import format_time, parse_time
from podpass.api.resources import Object

INSTALLER_FAILED: Final = "InstallerFailed"
OPERAND_FAILED: Final = "OperandFailed"
OPERAND_FAILED_FALLBACK: Final = "OperandFailedFallback"

_OWN: Final = (
    "nodeName", "currentRevision", "targetRevision", "lastFailedRevision", "lastFailedTime",
    "lastFailedReason", "lastFailedCount", "lastFailedRevisionErrors",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One entry of `status.nodeStatuses`.

    Attributes:
        name: `nodeName`.
        current_revision: What runs there, and was ready; 0 for nothing.
        target_revision: What is being installed; 0 for nothing.
        last_failed_revision: Kept after a later success.
        last_failed_time: When.
        last_failed_reason: `InstallerFailed` and the like.
        last_failed_count: Failures of that revision.
        last_failed_errors: What was said.
        other: Fields that the operator does not write.
    """

    name: str
    current_revision: int = 0
    target_revision: int = 0
    last_failed_revision: int = 0
    last_failed_time: datetime | None = None
    last_failed_reason: str = ""
    last_failed_count: int = 0
    last_failed_errors: tuple[str, ...] = ()
    other: Object = field(default_factory=dict)

    @property
    def attempt(self) -> int:
        """How often the revision being installed has failed already."""
        failed = self.last_failed_revision
        return self.last_failed_count if failed and failed == self.target_revision else 0

    def to_json(self) -> Object:
        """Return the wire form; zeros are left out."""
        failed_at = format_time(self.last_failed_time) if self.last_failed_time else None
        own = {
            "currentRevision": self.current_revision,
            "targetRevision": self.target_revision,
            "lastFailedRevision": self.last_failed_revision,
            "lastFailedTime": failed_at,
            "lastFailedReason": self.last_failed_reason,
            "lastFailedCount": self.last_failed_count,
            "lastFailedRevisionErrors": list(self.last_failed_errors),
        }
        shown = {key: value for key, value in own.items() if value}
        return {"nodeName": self.name} | self.other | shown


def read_node_status(entry: Object) -> NodeStatus:
    """Return an entry of `status.nodeStatuses`."""
    failed_at = entry.get("lastFailedTime")
    return NodeStatus(
        name=str(entry.get("nodeName", "")),
        current_revision=int(entry.get("currentRevision") or 0),
        target_revision=int(entry.get("targetRevision") or 0),
        last_failed_revision=int(entry.get("lastFailedRevision") or 0),
        last_failed_time=parse_time(failed_at) if failed_at else None,
        last_failed_reason=str(entry.get("lastFailedReason") or ""),
        last_failed_count=int(entry.get("lastFailedCount") or 0),
        last_failed_errors=tuple(entry.get("lastFailedRevisionErrors") or ()),
        other={key: value for key, value in entry.items() if key not in _OWN},
    )


def status_of(operator: Object) -> dict[str, Any]:
    """Return `status`, or an empty dict; not to be changed."""
    return operator.get("status") or {}


def latest_revision(operator: Object) -> int:
    """Return `status.latestAvailableRevision`."""
    return int(status_of(operator).get("latestAvailableRevision") or 0)


def node_statuses(operator: Object) -> list[NodeStatus]:
    """Return `status.nodeStatuses` in their order."""
    return [read_node_status(one) for one in status_of(operator).get("nodeStatuses") or ()]


def write_node_statuses(operator: Object, nodes: Sequence[NodeStatus]) -> None:
    """Replace `status.nodeStatuses`, in place."""
    operator.setdefault("status", {})["nodeStatuses"] = [one.to_json() for one in nodes]


def is_managed(operator: Object) -> bool:
    """Tell whether the operator may act; only these two states say no."""
    return (operator.get("spec") or {}).get("managementState") not in ("Unmanaged", "Removed")
