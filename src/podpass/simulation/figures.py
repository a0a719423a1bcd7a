"""What a simulation comes to, in numbers.

Rates are requests a second, the mean of a minute; a peak is the busiest minute.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from podpass.simulation.run import BIN_SECONDS, Traffic
from podpass.simulation.scenario import Phase


@dataclass(frozen=True, slots=True)
class PhaseFigures:
    """Renewals in a part of the simulation.

    Attributes:
        name: Of the part.
        renewals: How many were asked for, repetitions included.
        average: Of their rate.
        peak: Of their rate.
        peak_to_average: The peak as a multiple of the average; 0 without renewals.
        refused: Requests that got 429 or were given up.
        lowest_left: Share of its life that a token had left when it was replaced, at the least.
        expired: Tokens that were replaced only after they had expired.
    """

    name: str
    renewals: int
    average: float
    peak: float
    peak_to_average: float
    refused: int
    lowest_left: float
    expired: int


@dataclass(frozen=True, slots=True)
class Figures:
    """The whole simulation.

    Attributes:
        first_tokens: Requests for pods that had no token, repetitions included.
        renewals: Requests for pods that had one, repetitions included.
        refused: Requests that got 429 or were given up.
        unreachable: Attempts while no API server was reached.
        expired: Tokens that expired before they were replaced, or at all.
        longest_wait: Seconds that a pod waited for its first token at the most.
        busiest_node: Requests of one kubelet in a minute at the most, in the first phase.
        phases: Its parts.
    """

    first_tokens: int
    renewals: int
    refused: int
    unreachable: int
    expired: int
    longest_wait: float
    busiest_node: int
    phases: list[PhaseFigures]

    def as_json(self) -> dict[str, Any]:
        """Return all of it as JSON has it."""
        return asdict(self)


def figures_of(traffic: Traffic, phases: list[Phase]) -> Figures:
    """Sum a simulation up."""
    quiet = _bins(phases[0])
    return Figures(
        first_tokens=sum(traffic.first_tokens),
        renewals=sum(traffic.renewals),
        refused=sum(traffic.refused),
        unreachable=sum(traffic.unreachable),
        expired=sum(traffic.expired) + traffic.expired_at_end,
        longest_wait=round(traffic.longest_wait, 1),
        busiest_node=max(
            traffic.by_node[quiet.start * traffic.nodes : quiet.stop * traffic.nodes], default=0
        ),
        phases=[_phase(traffic, phase) for phase in phases],
    )


def _bins(phase: Phase) -> slice:
    """Return the minutes that lie wholly in a phase, or begin in one of less than a minute."""
    first = -(-int(phase.begin) // BIN_SECONDS)
    return slice(first, max(first + 1, int(phase.end) // BIN_SECONDS))


def _phase(traffic: Traffic, phase: Phase) -> PhaseFigures:
    bins = _bins(phase)
    renewals = traffic.renewals[bins]
    total, peak = sum(renewals), max(renewals, default=0)
    average = total / max(1, len(renewals))
    return PhaseFigures(
        name=phase.name,
        renewals=total,
        average=round(average / BIN_SECONDS, 2),
        peak=round(peak / BIN_SECONDS, 2),
        peak_to_average=round(peak / average, 2) if total else 0.0,
        refused=sum(traffic.refused[bins]),
        lowest_left=round(min(traffic.lowest_left[bins], default=1.0), 4),
        expired=sum(traffic.expired[bins]),
    )
