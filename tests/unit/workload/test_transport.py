"""One HTTPS request: what is sent, what is believed, and how it fails."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest
from workload.https_server import Asked, Reply, certificate, serving

from podpass.workload.refusal import IssuerUnavailable
from podpass.workload.transport import MAXIMUM_ANSWER, Answer, HttpsTransport


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificate(tmp_path_factory.mktemp("tls"))


def test_a_request_and_its_answer(tls: tuple[Path, Path]) -> None:
    asked: list[Asked] = []

    def answer(request: Asked) -> Reply:
        asked.append(request)
        return Reply(201, b"yes", {"Cache-Control": "max-age=5"})

    with serving(answer, tls) as url:
        got = HttpsTransport(tls[0])("POST", f"{url}/a?b=c", {"X-One": "1"}, b"body")
    assert (got.status, got.body, got.headers["cache-control"]) == (201, b"yes", "max-age=5")
    assert (asked[0].method, asked[0].path, asked[0].body) == ("POST", "/a?b=c", b"body")
    assert asked[0].headers["X-One"] == "1"


def test_a_url_without_a_path_asks_for_the_root() -> None:
    with serving(lambda request: Reply(200, request.path.encode())) as url:
        assert HttpsTransport()("GET", url, {}).body == b"/"


def test_a_redirect_is_an_answer_and_nothing_more() -> None:
    with serving(lambda _: Reply(302, b"", {"Location": "http://127.0.0.1:1/"})) as url:
        assert HttpsTransport()("GET", url, {}).status == 302


def test_a_server_that_the_ca_does_not_know_is_not_believed(tls: tuple[Path, Path]) -> None:
    with (
        serving(lambda _: Reply(), tls) as url,
        pytest.raises(IssuerUnavailable, match="cannot ask"),
    ):
        HttpsTransport()("GET", url, {})


def test_a_new_ca_file_is_used_from_then_on(tls: tuple[Path, Path], tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    ca_file = shutil.copy(certificate(other)[0], tmp_path / "ca.crt")
    transport = HttpsTransport(ca_file)
    with serving(lambda _: Reply(), tls) as url:
        with pytest.raises(IssuerUnavailable):
            transport("GET", url, {})
        shutil.copy(tls[0], tmp_path / "new.crt")
        (tmp_path / "new.crt").rename(ca_file)
        assert transport("GET", url, {}).status == 200
        assert transport("GET", url, {}).status == 200


@pytest.mark.parametrize(("more", "good"), [(0, True), (1, False)], ids=["just fits", "too large"])
def test_an_answer_has_a_largest_size(*, more: int, good: bool) -> None:
    with serving(lambda _: Reply(200, b"x" * (MAXIMUM_ANSWER + more))) as url:
        if good:
            answer: Answer = HttpsTransport()("GET", url, {})
            assert len(answer.body) == MAXIMUM_ANSWER
            return
        with pytest.raises(IssuerUnavailable, match="has more than 1048576 bytes"):
            HttpsTransport()("GET", url, {})


@pytest.mark.parametrize(
    ("url", "why"),
    [
        pytest.param("http://issuer.example", "not an https URL", id="plain http"),
        pytest.param("http://127.0.0.1:1/x", "Connection refused", id="nobody listens"),
        pytest.param("file:///etc/passwd", "not a URL of a host", id="a file"),
    ],
)
def test_no_answer_is_an_unavailable_issuer(url: str, why: str) -> None:
    with pytest.raises(IssuerUnavailable, match=why):
        HttpsTransport()("GET", url, {})


def test_a_missing_ca_file_is_an_unavailable_issuer(tmp_path: Path) -> None:
    with pytest.raises(IssuerUnavailable, match="No such file"):
        HttpsTransport(tmp_path / "ca.crt")("GET", "https://127.0.0.1:1", {})


def test_what_is_no_http_is_an_unavailable_issuer() -> None:
    with (
        serving(lambda _: Reply(200, b"", {"X": "y\r\n" * 300})) as url,
        pytest.raises(IssuerUnavailable, match=r"is not HTTP \(HTTPException\)"),
    ):
        HttpsTransport()("GET", url, {})


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_says_nothing_is_not_waited_for_long(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(IssuerUnavailable, match="timed out"):
            HttpsTransport(timeout=0.1)("GET", url, {})
