"""Everything that a projected volume can hold, in one pod; and what its token tells of the pod."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from harness import ClusterUnderTest

SHOW = """
cd /all
for f in conf/a b key.bin labels name token; do
  echo "$f $(stat -Lc '%a %u %g' $f)"
done
echo "again $(stat -Lc '%a %u %g' /again/a) $(cat /again/a)"
echo "$(cat conf/a) $(cat b) $(od -An -tx1 key.bin | tr -d ' ') $(cat name) $(cat labels)"
"""


def holder(namespace: str, context: dict[str, int]) -> dict[str, Any]:
    settings = {"name": "settings", "items": [{"key": "a", "path": "conf/a", "mode": 0o400}]}
    downward = [
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
        {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}},
    ]
    sources = [
        {"configMap": settings},
        {"configMap": {"name": "settings", "items": [{"key": "b", "path": "b"}]}},
        {"secret": {"name": "keys"}},
        {"downwardAPI": {"items": downward}},
        {"serviceAccountToken": {"path": "token", "audience": "vault"}},
        {"configMap": {"name": "none", "optional": True}},
    ]
    mounts = [{"name": "all", "mountPath": "/all"}, {"name": "again", "mountPath": "/again"}]
    command = ["sh", "-c", "sleep 600"]
    container = {"name": "c", "image": "busybox", "command": command, "volumeMounts": mounts}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": namespace, "labels": {"app": "web"}},
        "spec": {
            "serviceAccountName": "build-robot",
            "terminationGracePeriodSeconds": 0,
            "securityContext": context,
            "containers": [container],
            "volumes": [
                {"name": "all", "projected": {"sources": sources}},
                {"name": "again", "configMap": {"name": "settings", "defaultMode": 0o444}},
            ],
        },
    }


@pytest.mark.rule(
    "case.e2e.projected-combined",
    "case.e2e.projected-config-map",
    "case.e2e.projected-twice",
    "case.e2e.projected-downward",
    "case.e2e.review-extra",
    "case.e2e.review-of-mounted",
    "volume.item-mode",
    "volume.fs-group-others",
)
def test_all_sources_share_a_volume_and_the_token_names_the_pod(
    cluster: ClusterUnderTest, namespace: str
) -> None:
    as_root = os.geteuid() == 0
    context = {"runAsUser": 1000, "fsGroup": 10000} if as_root else {}
    cluster.ok(
        "create", "configmap", "settings", "-n", namespace, "--from-literal=a=1",
        "--from-literal=b=2",
    )  # fmt: skip
    cluster.ok("create", "secret", "generic", "keys", "-n", namespace, "--from-literal=key.bin=k")
    cluster.create(holder(namespace, context))
    cluster.wait_ready("p", namespace)
    shown = cluster.ok("exec", "-n", namespace, "p", "--", "sh", "-c", SHOW).splitlines()
    assert shown[-1] == '1 2 6b p app="web"'
    assert shown[-2].endswith(" 1")
    modes = {name: (mode, owner) for name, mode, *owner in (one.split() for one in shown[:6])}
    if as_root:
        group = ["0", "10000"]
        assert modes == {
            "conf/a": ("440", group),
            "b": ("644", group),
            "key.bin": ("644", group),
            "labels": ("644", group),
            "name": ("644", group),
            "token": ("640", ["1000", "10000"]),
        }
    else:
        assert {name: mode for name, (mode, _) in modes.items()} == {
            "conf/a": "400",
            **dict.fromkeys(("b", "key.bin", "labels", "name", "token"), "644"),
        }

    token = cluster.ok("exec", "-n", namespace, "p", "--", "cat", "/all/token")
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token, "audiences": ["vault"]},
    }
    out = cluster.ok("create", "-f", "-", "-o", "json", stdin=json.dumps(body))
    status = json.loads(out)["status"]
    pod = cluster.get("-n", namespace, "pod", "p")
    node = cluster.get("node", pod["spec"]["nodeName"])
    prefix = "authentication.kubernetes.io/"
    (credential,) = status["user"]["extra"].pop(f"{prefix}credential-id")
    assert credential.startswith("JTI=")
    assert status["authenticated"] is True
    assert status["user"]["groups"] == [
        "system:serviceaccounts",
        f"system:serviceaccounts:{namespace}",
        "system:authenticated",
    ]
    assert status["user"]["extra"] == {
        f"{prefix}pod-name": ["p"],
        f"{prefix}pod-uid": [pod["metadata"]["uid"]],
        f"{prefix}node-name": [node["metadata"]["name"]],
        f"{prefix}node-uid": [node["metadata"]["uid"]],
    }
