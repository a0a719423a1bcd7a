"""`bootstrap.audit`: a good policy is kept, reaches the API servers, and is not changed later."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from podpass.bootstrap.audit import check_same_policy, keep_audit_policy
from podpass.bootstrap.cluster import Cluster, make_nodes
from podpass.bootstrap.home import Home, HomeError
from podpass.bootstrap.operator_seed import operator_settings
from podpass.operator.static_pod_template import static_pod
from podpass.operator.target_config import shipped_config

GOOD = "{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: Metadata}]}"


WITH = Cluster(port=6443, nodes=make_nodes(1), audit_policy=True)


def test_a_policy_is_kept_for_the_owner_only(tmp_path: Path) -> None:
    home, file = Home(tmp_path / "home"), tmp_path / "p.yaml"
    file.write_text(GOOD)
    assert keep_audit_policy(home, file)
    kept = home.audit / "policy.yaml"
    assert kept.read_text() == GOOD
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    check_same_policy(home, WITH, file)
    check_same_policy(home, WITH, None)
    file.write_text(GOOD.replace("Metadata", "Request"))
    with pytest.raises(HomeError, match=r"made with another audit policy; for .* give another"):
        check_same_policy(home, WITH, file)


def test_the_copy_of_an_attempt_that_failed_is_no_policy_of_the_cluster(tmp_path: Path) -> None:
    home, file = Home(tmp_path / "home"), tmp_path / "p.yaml"
    file.write_text(GOOD)
    keep_audit_policy(home, file)
    with pytest.raises(HomeError, match="was made with no audit policy"):
        check_same_policy(home, replace(WITH, audit_policy=False), file)
    assert not keep_audit_policy(home, None)
    assert not list(home.audit.iterdir())


@pytest.mark.parametrize("damage", ["missing", "a directory"])
def test_a_copy_that_cannot_be_read_is_said_so(tmp_path: Path, damage: str) -> None:
    home, file = Home(tmp_path / "home"), tmp_path / "p.yaml"
    file.write_text(GOOD)
    if damage == "a directory":
        (home.audit / "policy.yaml").mkdir(parents=True)
        with pytest.raises(HomeError, match="cannot copy the audit policy to"):
            keep_audit_policy(home, file)
    with pytest.raises(HomeError, match=r"policy.yaml: .*; put it back, for example from"):
        check_same_policy(home, WITH, file)


def test_a_file_that_cannot_be_read_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(HomeError, match=r"cannot read the audit policy .*none.yaml: No such file"):
        keep_audit_policy(Home(tmp_path), tmp_path / "none.yaml")


def test_a_mistake_is_named_and_nothing_is_kept(tmp_path: Path) -> None:
    home, file = Home(tmp_path / "home"), tmp_path / "p.yaml"
    file.write_text(GOOD.replace("Metadata", "metadata"))
    with pytest.raises(HomeError, match=r"p.yaml: rules\[0\].level: .*; correct the file"):
        keep_audit_policy(home, file)
    assert not home.audit.exists()
    assert not keep_audit_policy(home, None)


@pytest.mark.parametrize("given", [True, False], ids=["with a policy", "without"])
def test_every_api_server_is_started_with_it(tmp_path: Path, given: bool) -> None:
    cluster = Cluster(port=6443, nodes=make_nodes(1), audit_policy=given)
    settings = operator_settings(Home(tmp_path), cluster)
    arguments = shipped_config(settings.control_plane, settings.timing)["apiServerArguments"]
    volumes = static_pod(settings.control_plane, settings.timing)["spec"]["volumes"]
    paths = [one["hostPath"]["path"] for one in volumes]
    assert (str(tmp_path / "audit") in paths) is given
    assert arguments.get("audit-policy-file") == (
        ["/etc/kubernetes/audit/policy.yaml"] if given else None
    )
    assert arguments.get("audit-log-path") == (
        ["/var/lib/podpass/run/audit-NODE_NAME.log"] if given else None
    )
