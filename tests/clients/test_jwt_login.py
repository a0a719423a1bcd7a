"""hvac logs in with a pod's token to a recipient that speaks as Vault does."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from harness import ClusterUnderTest, eventually, free_port
from rollout import ROLLOUT_SECONDS, currents, is_true, latest, operator_runs, set_issuer

from tests.clients.conftest import make_namespace
from tests.clients.installed import PROGRAMS, python

METHODS = {"jwt": "InvalidRequest", "kubernetes": "Forbidden"}
"""Vault's login methods, and what hvac raises when they refuse a token."""
NAMESPACE = "robots"
ACCOUNT = "build-robot"
AUDIENCE = "vault"
NEW_ISSUER = "https://test.default.svc"


@pytest.fixture(scope="module")
def vault_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterUnderTest]:
    """A cluster of its own: a change of issuer is felt by everybody."""
    python("login_hvac.py")  # or there is nothing to start it for
    one = ClusterUnderTest(tmp_path_factory.mktemp("vault") / "home", free_port(), nodes=1)
    started = one.up()
    try:
        assert started.code == 0, started.err + one.logs_tail()
        make_namespace(one, NAMESPACE)
        one.ok("create", "-n", NAMESPACE, "sa", "other")
        one.ok("create", "-n", NAMESPACE, "sa", "vault")
        delegator = ("clusterrolebinding", "vault", "--clusterrole=system:auth-delegator")
        one.ok("create", *delegator, f"--serviceaccount={NAMESPACE}:vault")
        yield one
    finally:
        one.down()


@dataclass
class Recipient:
    """The vault's process.

    Attributes:
        cluster: Whose tokens it takes.
        url: Where it listens.
        token_file: Its own token, for the API server.
    """

    cluster: ClusterUnderTest
    url: str
    token_file: Path

    def renew(self) -> None:
        """Give it a new token, as a kubelet would."""
        token = self.cluster.ok("create", "token", "-n", NAMESPACE, "vault").strip()
        fresh = self.token_file.with_suffix(".new")
        fresh.touch(0o600)
        fresh.write_text(token)
        fresh.rename(self.token_file)

    def logins(self, *attempts: tuple[str, str], role: str = "robot") -> list[dict[str, Any]]:
        """Let hvac log in, with a method and a token each time; return what came of it."""
        lines = [json.dumps({"method": how, "role": role, "jwt": jwt}) for how, jwt in attempts]
        done = subprocess.run(
            [*python("login_hvac.py"), self.url],
            input="\n".join(lines),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        signatures = [jwt.rpartition(".")[2] for _, jwt in attempts]
        assert not any(one and one in done.stdout + done.stderr for one in signatures)
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def recipient(
    vault_cluster: ClusterUnderTest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Recipient]:
    cluster, directory = vault_cluster, tmp_path_factory.mktemp("recipient")
    settings = {
        "url": f"https://127.0.0.1:{cluster.port}",
        "ca_file": str(cluster.home / "pki" / "ca.crt"),
        "token_file": str(directory / "token"),
        "audience": AUDIENCE,
        "roles": {"robot": f"{NAMESPACE}/{ACCOUNT}"},
    }
    (directory / "settings").write_text(json.dumps(settings))
    one = Recipient(cluster, "", directory / "token")
    one.renew()
    command = [sys.executable, str(PROGRAMS / "vault_recipient.py"), str(directory / "settings")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            one.url = json.loads(process.stdout.readline())["url"]
            yield one
        finally:
            process.terminate()


def start_pod(cluster: ClusterUnderTest, name: str, audience: str = AUDIENCE) -> str:
    """Run a pod, and return the token that the kubelet has projected into it."""
    source = {"path": "token", "audience": audience, "expirationSeconds": 3600}
    mount = {"name": "token", "mountPath": "/var/run/secrets/tokens"}
    container = {"name": "main", "image": "busybox", "command": ["sleep", "3600"]}
    cluster.create(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {
                "serviceAccountName": ACCOUNT,
                "terminationGracePeriodSeconds": 0,
                "containers": [container | {"volumeMounts": [mount]}],
                "volumes": [
                    {"name": "token", "projected": {"sources": [{"serviceAccountToken": source}]}}
                ],
            },
        }
    )
    cluster.wait_ready(name, NAMESPACE)
    return cluster.ok("exec", "-n", NAMESPACE, name, "--", "cat", "/var/run/secrets/tokens/token")


def changed_over(cluster: ClusterUnderTest) -> bool:
    """Tell whether the only API server, which is away meanwhile, has the new issuer for good."""
    document = cluster.oc("get", "--raw", "/.well-known/openid-configuration")
    rollout = cluster.oc("get", "kubeapiserver", "cluster", "-o", "json")
    if document.code or rollout.code or json.loads(document.out)["issuer"] != NEW_ISSUER:
        return False
    found = json.loads(rollout.out)
    return set(currents(found)) == {latest(found)} and not is_true(
        found, "NodeInstallerProgressing"
    )


def mutated(token: str) -> str:
    """Change one letter in the middle of the signature."""
    at = token.rindex(".") + 40
    return token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]


