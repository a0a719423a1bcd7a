from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest
from click.testing import CliRunner

from podpass.apiserver.settings import ApiServerSettings, parse_duration
from podpass.cli.apiserver import command


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("1.5s", 1.5), ("250ms", 0.25)],
)
def test_a_go_duration_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "10", "m", "10 m", "-1s", "1d", "10mx"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


def test_every_setting_says_its_flag_and_why_its_default_is_what_it_is() -> None:
    for field in dataclasses.fields(ApiServerSettings):
        assert field.metadata["flag"].startswith("--")
        assert field.metadata["reason"]


@pytest.mark.rule("config.api-audiences")
def test_audiences_are_the_issuers_unless_given() -> None:
    issuers = ("https://a", "https://b")
    assert ApiServerSettings(service_account_issuers=issuers).audiences == issuers
    chosen = ApiServerSettings(service_account_issuers=issuers, api_audiences=("api",))
    assert chosen.audiences == ("api",)


def test_the_external_address_is_the_advertised_one() -> None:
    assert ApiServerSettings().external_address == "127.0.0.1:6443"
    assert ApiServerSettings(advertise_address="::1").external_address == "[::1]:6443"


def test_every_setting_has_an_option() -> None:
    shown = CliRunner().invoke(command, ["--help"]).output
    for field in dataclasses.fields(ApiServerSettings):
        assert field.metadata["flag"] in shown


@pytest.mark.rule("config.issuer-required")
def test_an_api_server_without_an_issuer_is_a_usage_error() -> None:
    outcome = CliRunner().invoke(command, [])
    assert outcome.exit_code == 2
    assert "--service-account-issuer must be given" in outcome.output


def test_a_missing_key_is_one_clear_line() -> None:
    arguments = ["--service-account-issuer=https://a", "--storage=nothing://x"]
    outcome = CliRunner().invoke(command, arguments)
    assert outcome.exit_code == 1
    assert len(outcome.output.strip().splitlines()) == 1


def test_a_bad_duration_is_a_usage_error() -> None:
    outcome = CliRunner().invoke(command, ["--service-account-min-token-expiration=soon"])
    assert outcome.exit_code == 2
    assert "is not a duration" in outcome.output
