"""The example of docs/adr/0014: an administrator gives a cluster that has none an audit policy."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
import rollout
from harness import ClusterUnderTest, eventually, free_port

ADR = Path(__file__).parents[2] / "docs/adr/0014-audit-log-is-off-until-a-policy-is-given.md"
POLICY = "{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: Metadata}]}"


@pytest.mark.timeout(300)
def test_a_policy_by_the_kube_api_server_object(tmp_path: Path) -> None:
    cluster = ClusterUnderTest(tmp_path / "home", free_port(), nodes=2)
    try:
        started = cluster.up()
        assert started.code == 0, started.err + cluster.logs_tail()
        eventually(lambda: rollout.operator_runs(cluster), what="the operator")
        (cluster.home / "run" / "audit-policy.yaml").write_text(POLICY)
        patch = ADR.read_text().partition("--type=merge -p '")[2].partition("'")[0]
        rollout.patch_operator(cluster, orjson.loads(patch)["spec"])
        eventually(
            lambda: set(rollout.currents(rollout.operator_object(cluster))) == {2},
            within=rollout.ROLLOUT_SECONDS,
        )
        cluster.ok("create", "configmap", "seen")
        logs = [cluster.home / "run" / f"audit-master-{number}.log" for number in range(2)]
        eventually(lambda: any('"name":"seen"' in log.read_text() for log in logs), what="an event")
    finally:
        cluster.down()
