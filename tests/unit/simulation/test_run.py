"""A whole simulation, small enough for exact expectations."""

from __future__ import annotations

from pathlib import Path

import pytest

from podpass.base.tasks import repeatable_chance
from podpass.kubelet.settings import KubeletSettings
from podpass.simulation.capacity import ApiServers, Capacity, Outcome
from podpass.simulation.figures import Figures, figures_of
from podpass.simulation.kubelets import PodpassKubelets
from podpass.simulation.reference_kubelets import ReferenceKubelets
from podpass.simulation.run import Simulation, Traffic
from podpass.simulation.scenario import Name, PodStarts, Timeline, make_timeline, pod_starts

HERE = Path()
SETTINGS = KubeletSettings("n", "127.0.0.1", HERE, HERE, HERE, HERE, HERE)
LIFE = 3600
HOUR = 3600.0


class EveryFifteenMinutes:
    """Kubelets that ask every 15 minutes, and again after ten seconds."""

    def __init__(self) -> None:
        self.started: list[int] = []

    def start_pod(self, pod: int) -> None:
        self.started.append(pod)

    def received(self, _pod: int, issued_at: int) -> float:
        return issued_at + 900

    def failed(self, _pod: int, _outcome: Outcome, now: float) -> float:
        return now + 10


def counted(values: list[int] | object) -> dict[int, int]:
    """Minute to count, where there was any."""
    return {minute: count for minute, count in enumerate(values) if count}  # type: ignore[arg-type, var-annotated]


def test_every_request_is_counted_in_its_minute() -> None:
    kubelets = EveryFifteenMinutes()
    starts = PodStarts([0.0, 60.0], [])
    api = ApiServers(Capacity(rate=1000, queue=10))
    traffic = Simulation(kubelets, api, starts, HOUR, LIFE, 2).run()
    assert counted(traffic.first_tokens) == {0: 1, 1: 1}
    assert counted(traffic.renewals) == {15: 1, 16: 1, 30: 1, 31: 1, 45: 1, 46: 1}
    assert traffic.lowest_left[15] == pytest.approx(0.75, abs=0.001)
    assert traffic.lowest_left[17] == 1.0
    assert counted(traffic.by_node) == {minute * 2 + minute % 15: 1 for minute in
                                        (0, 1, 15, 16, 30, 31, 45, 46)}  # fmt: skip
    assert traffic.expired_at_end == 0


def test_a_pod_that_is_made_anew_forgets_its_next_request() -> None:
    kubelets = EveryFifteenMinutes()
    starts = PodStarts([0.0], [(1000.0, 0)])
    traffic = Simulation(kubelets, ApiServers(Capacity(1000, 10)), starts, HOUR, LIFE, 1).run()
    assert kubelets.started == [0, 0]
    assert counted(traffic.first_tokens) == {0: 1, 16: 1}
    assert counted(traffic.renewals) == {15: 1, 31: 1, 46: 1}


def test_refusals_outages_and_expiry_are_counted() -> None:
    starts = PodStarts([0.0, 0.0, 0.0], [])
    api = ApiServers(Capacity(rate=1, queue=1), (890.0, 8 * HOUR - 60))
    traffic = Simulation(EveryFifteenMinutes(), api, starts, 8 * HOUR, LIFE, 1).run()
    assert sum(traffic.refused) == 1
    assert counted(traffic.first_tokens) == {0: 4}
    assert sum(traffic.unreachable) > 3 * 7 * 350
    assert traffic.longest_wait == pytest.approx(11, abs=0.1)
    assert sum(traffic.expired) + traffic.expired_at_end == 3
    assert min(traffic.lowest_left) < -6


def simulated(
    name: Name, rule: str, *, pods: int = 300, hours: float = 6
) -> tuple[Traffic, Figures]:
    choose = repeatable_chance(7)
    timeline: Timeline = make_timeline(name, pods=pods, seconds=hours * HOUR)
    starts = pod_starts(timeline, pods, choose)
    kubelets = (
        PodpassKubelets(pods, LIFE, choose, SETTINGS)
        if rule == "podpass"
        else ReferenceKubelets(pods, LIFE, choose)
    )
    api = ApiServers(Capacity(2000, 600), timeline.outage)
    traffic = Simulation(kubelets, api, starts, timeline.end, LIFE, 3).run()
    return traffic, figures_of(traffic, timeline.phases)


def test_after_a_common_start_our_peak_is_less_than_twice_the_average() -> None:
    _, figures = simulated(Name.START, "podpass", pods=4000, hours=4)
    [phase] = figures.phases
    assert 1 < phase.peak_to_average < 2
    assert phase.lowest_left > 0.19
    assert figures.expired == figures.refused == 0


def test_after_a_common_start_the_reference_comes_in_waves() -> None:
    traffic, figures = simulated(Name.START, "reference")
    [phase] = figures.phases
    assert phase.peak_to_average > 15
    assert not any(traffic.renewals[1:47])
    assert sum(traffic.renewals[47:50]) == 300, "all of them in three minutes"


@pytest.mark.parametrize("name", list(Name), ids=lambda name: name.value)
@pytest.mark.parametrize("rule", ["podpass", "reference"])
def test_the_same_seed_gives_the_same_figures(name: Name, rule: str) -> None:
    assert simulated(name, rule)[1] == simulated(name, rule)[1]


def test_an_outage_does_not_bring_our_tokens_into_step() -> None:
    _, figures = simulated(Name.OUTAGE, "podpass", pods=1500, hours=6)
    before, recovery, afterwards = figures.phases
    assert before.lowest_left > 0.19
    assert recovery.lowest_left < 0, "half an hour is more than a fifth of an hour"
    assert recovery.expired == figures.expired > 0
    assert afterwards.peak_to_average < 2
    assert afterwards.lowest_left > 0.19


def test_an_issuer_change_does_not_either() -> None:
    _, figures = simulated(Name.ISSUER_CHANGE, "podpass", pods=2000, hours=6)
    before, during, afterwards = figures.phases
    assert figures.first_tokens == 4000
    assert during.name == "pods made anew"
    assert before.peak_to_average < 2
    assert afterwards.peak_to_average < 2
    assert figures.expired == 0
