"""A cluster is backed up while it runs and restored elsewhere, its tokens and pods too."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from harness import ClusterUnderTest, eventually, free_port


def is_authentic(cluster: ClusterUnderTest, token: str) -> bool:
    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token, "audiences": ["vault"]},
    }
    out = cluster.ok("create", "-f", "-", "-o", "json", stdin=json.dumps(review))
    return bool(json.loads(out)["status"].get("authenticated"))


@pytest.mark.timeout(300)
def test_tokens_and_objects_outlive_the_home(tmp_path: Path) -> None:
    cluster = ClusterUnderTest(tmp_path / "home", free_port(), nodes=1)
    restored = ClusterUnderTest(tmp_path / "elsewhere" / "home", cluster.port, nodes=1)
    backup = tmp_path / "b.tar"
    try:
        started = cluster.up()
        assert started.code == 0, started.err + cluster.logs_tail()
        cluster.ok("create", "sa", "build-robot")
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

        assert cluster.down().code == 0
        restored.home.parent.mkdir()
        done = restored.podpass("restore", str(backup), "--home", str(restored.home))
        assert done.code == 0, done.err
        cluster.home.rename(tmp_path / "lost")
        started = restored.up()
        assert started.code == 0, started.err + restored.logs_tail()
        assert restored.get("sa", "build-robot")["metadata"]["uid"] == account["metadata"]["uid"]
        assert restored.oc("get", "sa", "too-late").code == 1
        assert is_authentic(restored, token)
        assert not is_authentic(restored, later)
        path = "/api/v1/namespaces/default/serviceaccounts"
        listed = restored.oc(
            "get", "--raw", f"{path}?resourceVersion={late}&resourceVersionMatch=Exact"
        )
        assert "Expired" in listed.err or "too old" in listed.err, listed
        watched = restored.ok("get", "--raw", f"{path}?watch=1&resourceVersion={late}")
        assert json.loads(watched)["object"]["code"] == 410
        restored.ok("create", "sa", "new")
        assert int(restored.get("sa", "new")["metadata"]["resourceVersion"]) > int(late) + 10**9

        pods = "openshift-kube-apiserver-operator"
        eventually(
            lambda: all(
                any(
                    c["type"] == "Ready" and c["status"] == "True"
                    for c in p["status"]["conditions"]
                )
                for p in restored.get("-n", pods, "pods")["items"]
            ),
            what="the operator runs",
        )
        (node,) = restored.get("kubeapiserver", "cluster")["status"]["nodeStatuses"]
        assert node["currentRevision"] == 1, "the operator has nothing to roll out"
        assert not node.get("targetRevision")
    finally:
        cluster.down()
        restored.down()
