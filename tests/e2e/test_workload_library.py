"""The library inside of a pod, and `podpass token` against the cluster: holders and recipients."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from harness import ClusterUnderTest, Result, eventually

HOLDER = """
import os, threading
from podpass.workload import (
    ApiServer, ClusterKeys, TokenFile, TokenRefused, TokenReviewVerifier, Verifier,
)
file = TokenFile('/var/run/secrets/tokens/token')
recipient = Verifier.in_cluster(audience='vault')
other = Verifier.in_cluster(audience='other')
reviewer = TokenReviewVerifier.in_cluster(audience='vault')
for number, token in enumerate(file.rotations(threading.Event(), interval=0.1)):
    one, two = recipient.verify(token), reviewer.verify(token)
    assert one == two, (one, two)
    assert (one.username, one.pod.uid) == (os.environ['ACCOUNT'], os.environ['POD_UID']), one
    assert file.read() == token
    try:
        other.verify(token)
    except TokenRefused as refused:
        print(number, one.token_id, one.node.name, refused.reason, flush=True)
    else:
        raise SystemExit('accepted for another audience')
"""


def pod(namespace: str, name: str, **container: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "serviceAccountName": "build-robot",
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "c"} | container],
            "volumes": [
                {
                    "name": "tokens",
                    "projected": {
                        "sources": [
                            {
                                "serviceAccountToken": {
                                    "path": "token",
                                    "audience": "vault",
                                    "expirationSeconds": 10,
                                }
                            }
                        ]
                    },
                }
            ],
        },
    }


def token(cluster: ClusterUnderTest, namespace: str, account: str, *more: str) -> str:
    return cluster.ok(
        "create", "token", "-n", namespace, account, "--audience", "vault", *more
    ).strip()


def command(cluster: ClusterUnderTest, token: str, tmp_path: Path, *arguments: str) -> Result:
    """Run `podpass token` with a file that holds `token`, as the administrator."""
    path = tmp_path / "token"
    path.write_text(token)
    name, *options = arguments
    kubeconfig = cluster.home / "kubeconfigs" / "admin.kubeconfig"
    done = cluster.podpass("token", name, str(path), "--kubeconfig", str(kubeconfig), *options)
    assert token.rpartition(".")[2] not in done.out + done.err
    return done


@pytest.mark.rule("case.e2e.rotation-client", "case.e2e.oidc")
def test_a_pod_holds_and_accepts_tokens_through_rotations(
    cluster: ClusterUnderTest, namespace: str
) -> None:
    cluster.ok(
        "create", "clusterrolebinding", f"{namespace}-reviewer",
        "--clusterrole=system:auth-delegator", f"--serviceaccount={namespace}:build-robot",
    )  # fmt: skip
    uid = {"name": "POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}
    account = {"name": "ACCOUNT", "value": f"system:serviceaccount:{namespace}:build-robot"}
    cluster.create(
        pod(
            namespace, "holder", image="podpass", command=["python3", "-c", HOLDER],
            env=[uid, account],
            volumeMounts=[{"name": "tokens", "mountPath": "/var/run/secrets/tokens"}],
        )
    )  # fmt: skip

    def two_tokens() -> list[list[str]] | None:
        lines = cluster.oc("logs", "-n", namespace, "holder").out.splitlines()
        seen = [line.split() for line in lines]
        return seen if len(seen) > 1 else None

    seen = eventually(two_tokens, within=45, what="two tokens seen by the holder")
    cluster.ok("delete", "clusterrolebinding", f"{namespace}-reviewer")
    assert [words[0] for words in seen[:2]] == ["0", "1"], seen
    assert len({words[1] for words in seen}) == len(seen)
    assert {words[3] for words in seen} == {"audience"}


def test_the_command_says_why_the_cluster_refuses_a_token(
    cluster: ClusterUnderTest, namespace: str, tmp_path: Path
) -> None:
    short = token(cluster, namespace, "build-robot", "--duration", "10s")
    cluster.create(pod(namespace, "p", image="busybox", command=["sleep", "600"]))
    bound = token(
        cluster, namespace, "build-robot", "--bound-object-kind", "Pod", "--bound-object-name", "p"
    )
    good = command(
        cluster, bound, tmp_path, "verify", "--audience", "vault", "--review", "-o", "json"
    )
    assert good.code == 0, good.err
    assert json.loads(good.out)["pod"]["name"] == "p"
    other = command(cluster, bound, tmp_path, "verify", "--audience", "other")
    assert (other.code, "another audience" in other.err) == (1, True)

    cluster.ok("delete", "-n", namespace, "pod", "p")
    gone = eventually(
        lambda: (
            done
            if (done := command(cluster, bound, tmp_path, "explain", "--audience", "vault")).code
            else None
        ),
        within=20,  # an API server may remember a good token for 10 s
    )
    assert gone.code == 1
    assert 'refused (bound-object-gone): It is bound to the pod "p", which is gone.' in gone.out

    cluster.ok("create", "sa", "-n", namespace, "temporary")
    orphan = token(cluster, namespace, "temporary")
    cluster.ok("delete", "sa", "-n", namespace, "temporary")
    assert "refused (account-gone)" in command(cluster, orphan, tmp_path, "explain").out
    cluster.ok("create", "sa", "-n", namespace, "temporary")
    again = eventually(
        lambda: (
            out
            if "account-recreated" in (out := command(cluster, orphan, tmp_path, "explain").out)
            else None
        )
    )
    assert f'"{namespace}/temporary", which was deleted and made anew' in again

    late = eventually(
        lambda: (
            done
            if (done := command(cluster, short, tmp_path, "explain", "--leeway", "0")).code
            else None
        ),
        within=20,
    )
    assert late.out.startswith("refused (expired): It expired ")

    head, _, signature = bound.rpartition(".")
    forged = f"{head}.{'A' * len(signature)}"
    assert "refused (signature)" in command(cluster, forged, tmp_path, "explain").out
