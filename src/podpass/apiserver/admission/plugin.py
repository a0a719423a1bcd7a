"""A plugin that does nothing; real ones override the half that they need."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from podpass.apiserver.admission.chain import AdmissionRequest


class PassivePlugin:
    """Lets everything through."""

    async def mutate(self, request: AdmissionRequest) -> None:
        """Change nothing."""

    async def validate(self, request: AdmissionRequest) -> None:
        """Refuse nothing."""
