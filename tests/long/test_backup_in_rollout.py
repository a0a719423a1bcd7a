"""Backups at any moment of a rollout: each becomes a cluster that ends the rollout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import rollout
from harness import ClusterUnderTest, eventually, free_port

from podpass.bootstrap.archive import open_archive
from podpass.storage.snapshot import read_snapshot

POLICY = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata, verbs: [create]}]
"""
ISSUER = "https://rolled.example"
pytestmark = pytest.mark.timeout(600)


def moment_of(backup: Path) -> tuple[str, ...]:
    """What of the rollout is in a backup: targets, installers' phases, manifests."""
    with open_archive(backup) as archive:
        _, entries = read_snapshot(archive.snapshot())
        said = []
        for entry in entries:
            if entry.key.endswith("/kubeapiservers/cluster"):
                status = orjson.loads(entry.value)["status"]
                said.append(f"latest {status['latestAvailableRevision']}")
                said += [
                    f"{one['nodeName']} at {one.get('currentRevision')} to "
                    f"{one.get('targetRevision', '-')}"
                    for one in status["nodeStatuses"]
                ]
            if f"/pods/{rollout.OPERAND_NAMESPACE}/installer-" in entry.key:
                pod = orjson.loads(entry.value)
                said.append(f"{pod['metadata']['name']} {pod['status'].get('phase')}")
        for name in archive.members:
            if name.endswith("manifests/kube-apiserver.yaml"):
                labels = orjson.loads(archive.read(name))["metadata"]["labels"]
                said.append(f"{name} {labels['revision']}")
    return tuple(said)


def audit_log(cluster: ClusterUnderTest) -> str:
    """What all API servers have logged."""
    return "".join(path.read_text() for path in cluster.home.glob("run/audit-*.log"))


@pytest.fixture
def backups(tmp_path: Path) -> Iterator[tuple[ClusterUnderTest, dict[tuple[str, ...], Path]]]:
    """A cluster whose issuer was changed, down now, and a backup of each moment of that."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    cluster = ClusterUnderTest(
        tmp_path / "home", free_port(), nodes=2, options=("--audit-policy", str(policy))
    )
    found: dict[tuple[str, ...], Path] = {}

    def back_up() -> bool:
        path = tmp_path / f"{len(found)}.tar"
        arguments = ("--home", str(cluster.home), "--output", str(path), "--force")
        made = cluster.podpass("backup", *arguments)
        assert made.code == 0, made.err
        moment = moment_of(path)
        found.setdefault(moment, path)
        return not any(" at 1 " in one for one in moment)

    try:
        started = cluster.up()
        assert started.code == 0, started.err + cluster.logs_tail()
        eventually(lambda: rollout.operator_runs(cluster), what="the operator")
        rollout.set_issuer(cluster, ISSUER)
        eventually(back_up, within=rollout.ROLLOUT_SECONDS, what="the end of the rollout")
        assert cluster.down().code == 0
        yield cluster, found
    finally:
        cluster.down()


def test_a_restored_cluster_ends_the_rollout(
    backups: tuple[ClusterUnderTest, dict[tuple[str, ...], Path]],
) -> None:
    cluster, found = backups
    assert any(" to 2" in one for moment in found for one in moment), "a node that is behind"
    for path in found.values():
        done = cluster.podpass("restore", str(path), "--home", str(cluster.home), "--force")
        assert done.code == 0, done.err
        try:
            started = cluster.up()
            assert started.code == 0, started.err + cluster.logs_tail()
            rollout.settle(cluster, ISSUER)
            assert rollout.latest(rollout.operator_object(cluster)) == 2
            cluster.ok("create", "configmap", "seen-of-revision-2")
            eventually(lambda: "seen-of-revision-2" in audit_log(cluster), what="an event")
            assert "RequestReceived" not in audit_log(cluster)
        finally:
            cluster.down()
