"""The simulation itself: a heap of moments at which pods are looked at, no ticks.

Times are seconds since its start.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from heapq import heapify, heappop, heapreplace

from podpass.simulation.capacity import ApiServers, Outcome
from podpass.simulation.kubelets import Kubelets
from podpass.simulation.scenario import PodStarts

BIN_SECONDS = 60
"""Requests are counted by the minute."""


@dataclass(slots=True)
class Traffic:
    """What was seen, by the minute.

    Attributes:
        nodes: How many there are; pods are spread over them evenly.
        first_tokens: Requests for pods that had no token.
        renewals: Requests for pods that had one.
        refused: Of both, those that were answered with 429 or given up.
        unreachable: Attempts while no API server was reached; in none of the others.
        lowest_left: Share of its life that the oldest replaced token had left; negative: it had
            expired. 1 if none was replaced.
        expired: Tokens that had expired when they were replaced.
        expired_at_end: Tokens that were expired when the simulation ended.
        by_node: Requests of each minute and node, the nodes of a minute side by side.
        longest_wait: Seconds that a pod waited for its first token at the most.
    """

    nodes: int

    first_tokens: array[int]
    renewals: array[int]
    refused: array[int]
    unreachable: array[int]
    lowest_left: array[float]
    expired: array[int]
    by_node: array[int]
    expired_at_end: int = 0
    longest_wait: float = 0.0

    @classmethod
    def of(cls, seconds: float, nodes: int) -> Traffic:
        """Return empty counters for that span."""
        bins = int(-(-seconds // BIN_SECONDS))

        def zeros(count: int = bins) -> array[int]:
            return array("i", bytes(array("i").itemsize * count))

        return cls(
            nodes, zeros(), zeros(), zeros(), zeros(), array("d", [1.0] * bins), zeros(),
            zeros(bins * nodes),
        )  # fmt: skip


@dataclass(slots=True)
class Simulation:
    """One run.

    Attributes:
        kubelets: Those that decide.
        api: Those who are asked.
        starts: When pods are started.
        end: When the simulation ends.
        life: Of tokens, in seconds.
        nodes: How many there are.
        traffic: What was seen so far.
    """

    kubelets: Kubelets
    api: ApiServers
    starts: PodStarts
    end: float
    life: int
    nodes: int
    traffic: Traffic = field(init=False)

    def __post_init__(self) -> None:
        self.traffic = Traffic.of(self.end, self.nodes)

    def run(self) -> Traffic:
        """Go through all events and return what was seen."""
        kubelets, api, traffic = self.kubelets, self.api, self.traffic
        life, nodes, end = self.life, self.nodes, self.end
        pods = len(self.starts.first)
        first_tokens, renewals, unreachable = (
            traffic.first_tokens,
            traffic.renewals,
            traffic.unreachable,
        )
        by_node, lowest_left = traffic.by_node, traffic.lowest_left
        expires: list[float | None] = [None] * pods
        started = [*self.starts.first]
        next_look = [*self.starts.first]
        for pod in range(pods):
            kubelets.start_pod(pod)
        heap = [(moment, pod, False) for pod, moment in enumerate(next_look)]
        heap += [(moment, pod, True) for moment, pod in self.starts.again]
        heapify(heap)
        while heap and heap[0][0] < end:
            now, pod, anew = heap[0]
            if anew:
                kubelets.start_pod(pod)
                expires[pod] = None
                started[pod] = next_look[pod] = now
            elif next_look[pod] != now:
                heappop(heap)  # the pod of that time is gone
                continue
            minute = int(now) // BIN_SECONDS
            by_node[minute * nodes + pod % nodes] += 1
            outcome, known = api.ask(now)
            expiry = expires[pod]
            if outcome is Outcome.UNREACHABLE:
                unreachable[minute] += 1
            else:
                (first_tokens if expiry is None else renewals)[minute] += 1
            if outcome is Outcome.ANSWERED:
                if expiry is None:
                    traffic.longest_wait = max(traffic.longest_wait, known - started[pod])
                else:
                    left = (expiry - known) / life
                    lowest_left[minute] = min(left, lowest_left[minute])
                    traffic.expired[minute] += left < 0
                expires[pod] = int(known) + life
                moment = kubelets.received(pod, int(known))
            else:
                if outcome is not Outcome.UNREACHABLE:
                    traffic.refused[minute] += 1
                moment = kubelets.failed(pod, outcome, known)
            next_look[pod] = moment
            heapreplace(heap, (moment, pod, False))
        traffic.expired_at_end = sum(one is not None and one < end for one in expires)
        return traffic
