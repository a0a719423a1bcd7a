"""When the next client certificate is asked for, on either side of each edge."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from podpass.kubelet.certificate_rotation import CertificateLife

START = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LIFE = CertificateLife(START, START + 100 * SECOND)


@pytest.mark.rule("kubelet.certificate-rotation")
@pytest.mark.parametrize(
    ("age", "share", "due"),
    [
        pytest.param(69, 0.7, False, id="before the earliest time"),
        pytest.param(70, 0.7, True, id="at the earliest time"),
        pytest.param(89, 0.9, False, id="before the latest time"),
        pytest.param(90, 0.9, True, id="at the latest time"),
        pytest.param(100, 0.9, True, id="run out"),
        pytest.param(0, 0.7, False, id="new"),
        pytest.param(-1, 0.7, True, id="not good yet"),
    ],
)
def test_rotation_due(age: int, share: float, due: bool) -> None:
    assert LIFE.rotation_due(START + age * SECOND, share) is due
    assert (LIFE.until_rotation(START + age * SECOND, share) == timedelta(0)) is due


@pytest.mark.parametrize("share", [0.69, 0.91])
def test_a_share_outside_of_its_range(share: float) -> None:
    with pytest.raises(ValueError, match="share must be"):
        LIFE.rotation_due(START, share)


@pytest.mark.parametrize(
    ("age", "good"),
    [
        pytest.param(-1, False, id="before"),
        pytest.param(0, True, id="first moment"),
        pytest.param(99, True, id="last second"),
        pytest.param(100, False, id="after"),
    ],
)
def test_is_good(age: int, good: bool) -> None:
    assert LIFE.is_good(START + age * SECOND) is good
