"""What all objects share: metadata, time, owner references, conditions.

Times on the wire are RFC 3339 in UTC with whole seconds and `Z` (`metav1.Time`); `MicroTime` has
six decimals.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from podpass.api.resources import Object


@dataclass(frozen=True, slots=True)
class UserInfo:
    """Who makes a request (`authentication.k8s.io/v1 UserInfo`).

    Attributes:
        name: User name, e.g. `system:serviceaccount:ns:name`.
        uid: Stable identity; empty if there is none.
        groups: Group names.
        extra: Further facts from the authenticator, e.g. the pod of a bound token.
    """

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def to_json(self) -> Object:
        """Return the wire form, without empty fields."""
        out: Object = {"username": self.name}
        if self.uid:
            out["uid"] = self.uid
        if self.groups:
            out["groups"] = list(self.groups)
        if self.extra:
            out["extra"] = {key: list(values) for key, values in self.extra.items()}
        return out


def format_time(moment: datetime) -> str:
    """Return `moment` as `metav1.Time`: whole seconds, `Z`."""
    return f"{moment.astimezone(UTC).isoformat()[:19]}Z"


def format_micro_time(moment: datetime) -> str:
    """Return `moment` as `metav1.MicroTime`: six decimals, `Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> datetime:
    """Read an RFC 3339 time.

    Raises:
        ValueError: `text` is not such a time, or has no offset.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"time {text!r} has no offset; write it with Z")
    return moment.astimezone(UTC)


def name_of(obj: Object) -> str:
    """Return `metadata.name`, or an empty string."""
    return str(obj.get("metadata", {}).get("name") or "")


def namespace_of(obj: Object) -> str:
    """Return `metadata.namespace`, or an empty string."""
    return str(obj.get("metadata", {}).get("namespace") or "")


def uid_of(obj: Object) -> str:
    """Return `metadata.uid`, or an empty string."""
    return str(obj.get("metadata", {}).get("uid") or "")


def resource_version_of(obj: Object) -> str:
    """Return `metadata.resourceVersion`, or an empty string."""
    return str(obj.get("metadata", {}).get("resourceVersion") or "")


def labels_of(obj: Object) -> dict[str, str]:
    """Return `metadata.labels`, or an empty dict; not to be changed."""
    return obj.get("metadata", {}).get("labels") or {}


def annotations_of(obj: Object) -> dict[str, str]:
    """Return `metadata.annotations`, or an empty dict; not to be changed."""
    return obj.get("metadata", {}).get("annotations") or {}


def is_terminating(obj: Object) -> bool:
    """Tell whether a deletion was asked for and is under way."""
    return bool(obj.get("metadata", {}).get("deletionTimestamp"))


def find_condition(conditions: Iterable[Object], type_: str) -> Object | None:
    """Return the condition of this type, or None."""
    return next((one for one in conditions if one.get("type") == type_), None)


def set_condition(
    conditions: list[Object], type_: str, status: str, *, now: datetime, **fields: Any
) -> bool:
    """Put a condition in place; `lastTransitionTime` moves only when `status` does.

    Args:
        conditions: The list, changed in place.
        type_: e.g. `Ready`.
        status: `True`, `False` or `Unknown`.
        now: Time of the observation.
        fields: reason, message and the like; None removes the field.

    Returns:
        Whether anything but the time of observation changed.
    """
    current = find_condition(conditions, type_)
    wanted = {"type": type_, "status": status}
    wanted |= {key: value for key, value in fields.items() if value is not None}
    if current is None:
        conditions.append(wanted | {"lastTransitionTime": format_time(now)})
        return True
    changed = any(current.get(key) != value for key, value in wanted.items()) or any(
        key in current for key, value in fields.items() if value is None
    )
    if current.get("status") != status:
        current["lastTransitionTime"] = format_time(now)
    for key in [key for key, value in fields.items() if value is None]:
        current.pop(key, None)
    current.update(wanted)
    return changed
