"""The API server of a cluster: address, token, and the second try after a 401."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from podpass.testing.fake_issuer import FakeIssuer
from podpass.workload.api_server import ApiServer
from podpass.workload.refusal import IssuerUnavailable, TokenUnreadable
from podpass.workload.token_file import TokenFile
from podpass.workload.transport import Answer

ISSUER = FakeIssuer()
OLD, NEW = ISSUER.token(jti="old"), ISSUER.token(jti="new")


@pytest.mark.parametrize(
    ("host", "url"), [("10.0.0.1", "https://10.0.0.1:443"), ("fd00::1", "https://[fd00::1]:443")]
)
def test_a_pod_finds_its_api_server(host: str, url: str, tmp_path: Path) -> None:
    environ = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": "443"}
    assert ApiServer.in_cluster(environ, tmp_path).url == url


@pytest.mark.parametrize("missing", ["KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"])
def test_outside_of_a_pod_there_is_none(missing: str) -> None:
    environ = {"KUBERNETES_SERVICE_HOST": "h", "KUBERNETES_SERVICE_PORT": "1"}
    del environ[missing]
    with pytest.raises(IssuerUnavailable, match="not inside a pod"):
        ApiServer.in_cluster(environ)


class Server:
    """Accepts one token."""

    def __init__(self, accepts: str) -> None:
        self.accepts = f"Bearer {accepts}"
        self.seen: list[Mapping[str, str]] = []

    def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        del method, url, body
        self.seen.append(headers)
        return Answer(200 if headers.get("Authorization") == self.accepts else 401, {}, b"")


def test_a_request_shows_the_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(OLD)
    server = Server(OLD)
    api = ApiServer("https://a", token_file=TokenFile(tmp_path / "token"), transport=server)
    assert api.request("GET", "/x").status == 200
    assert api.request("POST", "/x", b"{}").status == 200
    assert "Content-Type" not in server.seen[0]
    assert server.seen[1]["Content-Type"] == "application/json"


def test_after_a_401_the_newer_token_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(OLD)
    server = Server(NEW)
    inner = server.__call__

    def rotating(
        method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        answer = inner(method, url, headers, body)
        (tmp_path / "new").write_text(NEW)
        (tmp_path / "new").rename(path)
        return answer

    api = ApiServer("https://a", token_file=TokenFile(path), transport=rotating)
    assert api.request("GET", "/x").status == 200
    assert len(server.seen) == 2


def test_after_a_401_the_same_token_is_not_shown_again(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(OLD)
    server = Server(NEW)
    api = ApiServer("https://a", token_file=TokenFile(tmp_path / "token"), transport=server)
    assert api.request("GET", "/x").status == 401
    assert len(server.seen) == 1


def test_without_a_token_nobody_is_asked(tmp_path: Path) -> None:
    server = Server(NEW)
    api = ApiServer("https://a", token_file=TokenFile(tmp_path / "token"), transport=server)
    with pytest.raises(TokenUnreadable):
        api.request("GET", "/x")
    assert server.seen == []


def test_both_tries_ask_the_same(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(OLD)
    seen: list[tuple[object, ...]] = []

    def ask(method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        seen.append((method, url, dict(headers), body))
        (tmp_path / "new").write_text(NEW)
        (tmp_path / "new").rename(path)
        return Answer(401, {}, b"")

    ApiServer("https://a/", token_file=TokenFile(path), transport=ask).request("POST", "/x", b"{}")
    kinds = {"Accept": "application/json", "Content-Type": "application/json"}
    assert seen == [
        ("POST", "https://a/x", kinds | {"Authorization": f"Bearer {token}"}, b"{}")
        for token in (OLD, NEW)
    ]
