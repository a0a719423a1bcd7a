"""The document's first step, to the letter: a new issuer reaches the nodes one after the other."""

from __future__ import annotations

import http.client
import json
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest
from harness import ClusterUnderTest, Result, claims_of, eventually, free_port, run

NEW_ISSUER = "https://test.default.svc"
PROGRESS = (
    "-o=jsonpath="
    '{range .items[0].status.conditions[?(@.type=="NodeInstallerProgressing")]}'
    '{.reason}{"\\n"}{.message}{"\\n"}'
)
LOOP = """
for I in $(oc get ns -o jsonpath='{range .items[*]} {.metadata.name}{"\\n"} {end}'); \\
      do oc delete pods --all -n $I; \\
      sleep 1; \\
      done
"""
"""The loop of the document, with nothing changed."""


class SteadyClient:
    """Asks 50 times a second with a client certificate, on the shared address, without retries."""

    def __init__(self, cluster: ClusterUnderTest) -> None:
        self._cluster = cluster
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.answers = 0
        self.errors: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        pki = self._cluster.home / "pki"
        context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self._cluster.port, context=context, timeout=5
        )
        while not self._stop.wait(0.02):
            try:
                connection.request("GET", "/api/v1/namespaces/default")
                response = connection.getresponse()
                response.read()
                if response.status != 200:
                    self.errors.append(f"status {response.status}")
            except (OSError, http.client.HTTPException) as error:
                self.errors.append(repr(error))
                connection.close()
            self.answers += 1
        connection.close()


@pytest.fixture(scope="module")
def rollout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterUnderTest]:
    """A cluster of its own: a change of issuer is felt by everybody."""
    one = ClusterUnderTest(tmp_path_factory.mktemp("rollout") / "home", free_port())
    started = one.up()
    try:
        assert started.code == 0, started.err + one.logs_tail()
        eventually(lambda: operator_is_ready(one), within=60, what="the operator's pod")
        yield one
    finally:
        one.down()


def operator_is_ready(cluster: ClusterUnderTest) -> bool:
    pods = cluster.get("-n", "openshift-kube-apiserver-operator", "pods")["items"]
    return [pod["status"]["phase"] for pod in pods] == ["Running"]


def set_issuer(cluster: ClusterUnderTest, issuer: str, directory: Path) -> str:
    """Edit the object through EDITOR, as an administrator does."""
    editor = directory / "editor.py"
    editor.write_text(
        "#!/usr/bin/env python3\n"
        "import sys, yaml\n"
        "text = open(sys.argv[1]).read()\n"
        "obj = yaml.safe_load(text)\n"
        f"obj.setdefault('spec', {{}})['serviceAccountIssuer'] = {issuer!r}\n"
        "open(sys.argv[1], 'w').write(yaml.safe_dump(obj))\n"
    )
    command = f"{sys.executable} {editor}"
    result: Result = run(
        [str(cluster.home / "bin/oc"), "edit", "authentications", "cluster"],
        env={
            "KUBECONFIG": str(cluster.home / "kubeconfigs/admin.kubeconfig"),
            "EDITOR": command,
        },
    )
    assert result.code == 0, result.err
    return result.out


def progress(cluster: ClusterUnderTest) -> tuple[str, str]:
    reason, message = cluster.ok("get", "kubeapiserver", PROGRESS).split("\n")[:2]
    return reason, message


def is_accepted(cluster: ClusterUnderTest, token: str) -> bool:
    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token, "audiences": ["vault"]},
    }
    out = cluster.ok("create", "-f", "-", "-o", "json", stdin=json.dumps(review))
    return bool(json.loads(out)["status"].get("authenticated"))


@pytest.mark.timeout(300)
def test_the_first_step_of_the_document(rollout: ClusterUnderTest, tmp_path: Path) -> None:
    cluster = rollout
    cluster.ok("create", "sa", "build-robot")
    cluster.ok("create", "deployment", "web", "--image=nginx", "--replicas=2")
    cluster.ok("rollout", "status", "deployment/web", "--timeout=90s")
    old_token = cluster.ok("create", "token", "build-robot", "--audience=vault").strip()
    assert is_accepted(cluster, old_token)
    assert progress(cluster) == ("AllNodesAtLatestRevision", "3 nodes are at revision 1")

    with SteadyClient(cluster) as client:
        started = time.monotonic()
        assert "edited" in set_issuer(cluster, NEW_ISSUER, tmp_path)
        edited = time.monotonic()
        seen = [progress(cluster)]
        while seen[-1] != ("AllNodesAtLatestRevision", "3 nodes are at revision 2"):
            assert time.monotonic() - started < 90, seen
            now = progress(cluster)
            if now == ("AllNodesAtLatestRevision", "3 nodes are at revision 1"):
                assert time.monotonic() - edited < 1, "the change was not announced in a second"
            if now != seen[-1]:
                seen.append(now)
    assert client.answers > 50
    assert client.errors == []
    messages = [message for _, message in seen if not message.endswith("at revision 1")]
    assert messages == [
        "3 nodes are at revision 1; 0 nodes have achieved new revision 2",
        "2 nodes are at revision 1; 1 nodes are at revision 2",
        "1 nodes are at revision 1; 2 nodes are at revision 2",
        "3 nodes are at revision 2",
    ]

    waited = cluster.podpass("issuer", "status", "--wait", "--home", str(cluster.home))
    assert waited.code == 0, waited.err
    assert waited.out.count(NEW_ISSUER) >= 4
    new_token = cluster.ok("create", "token", "build-robot", "--audience=vault").strip()
    assert claims_of(new_token)["iss"] == NEW_ISSUER
    assert is_accepted(cluster, new_token)
    eventually(lambda: not is_accepted(cluster, old_token), within=30)

    before = web_pods(cluster)
    script = run(
        ["bash", "-c", LOOP],
        timeout=150,
        env={
            "KUBECONFIG": str(cluster.home / "kubeconfigs/admin.kubeconfig"),
            "PATH": f"{cluster.home}/bin:/usr/bin:/bin",
        },
    )
    assert script.code == 0, script.err
    cluster.ok("rollout", "status", "deployment/web", "--timeout=90s")
    after = eventually(lambda: pods if len(pods := web_pods(cluster)) == 2 else None)
    assert not before & after
    token_file = "/var/run/secrets/kubernetes.io/serviceaccount/token"
    token = cluster.ok("exec", "deployment/web", "--", "cat", token_file)
    assert claims_of(token)["iss"] == NEW_ISSUER
    eventually(lambda: operator_is_ready(cluster), within=60, what="the operator is back")
    status = cluster.podpass("status", "--home", str(cluster.home))
    assert status.code == 0, status.out


def web_pods(cluster: ClusterUnderTest) -> set[str]:
    pods = cluster.get("pods", "-l", "app=web")["items"]
    return {pod["metadata"]["uid"] for pod in pods if not pod["metadata"].get("deletionTimestamp")}


@pytest.mark.rule("config.jwks-uri")
def test_the_public_keys_can_be_served_from_elsewhere(
    rollout: ClusterUnderTest, tmp_path: Path
) -> None:
    exported = rollout.podpass(
        "issuer", "export", str(tmp_path / "bucket"), "--home", str(rollout.home)
    )
    assert exported.code == 0, exported.err
    document = json.loads((tmp_path / "bucket/.well-known/openid-configuration").read_text())
    keys = json.loads((tmp_path / "bucket/openid/v1/jwks").read_text())["keys"]
    served = json.loads(rollout.ok("get", "--raw", "/openid/v1/jwks"))["keys"]
    assert document["issuer"].startswith("https://")
    assert keys == served
