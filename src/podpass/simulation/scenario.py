"""What happens to the pods of a simulated cluster, and when.

1. `start`: all pods are started at once.
2. `outage`: as before, and in the middle no API server is reached for half an hour.
3. `issuer-change`: as before, and in the middle all pods are made anew, namespace by namespace, as
   a new issuer demands it (`for I in $(oc get ns ...); do oc delete pods --all -n $I; ...`).

Times are seconds since the start of the simulation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

STARTING = 10.0
"""Within this span all kubelets have begun to start their pods."""
OUTAGE = 1800.0
SETTLING = 300.0
"""After an event; what follows is counted as quiet again."""
PODS_PER_NAMESPACE = 100
NAMESPACE_SECONDS = 2.0
"""Of the loop over namespaces: a deletion and its pause."""
RESTART_SECONDS = 5.0
"""Within this span the pods of a namespace are back."""


class Name(Enum):
    """The scenarios."""

    START = "start"
    OUTAGE = "outage"
    ISSUER_CHANGE = "issuer-change"


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of a simulation that is counted for itself."""

    name: str
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """A course of events, seen from afar.

    Attributes:
        end: When the simulation ends.
        outage: From when to when no API server is reached.
        restarts_from: When the first pod is made anew; None if all stay.
        phases: What is counted for itself.
    """

    end: float
    outage: tuple[float, float] | None
    restarts_from: float | None
    phases: list[Phase]


@dataclass(frozen=True, slots=True)
class PodStarts:
    """When pods are started.

    Attributes:
        first: When each pod is started for the first time.
        again: Time and number of pods that are made anew, in the order of time.
    """

    first: list[float]
    again: list[tuple[float, int]]


def make_timeline(name: Name, *, pods: int, seconds: float) -> Timeline:
    """Return the course of a scenario.

    Args:
        name: Which.
        pods: How many there are.
        seconds: How long it lasts.

    Raises:
        ValueError: The events do not fit into that time.
    """
    quiet_from, middle = SETTLING, float(int(seconds / 2))
    outage, restarts_from, event = None, None, None
    if name is Name.OUTAGE:
        outage = (middle, middle + OUTAGE)
        event = Phase("recovery", outage[1], outage[1] + SETTLING)
    elif name is Name.ISSUER_CHANGE:
        restarts_from = middle
        last = (pods - 1) // PODS_PER_NAMESPACE * NAMESPACE_SECONDS + RESTART_SECONDS
        event = Phase("pods made anew", middle, middle + last + SETTLING)
    if event is None:
        phases = [Phase("after the start", quiet_from, seconds)]
    else:
        phases = [
            Phase("after the start", quiet_from, middle),
            event,
            Phase("afterwards", event.end, seconds),
        ]
    if any(one.begin >= one.end for one in phases):
        raise ValueError(f"{seconds / 3600:g} hours are too short for the scenario {name.value}")
    return Timeline(seconds, outage, restarts_from, phases)


def pod_starts(timeline: Timeline, pods: int, choose: Callable[[], float]) -> PodStarts:
    """Return when pods are started.

    Args:
        timeline: What happens.
        pods: How many there are.
        choose: Returns a number by chance, 0 to 1.
    """
    first = [STARTING * choose() for _ in range(pods)]
    again: list[tuple[float, int]] = []
    if timeline.restarts_from is not None:
        for pod in range(pods):
            deleted = timeline.restarts_from + pod // PODS_PER_NAMESPACE * NAMESPACE_SECONDS
            again.append((deleted + RESTART_SECONDS * choose(), pod))
    return PodStarts(first, sorted(again))
