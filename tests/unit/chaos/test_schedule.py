from __future__ import annotations

from itertools import islice

import pytest

from tests.chaos.schedule import EVERYTHING, LONG_ENOUGH, WEIGHTS, Kill, kills, spared


def test_the_same_seed_decides_the_same() -> None:
    assert list(islice(kills(7, every=3), 50)) == list(islice(kills(7, every=3), 50))
    assert list(islice(kills(7, every=3), 50)) != list(islice(kills(8, every=3), 50))


def test_every_kind_has_its_turn_about_as_often_as_asked_for() -> None:
    chosen = list(islice(kills(1, every=3), 1000))
    assert {one.kind for one in chosen} == set(WEIGHTS)
    assert sum(one.after for one in chosen) / 1000 == pytest.approx(3, rel=0.2)
    assert 20 < sum(one.all for one in chosen) < 200


@pytest.mark.parametrize(("which", "chosen"), [(0.0, "a"), (0.49, "a"), (0.5, "b"), (0.99, "b")])
def test_one_of_the_candidates_is_chosen(which: float, chosen: str) -> None:
    assert Kill(1, "kubelet", which).choose(["a", "b"]) == [chosen]


def test_all_candidates_may_be_chosen_and_none_may_be_there() -> None:
    assert Kill(1, "kubelet", 0.5, all=True).choose(["a", "b"]) == ["a", "b"]
    assert Kill(1, "kubelet", 0.5).choose([]) == []


def test_a_kind_without_a_weight_is_named() -> None:
    assert spared(["kubelet", "nginx"], [], seconds=1) == ["nobody kills a nginx: it has no weight"]


def test_a_long_run_kills_one_of_each_kind() -> None:
    killed = sorted(WEIGHTS.keys() - {EVERYTHING, "kubelet"})
    assert spared([], killed, seconds=LONG_ENOUGH) == ["no kubelet was killed"]
    assert spared([], killed, seconds=LONG_ENOUGH - 1) == []
    assert spared([], [*killed, "kubelet"], seconds=LONG_ENOUGH) == []
