"""A rollout in bad company: it ends, or stays with a condition that names node and reason."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest
import rollout
from harness import ClusterUnderTest, eventually, free_port
from rollout import RevisionLedger

from podpass.operator.static_pod_template import MANIFEST


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterUnderTest]:
    """A cluster of its own: its nodes and API servers are broken on purpose."""
    one = ClusterUnderTest(tmp_path_factory.mktemp("faults") / "home", free_port())
    started = one.up()
    try:
        assert started.code == 0, started.err + one.logs_tail()
        eventually(lambda: rollout.operator_runs(one), within=60, what="the operator's pod")
        yield one
    finally:
        one.down()


@pytest.fixture
def ledger(cluster: ClusterUnderTest) -> Iterator[RevisionLedger]:
    """Watches the revision numbers of a test."""
    one = RevisionLedger(cluster)
    one.look()
    yield one
    one.look()


def in_progress(cluster: ClusterUnderTest, after: int) -> dict[str, int]:
    """Wait until a node installs a revision above `after`; return target by node."""

    def found() -> dict[str, int] | None:
        going = rollout.targets(rollout.operator_object(cluster))
        return going if any(number > after for number in going.values()) else None

    return eventually(found, what="a node that is being installed")


def test_an_unusable_issuer_is_refused_with_a_condition_and_nothing_rolls_out(
    cluster: ClusterUnderTest,
) -> None:
    before = rollout.operator_object(cluster)
    running = rollout.running_issuers(cluster)
    rollout.set_issuer(cluster, "https://te st:x")

    def complaint() -> dict[str, Any] | None:
        found = rollout.operator_object(cluster)
        wrong = rollout.is_true(found, "ConfigObservationDegraded")
        return rollout.condition(found, "ConfigObservationDegraded") if wrong else None

    said = eventually(complaint, what="ConfigObservationDegraded")
    assert said["reason"] == "Error"
    assert said["message"].startswith(
        "service-account issuer contained a ':' but was not a valid URL: "
    )
    status = cluster.podpass("issuer", "status", "--home", str(cluster.home))
    assert status.code != 0
    assert "not a valid URL" in status.out + status.err
    # The ClusterOperator hears of it only after a while: time enough for a wrong rollout.
    eventually(
        lambda: rollout.is_true(cluster.get("co", "kube-apiserver"), "Degraded"),
        what="a degraded ClusterOperator",
    )
    after = rollout.operator_object(cluster)
    assert rollout.latest(after) == rollout.latest(before)
    assert after["spec"]["observedConfig"] == before["spec"]["observedConfig"]
    assert rollout.running_issuers(cluster) == running

    rollout.set_issuer(cluster, "")
    eventually(lambda: complaint() is None, what="the end of the complaint")
    healed = rollout.operator_object(cluster)
    assert rollout.latest(healed) == rollout.latest(before)


@pytest.mark.timeout(300)
def test_a_rollout_ends_although_the_operator_is_killed_in_it(
    cluster: ClusterUnderTest, ledger: RevisionLedger
) -> None:
    before = rollout.latest(rollout.operator_object(cluster))
    killed = set(operator_processes(cluster))
    rollout.set_issuer(cluster, "https://killed.example")
    in_progress(cluster, before)
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    found = rollout.settle(cluster, "https://killed.example", ledger)
    assert rollout.latest(found) == before + 1
    assert not killed & set(operator_processes(cluster))


def operator_processes(cluster: ClusterUnderTest) -> list[int]:
    pods = cluster.get("-n", rollout.OPERATOR_NAMESPACE, "pods")["items"]
    return cluster.payloads(pods[0]["spec"]["nodeName"], "operator")


@pytest.mark.timeout(300)
def test_edits_in_quick_succession_end_at_the_last_value(
    cluster: ClusterUnderTest, ledger: RevisionLedger
) -> None:
    before = rollout.latest(rollout.operator_object(cluster))
    rollout.set_issuer(cluster, "https://first.example")
    rollout.set_issuer(cluster, "https://second.example")
    found = rollout.settle(cluster, "https://second.example", ledger)
    assert rollout.latest(found) in (before + 1, before + 2)
    assert ledger.numbers()[-1] == rollout.latest(found)


@pytest.mark.timeout(300)
def test_an_edit_back_in_the_middle_ends_at_the_old_value_under_a_new_number(
    cluster: ClusterUnderTest, ledger: RevisionLedger
) -> None:
    before = rollout.operator_object(cluster)
    rollout.set_issuer(cluster, "https://regretted.example")
    in_progress(cluster, rollout.latest(before))
    rollout.set_issuer(cluster, "https://second.example")
    eventually(
        lambda: rollout.latest(rollout.operator_object(cluster)) == rollout.latest(before) + 2,
        what="a revision of its own for the edit back",
    )
    found = rollout.settle(cluster, "https://second.example", ledger)
    assert rollout.latest(found) == rollout.latest(before) + 2
    assert found["spec"]["observedConfig"] == before["spec"]["observedConfig"]


@pytest.mark.timeout(300)
def test_a_bad_manifest_harms_no_api_server_and_the_next_rollout_replaces_it(
    cluster: ClusterUnderTest, ledger: RevisionLedger
) -> None:
    issuers = rollout.running_issuers(cluster)
    node = cluster.home / "nodes" / "master-2"
    manifest = node / "manifests" / MANIFEST
    manifest.write_text('{"kind": "Pod", "spec": ')
    said = f"manifest {manifest} is not used"
    eventually(
        lambda: said in (node / "kubelet.log").read_text(errors="replace"),
        what="a word of the kubelet about the manifest",
    )
    assert rollout.running_issuers(cluster) == issuers
    rollout.set_issuer(cluster, "https://mended.example")
    rollout.settle(cluster, "https://mended.example", ledger)
    assert json.loads(manifest.read_text())["kind"] == "Pod"


@pytest.mark.timeout(300)
def test_a_node_that_is_down_holds_the_rollout_and_is_named(
    cluster: ClusterUnderTest, ledger: RevisionLedger
) -> None:
    before = rollout.latest(rollout.operator_object(cluster))
    issuers = rollout.running_issuers(cluster)
    os.kill(cluster.kubelet_pid("master-1"), signal.SIGKILL)
    rollout.set_issuer(cluster, "https://down.example")

    def complaint() -> dict[str, Any] | None:
        ledger.look()
        found = rollout.operator_object(cluster)
        wrong = rollout.is_true(found, "InstallerPodPendingDegraded")
        return found if wrong else None

    found = eventually(complaint, within=60, what="a condition about the installer")
    said = rollout.condition(found, "InstallerPodPendingDegraded")["message"]
    assert f'Pod "installer-{before + 1}-master-1" on node "master-1" is Pending' in said
    assert rollout.is_true(found, "NodeInstallerProgressing")
    assert rollout.targets(found) == {"master-1": before + 1}
    running = rollout.running_issuers(cluster)
    assert running["master-1"] == issuers["master-1"], "an API server outlives its kubelet"
    assert all(running.values())

    assert cluster.up().code == 0
    rollout.settle(cluster, "https://down.example", ledger)
    eventually(
        lambda: (
            not rollout.is_true(rollout.operator_object(cluster), "InstallerPodPendingDegraded")
        ),
        what="the end of the complaint",
    )


@pytest.mark.timeout(300)
def test_an_api_server_that_does_not_start_stops_the_rollout_at_its_node(
    cluster: ClusterUnderTest, ledger: RevisionLedger
) -> None:
    before = rollout.operator_object(cluster)
    issuers = rollout.running_issuers(cluster)
    overrides = {"apiServerArguments": {"no-such-flag": ["true"]}}
    rollout.patch_operator(cluster, {"unsupportedConfigOverrides": overrides})

    def complaint() -> dict[str, Any] | None:
        ledger.look()
        found = rollout.operator_object(cluster)
        said = rollout.condition(found, "StaticPodsDegraded")
        broken = said.get("status") == "True" and "no-such-flag" in said["message"]
        return found if broken else None

    found = eventually(complaint, within=60, what="a condition about the static pod")
    ((node, target),) = rollout.targets(found).items()
    assert target == rollout.latest(before) + 1
    said = rollout.condition(found, "StaticPodsDegraded")["message"]
    assert set(re.findall(r"pod/(\S+)", said)) == {f"kube-apiserver-{node}"}
    summary = eventually(
        lambda: (
            one if rollout.is_true(one := cluster.get("co", "kube-apiserver"), "Degraded") else None
        ),
        what="a degraded ClusterOperator",
    )
    assert f"kube-apiserver-{node}" in rollout.condition(summary, "Degraded")["message"]
    assert rollout.is_true(summary, "Available")
    running = rollout.running_issuers(cluster)
    assert running == issuers | {node: ""}
    stays = rollout.operator_object(cluster)
    assert rollout.currents(stays) == rollout.currents(before)
    assert rollout.condition(stays, "UnsupportedConfigOverridesUpgradeable")["status"] == "False"

    rollout.patch_operator(cluster, {"unsupportedConfigOverrides": None})
    eventually(
        lambda: rollout.latest(rollout.operator_object(cluster)) == rollout.latest(before) + 2,
        what="a revision without the override",
    )
    rollout.settle(cluster, issuers[node], ledger)
    eventually(
        lambda: not rollout.is_true(rollout.operator_object(cluster), "StaticPodsDegraded"),
        what="the end of the complaint",
    )
    assert cluster.podpass("status", "--home", str(cluster.home)).code == 0
