"""A cluster is backed up while it runs and restored elsewhere, its tokens and pods too."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
import rollout
from harness import ClusterUnderTest, eventually, free_port

CONTROL_PLANE_LEASES = 2
POLICY = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: None, resources: [{group: "", resources: [secrets]}]}
- {level: Metadata, users: ["system:admin"], verbs: [create], omitStages: [Panic]}
"""


def leaders_of(cluster: ClusterUnderTest) -> set[str]:
    """Who leads the controllers and the operator; both, or an empty set."""
    held = {
        lease["spec"].get("holderIdentity")
        for lease in cluster.get("leases", "-A")["items"]
        if lease["metadata"]["namespace"] != "kube-node-lease"
    }
    return held if len(held - {"", None}) == CONTROL_PLANE_LEASES else set()


def audited(cluster: ClusterUnderTest, last: str) -> dict[str, set[str]]:
    """Stages and resources in the audit log, once it tells of the object `last`."""
    log = cluster.home / "run" / "audit-master-0.log"
    eventually(lambda: f'"name":"{last}"' in log.read_text(), what=f"an event of {last}")
    events = [json.loads(line) for line in log.read_text().splitlines()]
    return {
        "stages": {event["stage"] for event in events},
        "verbs": {event["verb"] for event in events},
        "resources": {event["objectRef"]["resource"] for event in events},
    }


@pytest.mark.timeout(300)
def test_tokens_and_objects_outlive_the_home(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    cluster = ClusterUnderTest(
        tmp_path / "home", free_port(), nodes=1, options=("--audit-policy", str(policy))
    )
    restored = ClusterUnderTest(tmp_path / "elsewhere" / "home", cluster.port, nodes=1)
    backup = tmp_path / "b.tar"
    try:
        started = cluster.up()
        assert started.code == 0, started.err + cluster.logs_tail()
        policy.write_text(POLICY.replace("Metadata", "Request"))
        another = cluster.up()
        assert another.code == 1
        assert "was made with another audit policy" in another.err
        # Else the backup has the operator's pod in any state of its beginning, or has none.
        eventually(lambda: rollout.operator_runs(cluster), what="the operator")
        leaders = eventually(lambda: leaders_of(cluster), what="two leaders")
        cluster.ok("create", "sa", "build-robot")
        cluster.ok("create", "secret", "generic", "hidden", "--from-literal=k=v")
        token = cluster.ok("create", "token", "build-robot", "--audience=vault").strip()
        account = cluster.get("sa", "build-robot")
        made = cluster.podpass("backup", "--home", str(cluster.home), "--output", str(backup))
        assert made.code == 0, made.err
        assert stat.S_IMODE(backup.stat().st_mode) == 0o600
        cluster.ok("create", "sa", "too-late")
        late = cluster.get("sa", "too-late")["metadata"]["resourceVersion"]
        later = cluster.ok("create", "token", "too-late", "--audience=vault").strip()
        again = cluster.podpass("backup", "--home", str(cluster.home), "--output", str(backup))
        assert again.code == 1
        assert "give --force" in again.err

        told = audited(cluster, "too-late")
        assert told["stages"] == {"ResponseComplete"}, "RequestReceived is left out"
        assert told["verbs"] == {"create"}
        assert "serviceaccounts" in told["resources"]
        assert "secrets" not in told["resources"], "level None"

        assert cluster.down().code == 0
        restored.home.parent.mkdir()
        done = restored.podpass("restore", str(backup), "--home", str(restored.home))
        assert done.code == 0, done.err
        cluster.home.rename(tmp_path / "lost")
        started = restored.up()
        assert started.code == 0, started.err + restored.logs_tail()
        assert restored.get("sa", "build-robot")["metadata"]["uid"] == account["metadata"]["uid"]
        assert restored.oc("get", "sa", "too-late").code == 1
        assert rollout.is_accepted(restored, token)
        assert not rollout.is_accepted(restored, later)
        path = "/api/v1/namespaces/default/serviceaccounts"
        listed = restored.oc(
            "get", "--raw", f"{path}?resourceVersion={late}&resourceVersionMatch=Exact"
        )
        assert "Expired" in listed.err or "too old" in listed.err, listed
        watched = restored.ok("get", "--raw", f"{path}?watch=1&resourceVersion={late}")
        assert json.loads(watched)["object"]["code"] == 410
        restored.ok("create", "secret", "generic", "hidden-too", "--from-literal=k=v")
        restored.ok("create", "sa", "new")
        assert audited(restored, "new")["stages"] == {"ResponseComplete"}
        assert "secrets" not in audited(restored, "new")["resources"]
        assert int(restored.get("sa", "new")["metadata"]["resourceVersion"]) > int(late) + 10**9

        eventually(
            lambda: (now := leaders_of(restored)) and now.isdisjoint(leaders), what="new leaders"
        )
        eventually(lambda: rollout.operator_runs(restored), what="the operator")
        found = rollout.operator_object(restored)
        assert rollout.currents(found) == [rollout.latest(found)] == [1], "nothing to roll out"
        assert not rollout.targets(found)
    finally:
        cluster.down()
        restored.down()
