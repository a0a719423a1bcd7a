"""The short ways to a verifier use what is mounted into a pod: token, CA and address."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from workload.https_server import Asked, Reply, certificate, serving

from podpass.base.clock import SystemClock
from podpass.testing.fake_issuer import FakeIssuer
from podpass.workload import api_server
from podpass.workload.api_server import ApiServer
from podpass.workload.refusal import IssuerUnavailable, Reason, TokenRefused
from podpass.workload.review_verifier import TokenReviewVerifier
from podpass.workload.verifier import Verifier


class Pod:
    """An API server, and the directory with its CA and a token."""

    def __init__(self, directory: Path, url: str, issuer: FakeIssuer) -> None:
        self.directory = directory
        self.url = url
        self.issuer = issuer
        self.environ = {
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": url.rpartition(":")[2],
        }


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pod]:
    issuer = FakeIssuer()

    def answer(asked: Asked) -> Reply:
        if asked.method != "GET":
            return Reply(403)
        said = issuer("GET", f"{issuer.issuer}{asked.path}", asked.headers)
        return Reply(said.status, said.body, said.headers)

    with serving(answer, certificate(tmp_path)) as url:
        issuer.issuer = url
        (tmp_path / "token").write_text(issuer.token())
        here = Pod(tmp_path, url, issuer)
        for name, value in here.environ.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(api_server, "SERVICE_ACCOUNT_DIRECTORY", tmp_path)
        yield here


def good(pod: Pod) -> str:
    return pod.issuer.token(SystemClock().now(), iss=pod.url)


def test_the_mounted_token_is_shown_to_a_server_of_the_mounted_ca(pod: Pod) -> None:
    assert ApiServer.in_cluster(pod.environ, pod.directory).request("GET", "/x").status == 200
    assert pod.issuer.shown == [f"Bearer {(pod.directory / 'token').read_text()}"]


def test_another_directory_than_the_usual_can_be_named(pod: Pod, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    other.mkdir()
    (other / "ca.crt").write_bytes((pod.directory / "ca.crt").read_bytes())
    (other / "token").write_text(pod.issuer.token(jti="other"))
    ApiServer.in_cluster(pod.environ, other).request("GET", "/x")
    assert pod.issuer.shown == [f"Bearer {(other / 'token').read_text()}"]


def test_an_api_server_of_another_ca_is_not_asked(pod: Pod) -> None:
    (pod.directory / "ca.crt").write_bytes(b"")
    with pytest.raises(IssuerUnavailable, match="cannot ask"):
        ApiServer(pod.url, ca_file=pod.directory / "ca.crt").request("GET", "/x")
    assert pod.issuer.requests == []


def test_outside_of_a_pod_the_variables_are_named() -> None:
    words = "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be set"
    with pytest.raises(IssuerUnavailable, match=f"^not inside a pod: {words}$"):
        ApiServer.in_cluster({})


def test_a_verifier_in_the_cluster_learns_issuer_and_keys(pod: Pod) -> None:
    identity = Verifier.in_cluster(audience="vault").verify(good(pod))
    assert identity.issuer == pod.url


def test_a_verifier_in_the_cluster_takes_other_issuers(pod: Pod) -> None:
    verifier = Verifier.in_cluster(audience="vault", issuer="https://named.example")
    with pytest.raises(TokenRefused) as error:
        verifier.verify(good(pod))
    assert error.value.reason is Reason.ISSUER


def test_a_verifier_of_an_issuer_believes_its_ca_alone(pod: Pod) -> None:
    ca_file = pod.directory / "ca.crt"
    assert Verifier.for_issuer(pod.url, audience="vault", ca_file=ca_file).verify(good(pod))
    with pytest.raises(IssuerUnavailable, match="no keys to check tokens with: cannot ask"):
        Verifier.for_issuer(pod.url, audience="vault").verify(good(pod))


def test_a_reviewer_in_the_cluster_asks_with_the_mounted_token(pod: Pod) -> None:
    with pytest.raises(IssuerUnavailable, match="answered the review of a token with 403"):
        TokenReviewVerifier.in_cluster(audience="vault").verify(good(pod))
