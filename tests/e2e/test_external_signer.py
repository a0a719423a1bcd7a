"""A cluster whose tokens are signed by a program beside it."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import ClusterUnderTest, eventually, free_port

from podpass.jose.pem import load_signing_key

TOKEN_FILE = "/var/run/secrets/kubernetes.io/serviceaccount/token"


class SignerProgram:
    """The reference signer as a user starts it."""

    def __init__(self, directory: Path) -> None:
        self.socket = directory / "s.sock"
        self.key_file = directory / "sa.key"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                sys.executable, "-m", "podpass.testing.reference_signer",
                f"--socket={self.socket}", f"--key={self.key_file}", "--refresh-hint-seconds=1",
            ],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        eventually(self.socket.exists, what="the signer's socket")

    def stop(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(10)

    @property
    def key_id(self) -> str:
        return load_signing_key(self.key_file.read_bytes()).public.key_id


@pytest.fixture
def signer() -> Iterator[SignerProgram]:
    with tempfile.TemporaryDirectory(prefix="signer-") as directory:
        program = SignerProgram(Path(directory))
        program.start()
        yield program
        program.stop()


@pytest.fixture
def signed(tmp_path: Path, signer: SignerProgram) -> Iterator[ClusterUnderTest]:
    """A cluster of one node, made with `--signing-endpoint`."""
    one = ClusterUnderTest(
        tmp_path / "home",
        free_port(),
        nodes=1,
        options=("--signing-endpoint", str(signer.socket)),
    )
    started = one.up()
    try:
        assert started.code == 0, started.err + one.logs_tail()
        yield one
    finally:
        one.down()


def header_of(token: str) -> dict[str, Any]:
    header = token.partition(".")[0]
    decoded: dict[str, Any] = json.loads(
        base64.urlsafe_b64decode(header + "=" * (-len(header) % 4))
    )
    return decoded


def published_kids(cluster: ClusterUnderTest) -> list[str]:
    return [key["kid"] for key in json.loads(cluster.ok("get", "--raw", "/openid/v1/jwks"))["keys"]]


def user_of(cluster: ClusterUnderTest, token: str) -> str:
    """Return whose token it is, empty if it does not count."""
    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "metadata": {},
        "spec": {"token": token},
    }
    answer = json.loads(cluster.create(review, "-o", "json"))
    return str(answer["status"].get("user", {}).get("username", ""))


@pytest.mark.rule("signer.sign")
def test_a_cluster_signs_with_a_key_that_it_does_not_have(
    signed: ClusterUnderTest, signer: SignerProgram
) -> None:
    assert published_kids(signed) == [signer.key_id]
    signed.ok("create", "sa", "build-robot")
    eventually(lambda: signed.oc("get", "cm/kube-root-ca.crt").code == 0)
    container = {"name": "c", "image": "nginx"}
    spec = {"serviceAccountName": "build-robot", "containers": [container]}
    signed.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec})
    signed.wait_ready("p")
    token = signed.ok("exec", "p", "--", "cat", TOKEN_FILE).strip()
    assert header_of(token) == {"typ": "JWT", "alg": "ES256", "kid": signer.key_id}
    assert user_of(signed, token) == "system:serviceaccount:default:build-robot"

    # Another key, while the API server runs: shown and used without a restart.
    old, before = signer.key_id, signed.get("pods", "-n", "openshift-kube-apiserver")
    signer.stop()
    refused = signed.oc("create", "token", "build-robot", "--request-timeout=1s")
    assert refused.code != 0
    signer.key_file.unlink()
    signer.start()
    assert signer.key_id != old
    eventually(lambda: published_kids(signed) == [signer.key_id], what="the new key")
    fresh = signed.ok("create", "token", "build-robot").strip()
    assert header_of(fresh)["kid"] == signer.key_id
    assert user_of(signed, fresh) == "system:serviceaccount:default:build-robot"
    after = signed.get("pods", "-n", "openshift-kube-apiserver")
    assert [pod["status"]["containerStatuses"] for pod in after["items"]] == [
        pod["status"]["containerStatuses"] for pod in before["items"]
    ]
