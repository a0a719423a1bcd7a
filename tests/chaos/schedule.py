"""Who is killed when, decided by a seed alone: the same seed, the same decisions."""

from __future__ import annotations

import random  # noqa: TID251 - decisions come from a seed
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

SUPERVISOR = "podpass up"
EVERYTHING = "everything"
WEIGHTS = {
    "kube-apiserver": 9,
    "kubelet": 9,
    "kube-controller-manager": 6,
    "kube-apiserver-operator": 4,
    "shim of kube-apiserver": 3,
    "shim of kube-controller-manager": 2,
    "shim of kube-apiserver-operator": 2,
    "keeper": 1,
    "shim of keeper": 2,
    "sandbox of keeper": 2,
    SUPERVISOR: 2,
    EVERYTHING: 1,
}
LONG_ENOUGH = 600.0
"""Seconds of a run in which each kind must have been killed."""
ALL_AT_ONCE = 0.08
"""How often all processes of a kind die together."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kill:
    """One decision.

    Attributes:
        after: Seconds since the one before.
        kind: Of the process.
        which: Chooses among those of the kind, 0 to 1.
        all: Kill all of the kind at once instead.
    """

    after: float
    kind: str
    which: float
    all: bool = False

    def choose(self, candidates: Sequence[T]) -> Sequence[T]:
        """Return who of the candidates is to be killed; nobody if there are none."""
        if self.all or not candidates:
            return candidates
        return [candidates[int(self.which * len(candidates))]]


def spared(
    running: Collection[str],
    killed: Collection[str],
    *,
    seconds: float,
    weights: Mapping[str, int] = WEIGHTS,
) -> list[str]:
    """Return which kinds of processes the run says nothing about; one line a kind.

    Args:
        running: Kinds that were seen.
        killed: Kinds of which one at least was killed.
        seconds: How long the run took.
        weights: Of the kinds.
    """
    found = [
        f"nobody kills a {kind}: it has no weight" for kind in sorted(set(running) - weights.keys())
    ]
    if seconds >= LONG_ENOUGH:
        missing = weights.keys() - set(killed) - {EVERYTHING}
        found += [f"no {kind} was killed" for kind in sorted(missing)]
    return found


def kills(seed: int, *, every: float, weights: Mapping[str, int] = WEIGHTS) -> Iterator[Kill]:
    """Yield kills for ever; now and then two come close together.

    Args:
        seed: Decides everything.
        every: Mean seconds between two.
        weights: How often each kind is chosen, in relation to the others.
    """
    chosen = random.Random(seed)  # noqa: S311 - repeatable on purpose
    while True:
        kind = chosen.choices(list(weights), weights=list(weights.values()))[0]
        after, which = chosen.expovariate(1 / every), chosen.random()
        yield Kill(after, kind, which, all=chosen.random() < ALL_AT_ONCE)
