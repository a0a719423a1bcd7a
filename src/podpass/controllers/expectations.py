"""What a controller did and its informer has not shown yet.

Until it has, the controller's picture is old: it would create a second pod for the first one, or
delete another pod beside the one that is going. Creations are known by name (the controller chose
it), deletions by UID.

Source: Kubernetes, `pkg/controller/controller_utils.go` (`ControllerExpectations`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from podpass.base.clock import Clock

TIMEOUT_SECONDS = 300.0
"""After this long an expectation was missed, e.g. between two lists of the informer."""


@dataclass(slots=True)
class _Expected:
    creations: set[str] = field(default_factory=set)
    deletions: set[str] = field(default_factory=set)
    since: float = 0.0


class Expectations:
    """Expected creations and deletions, by the key of the workload."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_key: dict[str, _Expected] = {}

    def expect_creation(self, key: str, name: str) -> None:
        """Note that an object is about to be created."""
        self._of(key).creations.add(name)

    def expect_deletion(self, key: str, uid: str) -> None:
        """Note that an object is about to be deleted."""
        self._of(key).deletions.add(uid)

    def created(self, key: str, name: str) -> None:
        """Note that the object was seen, or that its creation failed."""
        if (expected := self._by_key.get(key)) is not None:
            expected.creations.discard(name)

    def deleted(self, key: str, uid: str) -> None:
        """Note that the object was seen going, or that its deletion failed."""
        if (expected := self._by_key.get(key)) is not None:
            expected.deletions.discard(uid)

    def remaining_seconds(self, key: str) -> float:
        """Return how long the workload must still wait for its informer at most; 0 to go on."""
        expected = self._by_key.get(key)
        if expected is None or not (expected.creations or expected.deletions):
            return 0.0
        left = expected.since + TIMEOUT_SECONDS - self._clock.monotonic()
        if left <= 0:
            self.forget(key)
        return max(0.0, left)

    def forget(self, key: str) -> None:
        """Forget a workload that is gone."""
        self._by_key.pop(key, None)

    def _of(self, key: str) -> _Expected:
        expected = self._by_key.setdefault(key, _Expected())
        expected.since = self._clock.monotonic()
        return expected
