"""Who joins trusts the CA with the hash that it was given, and no other."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from podpass.bootstrap.certificates import ensure_authority
from podpass.bootstrap.discovery import ca_hash, cluster_info, discover, is_hash, trusted_ca
from podpass.bootstrap.home import HomeError

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def certificate(directory: Path) -> bytes:
    directory.mkdir()
    ensure_authority(directory, now=NOW)
    return (directory / "ca.crt").read_bytes()


@pytest.mark.rule("join.ca-hash")
def test_the_right_ca_is_believed_and_another_is_not(tmp_path: Path) -> None:
    mine, other = certificate(tmp_path / "a"), certificate(tmp_path / "b")
    info = cluster_info("https://10.0.0.1:6443", mine)[0]
    assert trusted_ca(info, ca_hash(mine)) == mine
    with pytest.raises(HomeError, match="not the one that was given"):
        trusted_ca(info, ca_hash(other))


@pytest.mark.parametrize(
    "info",
    [
        pytest.param(None, id="nothing"),
        pytest.param({"data": {}}, id="no kubeconfig"),
        pytest.param({"data": {"kubeconfig": "{"}}, id="half a kubeconfig"),
        pytest.param({"data": {"kubeconfig": '{"clusters": []}'}}, id="no cluster"),
    ],
)
def test_something_else_is_no_control_plane(info: object) -> None:
    with pytest.raises(HomeError, match="no control plane"):
        trusted_ca(info, "sha256:" + "0" * 64)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        pytest.param("sha256:" + "0" * 64, True, id="sixty-four digits"),
        pytest.param("sha256:" + "0" * 63, False, id="a digit less"),
        pytest.param("sha256:" + "0" * 65, False, id="a digit more"),
        pytest.param("sha1:" + "0" * 64, False, id="another algorithm"),
        pytest.param("0" * 64, False, id="no algorithm"),
    ],
)
def test_is_hash(text: str, good: bool) -> None:
    assert is_hash(text) is good


def test_a_host_that_is_not_there() -> None:
    with pytest.raises(HomeError, match=re.escape("no answer from https://127.0.0.1:1")):
        discover("127.0.0.1", 1, "sha256:" + "0" * 64)
