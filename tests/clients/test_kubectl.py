"""The kubectl of today and the one of two years ago: what people type."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from harness import ClusterUnderTest, claims_of

from tests.clients.installed import KUBECTLS, Kubectl, tool

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: robot, labels: {app: robot}}
spec:
  serviceAccountName: build-robot
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: busybox
    command: [sh, -c, "echo hello; sleep 3600"]
"""


@pytest.fixture(
    params=[pytest.param(one, marks=pytest.mark.client(one)) for one in KUBECTLS], ids=str
)
def kubectl(request: pytest.FixtureRequest, kubeconfig: Path, tmp_path: Path) -> Kubectl:
    one = Kubectl(tool(KUBECTLS[request.param], "kubectl"), kubeconfig, tmp_path)
    version = json.loads(one.ok("version", "-o", "json"))
    assert version["serverVersion"]["gitVersion"].startswith("v1.36.")
    return one


@pytest.mark.tried("apply, wait, get, logs, exec, diff, patch, describe, delete")
def test_pods_are_applied_watched_read_and_deleted(kubectl: Kubectl, namespace: str) -> None:
    here = ("-n", namespace)
    assert kubectl.ok("apply", *here, "-f", "-", stdin=POD) == "pod/robot created\n"
    assert kubectl.ok("apply", *here, "-f", "-", stdin=POD) == "pod/robot unchanged\n"
    kubectl.ok("wait", *here, "--for=condition=Ready", "pod/robot", "--timeout=30s")
    table = kubectl.ok("get", *here, "pods", "-o", "wide", "--chunk-size=1").splitlines()
    assert table[0].split()[:5] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert table[1].split()[:4] == ["robot", "1/1", "Running", "0"]
    assert kubectl.ok("logs", *here, "robot") == "hello\n"
    said = kubectl.run(
        "exec", *here, "-i", "robot", "--", "sh", "-c", "cat; exit 3", stdin="ping\n"
    )
    assert (said.stdout, said.returncode) == ("ping\n", 3), said.stderr
    relabelled = POD.replace("app: robot", "app: robot, tier: test")
    assert kubectl.ok("diff", *here, "-f", "-", stdin=POD) == ""
    assert kubectl.run("diff", *here, "-f", "-", stdin=relabelled).returncode == 1
    assert "configured" in kubectl.ok("apply", *here, "-f", "-", stdin=relabelled)
    kubectl.ok("patch", *here, "pod/robot", "-p", '{"metadata":{"labels":{"tier":"other"}}}')
    assert kubectl.ok("get", *here, "pods", "-l", "tier=other", "-o", "name") == "pod/robot\n"
    assert "Service Account:  build-robot" in kubectl.ok("describe", *here, "pod", "robot")
    kubectl.ok("delete", *here, "pod", "robot", "--wait")
    assert "NotFound" in kubectl.run("get", *here, "pod", "robot").stderr


@pytest.mark.tried("create token, TokenReview, auth whoami, auth can-i")
def test_tokens_are_requested_reviewed_and_used(
    kubectl: Kubectl, namespace: str, cluster: ClusterUnderTest
) -> None:
    here = ("-n", namespace)
    kubectl.ok("apply", *here, "-f", "-", stdin=POD)
    kubectl.ok("wait", *here, "--for=condition=Ready", "pod/robot", "--timeout=30s")
    bound = (
        "create", "token", *here, "build-robot", "--audience", "vault", "--duration", "10m",
        "--bound-object-kind", "Pod", "--bound-object-name", "robot",
    )  # fmt: skip
    token, never_reviewed = kubectl.ok(*bound).strip(), kubectl.ok(*bound).strip()
    claims = claims_of(token)
    assert claims["aud"] == ["vault"]
    assert claims["exp"] - claims["iat"] == 600
    assert claims["kubernetes.io"]["pod"]["name"] == "robot"

    def review(token: str, audience: str) -> dict[str, object]:
        asked = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [audience]},
        }
        answer = kubectl.ok("create", "-f", "-", "-o", "json", stdin=json.dumps(asked))
        status: dict[str, object] = json.loads(answer)["status"]
        return status

    assert review(token, "vault")["authenticated"] is True
    assert "authenticated" not in review(token, "other")
    own = kubectl.ok("create", "token", *here, "build-robot").strip()
    server = f"https://127.0.0.1:{cluster.port}"
    as_robot = ("--server", server, "--token", own, "--kubeconfig", "/dev/null")
    trusted = ("--certificate-authority", str(authority(kubectl)))
    whoami = kubectl.ok(*as_robot, *trusted, "auth", "whoami", "-o", "json")
    me = json.loads(whoami)["status"]["userInfo"]["username"]
    assert me == f"system:serviceaccount:{namespace}:build-robot"
    refused = kubectl.run(*as_robot, *trusted, "get", "pods", *here)
    assert "Forbidden" in refused.stderr
    assert kubectl.run(*as_robot, *trusted, "auth", "can-i", "list", "pods").stdout == "no\n"
    kubectl.ok("delete", *here, "pod", "robot", "--wait")
    assert "authenticated" not in review(never_reviewed, "vault"), "the pod is gone"


def authority(kubectl: Kubectl) -> Path:
    """Write the cluster's CA to a file."""
    path = kubectl.home / "ca.crt"
    data = kubectl.ok(
        "get", "cm", "-n", "default", "kube-root-ca.crt", "-o", r"jsonpath={.data.ca\.crt}"
    )
    path.write_text(data)
    return path


@pytest.mark.tried("create deployment, rollout, scale, set")
def test_a_deployment_is_rolled_out_scaled_and_undone(kubectl: Kubectl, namespace: str) -> None:
    here = ("-n", namespace)
    kubectl.ok(
        "create", "deployment", *here, "web", "--image=busybox", "--replicas=2",
        "--", "sh", "-c", "sleep 3600",
    )  # fmt: skip
    kubectl.ok("rollout", "status", *here, "deployment/web", "--timeout=40s")
    kubectl.ok("scale", *here, "deployment/web", "--replicas=1")
    kubectl.ok("set", "env", *here, "deployment/web", "COLOUR=blue")
    kubectl.ok("rollout", "status", *here, "deployment/web", "--timeout=40s")
    told = kubectl.ok("rollout", "history", *here, "deployment/web", "--revision=2")
    assert "with revision #2" in told
    kubectl.ok("rollout", "undo", *here, "deployment/web")
    kubectl.ok("rollout", "status", *here, "deployment/web", "--timeout=40s")
    (container,) = kubectl.get(*here, "deployment", "web")["spec"]["template"]["spec"]["containers"]
    assert "env" not in container
    kubectl.ok("delete", *here, "deployment", "web", "--cascade=foreground", "--wait=false")


@pytest.mark.tried("api-resources, api-versions, explain, can-i --list, events, nodes")
@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        pytest.param(("api-resources", "--no-headers"), "serviceaccounts", id="api-resources"),
        pytest.param(("api-versions",), "authentication.k8s.io/v1", id="api-versions"),
        pytest.param(("explain", "pod.spec.serviceAccountName"), "FIELD", id="explain"),
        pytest.param(("auth", "can-i", "--list"), "Non-Resource URLs", id="can-i --list"),
        pytest.param(("get", "events", "-A"), "LAST SEEN", id="events"),
        pytest.param(("get", "nodes", "-o", "name"), "node/master-0", id="nodes"),
    ],
)
def test_what_people_ask_first(kubectl: Kubectl, arguments: tuple[str, ...], answer: str) -> None:
    assert answer in kubectl.ok(*arguments)
