"""Hollow kubelets: ours decide as the real token manager does, the others as documented."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from podpass.api.meta import format_time
from podpass.api.resources import Object
from podpass.client.rest import ConnectionFailed
from podpass.kubelet.settings import KubeletSettings
from podpass.kubelet.token_manager import TokenFetchFailed, TokenKey, TokenManager
from podpass.simulation.capacity import Outcome
from podpass.simulation.kubelets import SHORTEST_WAIT, START, PodpassKubelets
from podpass.simulation.reference_kubelets import ReferenceKubelets
from podpass.testing.fake_clock import FakeClock

HERE = Path()
SETTINGS = KubeletSettings("n", "127.0.0.1", HERE, HERE, HERE, HERE, HERE)
LIFE = 3600


def podpass_kubelets() -> PodpassKubelets:
    kubelets = PodpassKubelets(1, LIFE, lambda: 0.0, SETTINGS)
    kubelets.start_pod(0)
    return kubelets


async def test_a_hollow_kubelet_asks_when_the_real_token_manager_asks() -> None:
    """Six hours of both, with an outage of half an hour in them."""
    clock = FakeClock(START)
    asked: list[float] = []

    def away() -> bool:
        return 7200 <= clock.monotonic() < 9000

    async def request(_: TokenKey) -> Object:
        asked.append(clock.monotonic())
        if away():
            raise ConnectionFailed("refused")
        expires = clock.now() + timedelta(seconds=LIFE)
        return {
            "spec": {"expirationSeconds": LIFE},
            "status": {"token": "t", "expirationTimestamp": format_time(expires)},
        }

    tokens = TokenManager(request, clock, choose_spread=lambda: 0.0)
    key = TokenKey("simulated", "default", (), LIFE, "0", "0-1")
    await tokens.token(key)
    while clock.monotonic() < 6 * 3600:
        due = tokens.next_check("0-1")
        assert due is not None
        await clock.advance((due - clock.now()).total_seconds() + SHORTEST_WAIT)
        try:
            await tokens.token(key)
        except TokenFetchFailed:
            pytest.fail("the token outlives the outage")

    hollow = podpass_kubelets()
    simulated = [0.0]
    moment = hollow.received(0, 0)
    while moment <= asked[-1] + 1:
        simulated.append(moment)
        if 7200 <= moment < 9000:
            # The real one looks at its retry's time, the hollow one a moment later.
            moment = hollow.failed(0, Outcome.UNREACHABLE, moment)
        else:
            moment = hollow.received(0, int(moment))
    assert simulated == pytest.approx(asked, abs=1.0)
    assert len(asked) > 8


def test_a_pod_made_anew_has_another_slot() -> None:
    kubelets = podpass_kubelets()
    first = kubelets.received(0, 0)
    kubelets.start_pod(0)
    assert kubelets.received(0, 0) != first


def test_a_pod_without_a_token_is_tried_again_as_volumes_are() -> None:
    kubelets = podpass_kubelets()
    waits = [kubelets.failed(0, Outcome.REFUSED, 0.0) for _ in range(8)]
    assert waits == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10])


def test_an_expired_token_is_as_none() -> None:
    kubelets = podpass_kubelets()
    kubelets.received(0, 0)
    assert kubelets.failed(0, Outcome.UNREACHABLE, LIFE) == pytest.approx(LIFE + 1.05)
    assert kubelets.failed(0, Outcome.UNREACHABLE, LIFE + 1) == pytest.approx(LIFE + 1.2)


def reference(share: float = 0.0, life: int = LIFE) -> ReferenceKubelets:
    kubelets = ReferenceKubelets(1, life, lambda: share)
    kubelets.start_pod(0)
    return kubelets


@pytest.mark.parametrize(
    ("share", "life", "moment"),
    [
        pytest.param(0.0, LIFE, 2880.0, id="80 percent"),
        pytest.param(0.999999, LIFE, 2880 - 9 + 90, id="jitter, and the longest wait for a sync"),
        pytest.param(0.0, 48 * 3600, 86400.0, id="24 hours"),
    ],
)
def test_the_reference_asks_at_the_sync_after_the_moment(
    share: float, life: int, moment: float
) -> None:
    assert reference(share, life).received(0, 0) == pytest.approx(moment, abs=0.01)


def test_the_reference_retries_with_the_next_sync_while_the_token_is_valid() -> None:
    kubelets = reference(0.5)
    kubelets.received(0, 0)
    assert kubelets.failed(0, Outcome.UNREACHABLE, LIFE) == LIFE + 75
    assert kubelets.failed(0, Outcome.UNREACHABLE, LIFE + 1) == LIFE + 1.5
    assert kubelets.failed(0, Outcome.REFUSED, LIFE + 1) == LIFE + 2


def test_the_reference_backs_off_without_a_token() -> None:
    kubelets = reference()
    waits = [kubelets.failed(0, Outcome.TIMED_OUT, 0.0) for _ in range(10)]
    assert waits == [0.5, 1, 2, 4, 8, 16, 32, 64, 122, 122]
