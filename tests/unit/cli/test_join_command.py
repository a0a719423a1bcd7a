"""`podpass init`, `join` and `join-token` refuse what cannot work in one clear line."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from podpass.bootstrap.cluster import Cluster, ClusterNode, save_cluster
from podpass.cli import init, join, join_token

HASH = "sha256:" + "0" * 64
TOKEN = "abcdef.0123456789abcdef"
NODE = ClusterNode("n", "10.0.0.1", "10.128.0.0/24")


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        pytest.param([], 1, "give HOST:PORT, --token", id="nothing"),
        pytest.param(["10.0.0.1"], 2, "is not HOST:PORT", id="no port"),
        pytest.param(
            ["127.0.0.1:1", "--token", "x", "--discovery-token-ca-cert-hash", HASH],
            1, "does not have the form", id="no token",
        ),
        pytest.param(
            ["127.0.0.1:1", "--token", TOKEN, "--discovery-token-ca-cert-hash", "x"],
            1, "64 hex digits", id="no hash",
        ),
        pytest.param(
            ["127.0.0.1:1", "--token", TOKEN, "--discovery-token-ca-cert-hash", HASH],
            1, "no answer from", id="nobody there",
        ),
    ],
)  # fmt: skip
def test_join_refuses(tmp_path: Path, arguments: list[str], code: int, text: str) -> None:
    result = CliRunner().invoke(join.command, [*arguments, "--home", str(tmp_path / "home")])
    assert result.exit_code == code
    assert text in result.output
    assert TOKEN not in result.output
    assert not (tmp_path / "home" / "cluster.json").exists()


@pytest.mark.parametrize(
    ("address", "text"),
    [
        pytest.param("127.0.0.1", "other hosts can reach", id="loopback"),
        pytest.param("0.0.0.0", "other hosts can reach", id="any address"),  # noqa: S104 - refused
        pytest.param("host", "no IPv4 address", id="a name"),
    ],
)
def test_init_wants_an_address_that_others_reach(tmp_path: Path, address: str, text: str) -> None:
    arguments = ["--home", str(tmp_path), "--apiserver-advertise-address", address]
    result = CliRunner().invoke(init.command, arguments)
    assert result.exit_code == 2
    assert text in result.output


def test_a_home_keeps_what_it_was_made_for(tmp_path: Path) -> None:
    save_cluster(tmp_path / "cluster.json", Cluster(port=1, nodes=(NODE,)))
    home = ["--home", str(tmp_path)]
    assert "not made with `podpass init`" in CliRunner().invoke(init.command, home).output
    assert "cluster of its own" in CliRunner().invoke(join.command, home).output
    refused = CliRunner().invoke(join_token.command, ["create", *home])
    assert "with `podpass init`" in refused.output


def test_pods_of_a_host_have_addresses_of_its_name() -> None:
    assert join.pod_cidr("host-1") == join.pod_cidr("host-1")
    assert join.pod_cidr("host-1") != join.pod_cidr("host-2")


def test_init_takes_an_audit_policy_once(tmp_path: Path) -> None:
    home, policy = tmp_path / "home", tmp_path / "p.yaml"
    policy.write_text("{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: all}]}")
    arguments = ["--home", str(home), "--audit-policy", str(policy)]
    address = ["--apiserver-advertise-address", "10.0.0.1"]
    refused = CliRunner().invoke(init.command, [*arguments, *address])
    assert refused.exit_code == 1
    assert "rules[0].level: must be one of None" in refused.output
    assert not (home / "cluster.json").exists()
    assert not (home / "audit").exists()

    policy.write_text(policy.read_text().replace("all", "None"))
    save_cluster(home / "cluster.json", Cluster(1, (NODE,), advertise_address="10.0.0.1"))
    later = CliRunner().invoke(init.command, arguments)
    assert later.exit_code == 1
    assert "was made with no audit policy" in later.output
