"""The document's second step, to the letter: a pod gets its token with a projected volume."""

from __future__ import annotations

import re
import time

from harness import REPOSITORY, ClusterUnderTest, claims_of, eventually

MANIFEST = REPOSITORY / "examples" / "pod-projected-svc-token.yaml"
TOKEN_FILE = "/var/run/secrets/tokens/vault-token"


def test_the_pod_of_the_document_runs_with_its_token(cluster: ClusterUnderTest) -> None:
    assert cluster.ok("create", "sa", "build-robot") == "serviceaccount/build-robot created\n"
    assert cluster.ok("create", "-f", str(MANIFEST)) == "pod/nginx created\n"
    cluster.wait_ready("nginx")
    issued = time.time()  # noqa: TID251 - compared with claims

    token = cluster.ok("exec", "nginx", "--", "cat", TOKEN_FILE)
    claims = claims_of(token)
    pod = cluster.get("pod", "nginx")
    account = cluster.get("sa", "build-robot")
    node = cluster.get("node", pod["spec"]["nodeName"])
    assert claims["aud"] == ["vault"]
    assert claims["iss"] == "https://kubernetes.default.svc"
    assert claims["sub"] == "system:serviceaccount:default:build-robot"
    assert claims["exp"] - claims["iat"] == 7200
    assert claims["nbf"] == claims["iat"]
    assert abs(claims["iat"] - issued) < 60
    assert claims["kubernetes.io"] == {
        "namespace": "default",
        "node": {"name": node["metadata"]["name"], "uid": node["metadata"]["uid"]},
        "pod": {"name": "nginx", "uid": pod["metadata"]["uid"]},
        "serviceaccount": {"name": "build-robot", "uid": account["metadata"]["uid"]},
    }

    served = cluster.ok(
        "exec", "nginx", "--", "bash", "-c",
        "exec 3<>/dev/tcp/127.0.0.1/80; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3",
    )  # fmt: skip
    assert "200 OK" in served
    eventually(lambda: "GET / HTTP/1.0" in cluster.ok("logs", "nginx"))

    described = cluster.ok("describe", "pod", "nginx")
    assert re.search(r"TokenExpirationSeconds:\s+7200", described)
    for reason in ("Scheduled", "Pulled", "Created", "Started"):
        assert re.search(rf"Normal\s+{reason}\s", described), described
    listed = cluster.ok("get", "pods", "-A", "-o", "wide")
    assert re.search(r"default\s+nginx\s+1/1\s+Running\s+0\s", listed)
    assert listed.count("kube-apiserver-master-") == 3
    assert listed.count("kube-controller-manager-master-") == 3

    assert cluster.ok("delete", "pod", "nginx") == 'pod "nginx" deleted from default namespace\n'
    assert cluster.oc("get", "pod", "nginx").code == 1


def test_every_node_is_ready_and_shows_its_version(cluster: ClusterUnderTest) -> None:
    rows = cluster.ok("get", "nodes").splitlines()
    assert rows[0].split() == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]
    assert [row.split()[:2] for row in rows[1:]] == [
        ["master-0", "Ready"], ["master-1", "Ready"], ["master-2", "Ready"],
    ]  # fmt: skip