@pytest.mark.client("hvac")
@pytest.mark.tried("logs in to a recipient that speaks as Vault; bad tokens are refused")
def test_hvac_logs_in_with_a_pods_token_and_no_other(
    vault_cluster: ClusterUnderTest, recipient: Recipient
) -> None:
    cluster = vault_cluster
    token = start_pod(cluster, "robot")
    for said in recipient.logins(*((method, token) for method in METHODS)):
        assert said["authenticated"] is True, said
        assert said["policies"] == ["robot"]
        assert said["secret"] == {"password": "open sesame"}
        who = said["metadata"]
        assert who["service_account_namespace"] == NAMESPACE
        assert who["service_account_name"] == ACCOUNT
        assert who["pod"] == "robot"

    stranger = ("create", "token", "-n", NAMESPACE, "other", "--audience", AUDIENCE)
    bad = {
        "for another audience": start_pod(cluster, "elsewhere", "api"),
        "of another account": cluster.ok(*stranger).strip(),
        "with another signature": mutated(token),
        "without a signature": token.rpartition(".")[0] + ".",
        "cut": token[: len(token) // 2],
        "empty": "",
    }
    for method, error in METHODS.items():
        answers = recipient.logins(*((method, jwt) for jwt in bad.values()))
        refusals = {what: said.get("refused") for what, said in zip(bad, answers, strict=True)}
        assert refusals == dict.fromkeys(bad, error), (method, answers)
    (unknown,) = recipient.logins(("jwt", token), role="admin")
    assert unknown["refused"] == "InvalidRequest"

    never_reviewed = start_pod(cluster, "short-lived")
    cluster.ok("delete", "pod", "-n", NAMESPACE, "short-lived", "--wait")
    by_keys, by_review = recipient.logins(("jwt", never_reviewed), ("kubernetes", never_reviewed))
    assert by_keys["authenticated"], "its signature is good until it expires"
    assert by_review["refused"] == "Forbidden", "the API server knows that the pod is gone"


@pytest.mark.client("hvac")
@pytest.mark.tried("logs in after a change of the issuer")
def test_hvac_logs_in_after_the_issuer_was_changed(
    vault_cluster: ClusterUnderTest, recipient: Recipient
) -> None:
    cluster = vault_cluster
    old = start_pod(cluster, "before")
    (before,) = recipient.logins(("jwt", old))
    assert before["authenticated"], before
    eventually(lambda: operator_runs(cluster), what="the operator's pod")
    set_issuer(cluster, NEW_ISSUER)
    eventually(lambda: changed_over(cluster), within=ROLLOUT_SECONDS, what="the new issuer")

    recipient.renew()
    new = start_pod(cluster, "after")
    for method, error in METHODS.items():
        accepted, refused = recipient.logins((method, new), (method, old))
        assert accepted.get("authenticated"), (method, accepted)
        assert refused.get("refused") == error, (method, refused)
