"""The operator's own pod says on its command line what its settings say."""

from __future__ import annotations

from dataclasses import replace

import click
import pytest

from podpass.cli.operator import command
from podpass.operator.deployment import operator_arguments, operator_deployment
from podpass.operator.profiles import LEGACY, PROFILES, TRUST_24H
from podpass.operator.settings import (
    OPENSHIFT,
    SHORT,
    TIMINGS,
    ControlPlane,
    OperatorSettings,
)
from podpass.testing.operator_cluster import PLANE


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(OperatorSettings(control_plane=PLANE), id="the defaults"),
        pytest.param(
            OperatorSettings(
                control_plane=replace(
                    PLANE, port=7443, min_token_expiration_seconds=5, audit_directory="/a"
                ),
                profile=TRUST_24H,
                timing=OPENSHIFT,
            ),
            id="everything else",
        ),
    ],
)
def test_the_flags_say_what_the_settings_say(settings: OperatorSettings) -> None:
    found = command.make_context("operator", operator_arguments(settings)).params
    read = OperatorSettings(
        control_plane=ControlPlane(
            node_directory=found["node_directory"],
            store_directory=found["store_directory"],
            run_directory=found["run_directory"],
            port=found["secure_port"],
            shared_ip=found["shared_ip"],
            min_token_expiration_seconds=found["min_token_expiration_seconds"],
            signing_algorithm=found["signing_algorithm"],
            signing_endpoint=found["signing_endpoint"],
            audit_directory=found["audit_directory"],
        ),
        profile=PROFILES[found["issuer_profile"]],
        timing=TIMINGS[found["timing"]],
    )
    assert read == settings


def test_a_directory_must_be_given() -> None:
    with pytest.raises(click.UsageError, match="node_directory"):
        command.make_context("operator", [])


def test_nothing_comes_from_the_host_and_no_token_is_needed() -> None:
    spec = operator_deployment(OperatorSettings(control_plane=PLANE))["spec"]["template"]["spec"]
    assert all("hostPath" not in one for one in spec["volumes"])
    assert spec["automountServiceAccountToken"] is False


def test_the_default_profile_and_times() -> None:
    settings = OperatorSettings(control_plane=PLANE)
    assert (settings.profile, settings.timing) == (LEGACY, SHORT)
