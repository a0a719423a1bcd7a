"""A token Secret of an ordinary user: filled, used, mounted, warned of, gone. And the audit log."""

from __future__ import annotations

import base64
import json
import os
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness import ClusterUnderTest, Result, eventually, free_port, run

TOKEN_SECRET = """\
apiVersion: v1
kind: Secret
metadata:
  name: robot-token
  annotations: {kubernetes.io/service-account.name: build-robot}
type: kubernetes.io/service-account-token
"""
POLICY = "{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: RequestResponse}]}"
WARNING = "Use tokens from the TokenRequest API or manually created secret-based tokens"


def reader(namespace: str) -> dict[str, Any]:
    """Return a pod that tells how long the token is that it mounts."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "reader", "namespace": namespace},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "containers": [
                {
                    "name": "c",
                    "image": "busybox",
                    "command": ["sh", "-c", "wc -c < /token/token; ls /token"],
                    "volumeMounts": [{"name": "t", "mountPath": "/token"}],
                }
            ],
            "volumes": [{"name": "t", "secret": {"secretName": "robot-token"}}],
        },
    }


def with_token(cluster: ClusterUnderTest, token: str, port: int, *arguments: str) -> Result:
    """Run kubectl with nothing but a token."""
    return run(
        [
            str(cluster.home / "bin" / "kubectl"), "--kubeconfig=/dev/null", f"--token={token}",
            f"--server=https://127.0.0.1:{port}",
            f"--certificate-authority={cluster.home}/pki/ca.crt", *arguments,
        ],
        env={"KUBECONFIG": "/dev/null"},
    )  # fmt: skip


def test_a_token_secret_from_its_first_to_its_last_moment(
    cluster: ClusterUnderTest, namespace: str
) -> None:
    cluster.ok("apply", "-n", namespace, "-f", "-", stdin=TOKEN_SECRET)

    def filled() -> dict[str, str] | None:
        data = cluster.get("-n", namespace, "secret", "robot-token").get("data") or {}
        return data if {"token", "ca.crt", "namespace"} <= data.keys() else None

    data = {key: base64.b64decode(value) for key, value in eventually(filled).items()}
    assert data["namespace"].decode() == namespace
    assert data["ca.crt"] == (cluster.home / "pki" / "ca.crt").read_bytes()
    token = data["token"].decode()
    cluster.create(reader(namespace))

    whoami = with_token(cluster, token, cluster.port, "auth", "whoami", "-o", "json")
    assert (whoami.code, whoami.err) == (0, "")
    user = json.loads(whoami.out)["status"]["userInfo"]
    assert user["username"] == f"system:serviceaccount:{namespace}:build-robot"
    labels = cluster.get("-n", namespace, "secret", "robot-token")["metadata"]["labels"]
    assert list(labels) == ["kubernetes.io/legacy-token-last-used"]

    listed = json.dumps({"secrets": [{"name": "robot-token"}]})
    cluster.ok("patch", "-n", namespace, "sa", "build-robot", "--type=merge", "-p", listed)

    def warned() -> bool:  # each API server may remember the former answer for 10 s
        return WARNING in with_token(cluster, token, cluster.port, "auth", "whoami").err

    assert eventually(warned)
    cluster.ok(
        "wait", "-n", namespace, "--for=jsonpath={.status.phase}=Succeeded", "pod/reader",
        "--timeout=90s",
    )  # fmt: skip
    told = cluster.ok("logs", "-n", namespace, "reader").split()
    assert told == [str(len(token)), "ca.crt", "namespace", "token"]

    cluster.ok("delete", "-n", namespace, "secret", "robot-token")

    def refused() -> bool:
        answer = with_token(cluster, token, cluster.port, "auth", "whoami")
        return answer.code == 1 and "Unauthorized" in answer.err

    assert eventually(refused)

    def listed_secrets() -> bool:
        return not cluster.get("-n", namespace, "sa", "build-robot").get("secrets")

    assert eventually(listed_secrets)


def test_a_kubelet_shows_its_metrics(cluster: ClusterUnderTest, namespace: str) -> None:
    spec = {
        "nodeName": "master-0",
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "c", "image": "busybox", "command": ["sleep", "600"]}],
    }
    metadata = {"name": "p", "namespace": namespace}
    cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    cluster.wait_ready("p", namespace)
    node = cluster.get("node", "master-0")
    port = node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
    pki = cluster.home / "pki"
    context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    client = pki / "apiserver-kubelet-client"
    context.load_cert_chain(f"{client}.crt", f"{client}.key")
    url = f"https://127.0.0.11:{port}/metrics"
    with urllib.request.urlopen(url, context=context) as answer:
        text = answer.read().decode()
    for name in (
        "kubelet_running_pods ", 'podpass_token_refresh_total{reason="new"}',
        "podpass_token_age_ratio ", "podpass_token_clock_skew_seconds ",
        'storage_operation_duration_seconds_count{volume_plugin="kubernetes.io/projected"',
        'rest_client_requests_total{code="200"', "process_resident_memory_bytes ",
    ):  # fmt: skip
        assert name in text
    shown = cluster.ok("get", "--raw", "/metrics")
    # Which of the servers answers is not known, nor what it was asked before.
    assert "# TYPE authentication_token_cache_request_total counter" in shown


@contextmanager
def audited_server(cluster: ClusterUnderTest, directory: Path) -> Iterator[int]:
    """Run an API server of its own with an audit log; returns its port."""
    (directory / "policy.yaml").write_text(POLICY)
    pki, port = cluster.home / "pki", free_port()
    arguments = [
        sys.executable, "-m", "podpass", "apiserver", f"--secure-port={port}",
        f"--tls-cert-file={pki}/apiserver.crt", f"--tls-private-key-file={pki}/apiserver.key",
        f"--client-ca-file={pki}/ca.crt", "--service-account-issuer=https://audited",
        f"--service-account-signing-key-file={pki}/sa.key",
        f"--storage=sqlite://{directory}/audited.db",
        f"--audit-policy-file={directory}/policy.yaml",
        f"--audit-log-path={directory}/audit.log", "--audit-log-maxsize=10",
    ]  # fmt: skip
    with subprocess.Popen(arguments, stderr=subprocess.DEVNULL, env=os.environ) as process:
        try:
            yield port
        finally:
            process.terminate()


def test_the_audit_log_tells_all_but_tokens_and_secrets(
    cluster: ClusterUnderTest, tmp_path: Path
) -> None:
    pki = cluster.home / "pki"
    with audited_server(cluster, tmp_path) as port:

        def admin(*arguments: str, stdin: str | None = None) -> Result:
            return run(
                [
                    str(cluster.home / "bin" / "kubectl"), "--kubeconfig=/dev/null",
                    f"--server=https://127.0.0.1:{port}", f"--certificate-authority={pki}/ca.crt",
                    f"--client-certificate={pki}/admin.crt", f"--client-key={pki}/admin.key",
                    *arguments,
                ],
                stdin=stdin,
            )  # fmt: skip

        assert eventually(lambda: admin("get", "--raw", "/readyz").code == 0)
        assert admin("create", "sa", "build-robot").code == 0
        assert admin("apply", "-f", "-", stdin=TOKEN_SECRET).code == 0
        hidden = "much-too-secret-to-be-logged"
        assert admin("create", "secret", "generic", "s", f"--from-literal=k={hidden}").code == 0
        issued = admin("create", "token", "build-robot").out.strip()
        encoded = admin("get", "secret", "robot-token", "-o", "jsonpath={.data.token}").out
        legacy = base64.b64decode(encoded).decode()
        review = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": legacy},
        }
        reviewed = admin("create", "-o", "json", "-f", "-", stdin=json.dumps(review))
        assert json.loads(reviewed.out)["status"]["authenticated"] is True
        assert with_token(cluster, issued, port, "get", "secrets").code == 1
        assert with_token(cluster, legacy, port, "auth", "whoami").code == 0
    text = (tmp_path / "audit.log").read_text()
    for secret in (issued, legacy, encoded, hidden, base64.b64encode(hidden.encode()).decode()):
        assert secret
        assert secret not in text
    events = [json.loads(line) for line in text.splitlines()]
    stages = {event["stage"] for event in events}
    assert {"RequestReceived", "ResponseComplete"} <= stages
    account = "system:serviceaccount:default:build-robot"
    forbidden = [
        event
        for event in events
        if event["user"].get("username") == account
        and event.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid"
    ]
    assert forbidden[-1]["responseStatus"]["code"] == 403
    annotations = {key for event in events for key in event.get("annotations", {})}
    assert {
        "authentication.kubernetes.io/issued-credential-id",
        "authentication.k8s.io/legacy-token-manual-secret",
    } <= annotations
