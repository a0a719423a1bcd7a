"""A plugin that does nothing; real ones override the half that they need."""

from __future__ import annotations

from podpass.apiserver.admission.chain import AdmissionRequest


class PassivePlugin:
    """Lets everything through."""

    async def mutate(self, request: AdmissionRequest) -> None:
        """Change nothing."""

    async def validate(self, request: AdmissionRequest) -> None:
        """Refuse nothing."""
