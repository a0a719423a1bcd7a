"""Fixtures for the tests of those who use podpass; pytest loads this through an entry point.

It is loaded in every run of pytest where podpass is installed: what a fixture needs is imported
in the fixture.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from podpass.testing.throwaway_cluster import ThrowawayCluster
    from podpass.testing.token_issuer import TokenIssuer

_NODES = "podpass_nodes"
_MINIMUM = "podpass_min_token_expiration"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer the options of `podpass_cluster`, on the command line and in the ini file."""
    group = parser.getgroup("podpass")
    for name, metavar, default, what in (
        (_NODES, "N", "1", "nodes of the fixture podpass_cluster"),
        (_MINIMUM, "SECONDS", "600", "shortest life of a token of podpass_cluster"),
    ):
        option = f"--{name.replace('_', '-')}"
        group.addoption(option, dest=name, type=int, metavar=metavar, help=f"{what} [{default}]")
        parser.addini(name, f"{what} (see {option})", default=default)


def _given(config: pytest.Config, name: str) -> int:
    return number(name, config.getoption(name), config.getini(name))


def number(name: str, option: int | None, ini: str) -> int:
    """Return an option's value: the command line before the ini file.

    Args:
        name: Of the option, for the message.
        option: From the command line, if it is there.
        ini: From the ini file, or the default.

    Raises:
        pytest.UsageError: It is no number, or below 1.
    """
    given = ini if option is None else option
    try:
        value = int(given)
    except ValueError:
        value = 0
    if value < 1:
        raise pytest.UsageError(f"{name} must be a whole number above 0, got {given!r}")
    return value


@pytest.fixture(scope="session")
def podpass_cluster(request: pytest.FixtureRequest) -> Iterator[ThrowawayCluster]:
    """A real cluster for the whole run, stopped and removed at its end."""
    from podpass.testing.throwaway_cluster import throwaway_cluster  # noqa: PLC0415 - lazy

    with throwaway_cluster(
        nodes=_given(request.config, _NODES),
        min_token_expiration=_given(request.config, _MINIMUM),
    ) as cluster:
        yield cluster


@pytest.fixture
def podpass_tokens() -> TokenIssuer:
    """An issuer without any process: tokens that are good, or broken on purpose."""
    from podpass.testing.token_issuer import TokenIssuer  # noqa: PLC0415 - lazy

    return TokenIssuer()


@pytest.fixture
def podpass_served_tokens(podpass_tokens: TokenIssuer) -> Iterator[TokenIssuer]:
    """The same issuer with its documents on loopback, for recipients that fetch them by HTTP."""
    from podpass.testing.token_server import serving  # noqa: PLC0415 - lazy

    with serving(podpass_tokens):
        yield podpass_tokens
