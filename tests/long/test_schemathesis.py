"""schemathesis reads the server's OpenAPI documents and asks all that they allow and forbid."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from apiserver.server_process import arguments, free_port

from podpass.testing.api_server import TestPki
from tests.long.fuzzed_api import ANSWER_SECONDS, NAMES, NAMESPACE, Run

pytestmark = pytest.mark.timeout(600)

MEGABYTE = 1024 * 1024
GROWTH = 48 * MEGABYTE
ROUNDS = 2
KIND = "serviceaccounts"
ACCOUNT = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{NAMES[0]}"


@dataclass(frozen=True, slots=True)
class Server:
    url: str
    pid: int
    pki: TestPki
    log: Path

    def session(self, token: str = "") -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        session.verify = str(self.pki.directory / "ca.crt")
        if token:
            session.headers["Authorization"] = f"Bearer {token}"
        else:
            session.cert = (
                str(self.pki.directory / "admin.crt"), str(self.pki.directory / "admin.key"),
            )  # fmt: skip
        return session

    def resident(self) -> int:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * 4096


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server of its own for each test, so that nothing is lost by what is deleted."""
    pki = TestPki.make(tmp_path / "pki")
    port = free_port()
    log = tmp_path / "log"
    given = arguments(pki, tmp_path, port)
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-m", "podpass", *given], stdout=output, stderr=output
        ) as process,
    ):
        try:
            running = Server(f"https://127.0.0.1:{port}", process.pid, pki, log)
            _await_ready(running, process)
            yield running
        finally:
            process.terminate()


def _await_ready(server: Server, process: subprocess.Popen[bytes]) -> None:
    while b"serving on" not in server.log.read_bytes():
        assert process.poll() is None, server.log.read_text()
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue


def make(session: requests.Session, url: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = session.post(url, json=body, timeout=ANSWER_SECONDS)
    assert answer.status_code == requests.codes.created, answer.text
    made: dict[str, Any] = answer.json()
    return made


TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"app": "a"}},
    "spec": {"containers": [{"name": "c", "image": "i"}]},
}
WORKLOAD = {"selector": {"matchLabels": {"app": "a"}}, "template": TEMPLATE}
OBJECTS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "/api/v1": [
        ("serviceaccounts", {}),
        ("configmaps", {"data": {"a": "b"}}),
        ("secrets", {"stringData": {"a": "b"}}),
        ("pods", {"spec": TEMPLATE["spec"]}),
    ],
    "/apis/apps/v1": [(kind, {"spec": WORKLOAD}) for kind in ("deployments", "replicasets")],
    "/apis/batch/v1": [
        ("jobs", {"spec": {"template": {"spec": TEMPLATE["spec"] | {"restartPolicy": "Never"}}}})
    ],
    "/apis/coordination.k8s.io/v1": [("leases", {"spec": {"holderIdentity": "a"}})],
    "/apis/rbac.authorization.k8s.io/v1": [("roles", {"rules": []})],
}


def seed(server: Server) -> str:
    """Make the namespace and objects named `a` in it; returns a token of the account."""
    with server.session() as admin:
        make(admin, f"{server.url}/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        make(admin, f"{server.url}/api/v1/nodes", {"metadata": {"name": NAMES[0]}})
        pod_account = {"metadata": {"name": "default"}}
        make(admin, f"{server.url}/api/v1/namespaces/{NAMESPACE}/serviceaccounts", pod_account)
        for root, objects in OBJECTS.items():
            for plural, content in objects:
                body = {"metadata": {"name": NAMES[0]}} | content
                make(admin, f"{server.url}{root}/namespaces/{NAMESPACE}/{plural}", body)
        token = make(admin, f"{server.url}{ACCOUNT}/token", {"spec": {"expirationSeconds": 36000}})
    return str(token["status"]["token"])


def fuzz(server: Server, session: requests.Session, examples: int, codes: set[int]) -> None:
    """Send requests of every operation of every document, and judge the answers together."""
    run = Run(session, server.url, examples)
    for entry in run.document("/openapi/v3")["paths"].values():
        run.fuzz(run.document(entry["serverRelativeURL"]))
    assert codes <= run.codes.keys(), run.codes
    assert run.faults == [], f"{len(run.faults)} faults\n" + "\n".join(run.faults[:20])
    assert "Traceback" not in server.log.read_text()
    with server.session() as admin:
        assert admin.get(f"{server.url}/readyz", timeout=ANSWER_SECONDS).text == "ok"


def test_nothing_that_an_administrator_sends_breaks_the_server(server: Server) -> None:
    seed(server)
    with server.session() as admin:
        fuzz(server, admin, examples=4, codes={200, 201, 400, 404, 422})


def test_nothing_that_an_account_sends_breaks_the_server(server: Server) -> None:
    token = seed(server)
    with server.session(token) as account:
        fuzz(server, account, examples=2, codes={201, 403})


@pytest.mark.parametrize("user", ["administrator", "account"])
def test_memory_does_not_grow_with_requests(server: Server, user: str) -> None:
    token = seed(server)
    with server.session(token if user == "account" else "") as session:
        run = Run(session, server.url, examples=4)
        document = run.document("/openapi/v3/api/v1")
        kept = f"/api/v1/namespaces/{{namespace}}/{KIND}"
        document["paths"] = {
            path: item for path, item in document["paths"].items() if path.startswith(kept)
        }
        run.fuzz(document)  # what is loaded and cached at the first request is no growth
        before = server.resident()
        for _ in range(ROUNDS):
            run.fuzz(document)
        grown = server.resident() - before
        assert run.faults == []
        assert grown < GROWTH
