"""What every controller of the operator is given."""

from __future__ import annotations

from dataclasses import dataclass

from podpass.base.clock import Clock
from podpass.operator.live import Live
from podpass.operator.objects import OperatorObjects
from podpass.operator.operator_status import OperatorStatus
from podpass.operator.settings import OperatorSettings
from podpass.operator.sync_loop import DegradedWords, SyncLoop, SyncStep


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts.

    Attributes:
        live: What is watched.
        status: The KubeAPIServer.
        objects: ConfigMaps, Secrets, pods and events.
        settings: Of the operator.
        clock: For times and delays.
    """

    live: Live
    status: OperatorStatus
    objects: OperatorObjects
    settings: OperatorSettings
    clock: Clock

    def loop(self, words: DegradedWords, step: SyncStep) -> SyncLoop:
        """Return a loop over a step that also follows the KubeAPIServer."""
        loop = SyncLoop(
            words, step, self.status, self.live.operators, self.clock, self.settings.timing.resync
        )
        loop.follow(self.live.operators)
        return loop
