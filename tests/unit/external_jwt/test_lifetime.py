"""How our limits and the signer's meet."""

from __future__ import annotations

import pytest

from podpass.apiserver.external_jwt.failures import SignerUnusable
from podpass.apiserver.external_jwt.lifetime import Lifetimes, go_duration, negotiate

YEAR = 365 * 24 * 3600


@pytest.mark.rule("signer.metadata")
@pytest.mark.parametrize(
    ("ours", "signers", "expected"),
    [
        pytest.param(0, 3600, Lifetimes(3600, 3600), id="without a limit the signer's is ours"),
        pytest.param(3600, 7200, Lifetimes(3600, 7200), id="a smaller limit stays"),
        pytest.param(7200, 7200, Lifetimes(7200, 7200), id="an equal limit stays"),
        pytest.param(0, 600, Lifetimes(600, 600), id="600 s are enough"),
        pytest.param(0, YEAR, Lifetimes(YEAR, YEAR), id="an extension of a year"),
        pytest.param(0, YEAR - 1, Lifetimes(YEAR - 1, YEAR - 1), id="a second less"),
        pytest.param(0, YEAR + 1, Lifetimes(YEAR + 1, YEAR), id="no extension over a year"),
    ],
)
def test_limits_that_fit(ours: int, signers: int, expected: Lifetimes) -> None:
    assert negotiate(ours, signers) == expected


@pytest.mark.rule("signer.metadata")
@pytest.mark.parametrize(
    ("ours", "signers", "why"),
    [
        pytest.param(
            0, 599,
            "max token life supported by external-jwt-signer (599s) is less than acceptable "
            "(min 600s)",
            id="a signer below 600 s",
        ),
        pytest.param(
            0, -1,
            "max token life supported by external-jwt-signer (-1s) is less than acceptable "
            "(min 600s)",
            id="a negative limit",
        ),
        pytest.param(
            3600, 600,
            "service-account-max-token-expiration cannot be set longer than the token expiration "
            "supported by service-account-signing-endpoint: 1h0m0s > 10m0s",
            id="a limit above the signer's",
        ),
        pytest.param(
            7201, 7200,
            "service-account-max-token-expiration cannot be set longer than the token expiration "
            "supported by service-account-signing-endpoint: 2h0m1s > 2h0m0s",
            id="one second above it",
        ),
    ],
)  # fmt: skip
def test_limits_that_do_not_fit(ours: int, signers: int, why: str) -> None:
    with pytest.raises(SignerUnusable) as caught:
        negotiate(ours, signers)
    assert str(caught.value) == why


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59, "59s"), (61, "1m1s"), (3600, "1h0m0s"), (90061, "25h1m1s")],
)
def test_spans_are_written_as_go_does(seconds: int, text: str) -> None:
    assert go_duration(seconds) == text
