"""Takes the events of a component, for tests that read them."""

from __future__ import annotations

from typing import Literal

from podpass.api.resources import Object


class EventList:
    """A recorder that remembers.

    Attributes:
        events: Object, type, reason, message and field path of each event.
    """

    def __init__(self) -> None:
        self.events: list[tuple[Object, str, str, str, str]] = []

    def record(
        self,
        obj: Object,
        type_: Literal["Normal", "Warning"],
        reason: str,
        message: str,
        *,
        field_path: str = "",
    ) -> None:
        self.events.append((obj, type_, reason, message, field_path))

    @property
    def lines(self) -> list[str]:
        """Type, reason and message of each event."""
        return [f"{type_} {reason} {message}" for _, type_, reason, message, _ in self.events]

    @property
    def reasons(self) -> list[str]:
        """The reason of each event."""
        return [reason for _, _, reason, _, _ in self.events]
