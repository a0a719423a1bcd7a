"""A token is refused after its pod or account is gone, and by a recipient with another audience."""

from __future__ import annotations

import json
from typing import Any

import pytest
from harness import ClusterUnderTest, eventually


def review(cluster: ClusterUnderTest, token: str, *audiences: str) -> dict[str, Any]:
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token, "audiences": list(audiences)},
    }
    out = cluster.ok("create", "-f", "-", "-o", "json", stdin=json.dumps(body))
    status: dict[str, Any] = json.loads(out)["status"]
    return status


def simple_pod(namespace: str, name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "serviceAccountName": "build-robot",
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "c", "image": "busybox", "command": ["sleep", "600"]}],
        },
    }


def bound_token(cluster: ClusterUnderTest, namespace: str, pod: str) -> str:
    return cluster.ok(
        "create", "token", "-n", namespace, "build-robot", "--audience", "vault",
        "--bound-object-kind", "Pod", "--bound-object-name", pod,
    ).strip()  # fmt: skip


@pytest.mark.rule("verify.recreated", "verify.pod-bound", "kubectl.bound")
def test_a_token_dies_with_its_pod(cluster: ClusterUnderTest, namespace: str) -> None:
    cluster.create(simple_pod(namespace, "p"))
    cluster.wait_ready("p", namespace)
    token = bound_token(cluster, namespace, "p")
    status = review(cluster, token, "vault")
    assert status["authenticated"] is True
    assert status["audiences"] == ["vault"]
    assert status["user"]["username"] == f"system:serviceaccount:{namespace}:build-robot"
    cluster.ok("delete", "-n", namespace, "pod", "p")
    cluster.create(simple_pod(namespace, "p"))

    def refusal() -> str | None:
        status = review(cluster, token, "vault")
        return None if status.get("authenticated") else str(status["error"])

    # each API server may remember a good token for 10 s
    assert "does not match service account pod ref claim" in eventually(refusal, within=30)


@pytest.mark.rule("verify.account-missing", "kubectl.token")
def test_a_token_dies_with_its_account(cluster: ClusterUnderTest, namespace: str) -> None:
    token = cluster.ok("create", "token", "-n", namespace, "build-robot").strip()
    cluster.ok("delete", "-n", namespace, "sa", "build-robot")
    status = review(cluster, token)
    assert "authenticated" not in status
    assert 'serviceaccounts "build-robot" not found' in status["error"]
    answer = cluster.oc("--token", token, "--kubeconfig", "/dev/null", "--server",
                        f"https://127.0.0.1:{cluster.port}", "--insecure-skip-tls-verify",
                        "get", "pods")  # fmt: skip
    assert answer.code == 1
    assert "Unauthorized" in answer.err or "logged in" in answer.err


@pytest.mark.rule("token-review.wrong-audience")
def test_a_recipient_with_another_audience_refuses(
    cluster: ClusterUnderTest, namespace: str
) -> None:
    token = cluster.ok(
        "create", "token", "-n", namespace, "build-robot", "--audience", "vault"
    ).strip()
    status = review(cluster, token, "other")
    assert status["user"] == {}
    assert (
        'token audiences ["vault"] is invalid for the target audiences ["other"]' in status["error"]
    )
