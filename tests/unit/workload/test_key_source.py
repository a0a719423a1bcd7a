"""Which documents are asked for, with which token, and how long they are good."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from podpass.testing.fake_issuer import ISSUER, FakeIssuer
from podpass.workload.api_server import ApiServer
from podpass.workload.key_source import ClusterKeys, FixedKeys, IssuerKeys
from podpass.workload.refusal import IssuerUnavailable
from podpass.workload.token_file import TokenFile
from podpass.workload.transport import Answer

OLD = "https://old.example"


def test_an_issuer_is_asked_for_its_documents() -> None:
    issuer = FakeIssuer()
    loaded = IssuerKeys([ISSUER, OLD], transport=issuer).load()
    assert issuer.requests == [
        f"{ISSUER}/.well-known/openid-configuration",
        f"{ISSUER}/openid/v1/jwks",
    ]
    assert loaded.trust.issuers == {ISSUER, OLD}
    assert loaded.trust.keys.key_ids == [issuer.keys[0].public.key_id]
    assert loaded.fresh_seconds == 3600


def test_the_shorter_time_of_two_documents_counts() -> None:
    issuer = FakeIssuer()

    def ask(method: str, url: str, headers: object, body: bytes | None = None) -> Answer:
        del headers, body
        issuer.headers = {"cache-control": "max-age=5"} if url.endswith("/jwks") else {}
        return issuer(method, url, {})

    assert IssuerKeys(ISSUER, transport=ask).load().fresh_seconds == 5


def test_nothing_is_said_about_time() -> None:
    issuer = FakeIssuer()
    issuer.headers = {}
    assert IssuerKeys(ISSUER, transport=issuer).load().fresh_seconds is None


def test_a_known_key_url_needs_no_discovery() -> None:
    issuer = FakeIssuer()
    IssuerKeys("any text", jwks_uri="https://keys.example/jwks", transport=issuer).load()
    assert issuer.requests == ["https://keys.example/jwks"]


@pytest.mark.parametrize("issuer", ["http://issuer.example", "kubernetes/serviceaccount", "", []])
def test_an_issuer_without_https_cannot_be_asked(issuer: str | list[str]) -> None:
    with pytest.raises(ValueError, match=r"not a|an issuer is needed"):
        IssuerKeys(issuer)


def test_a_page_that_is_not_there_is_an_unavailable_issuer() -> None:
    def ask(method: str, url: str, headers: object, body: bytes | None = None) -> Answer:
        del method, url, headers, body
        return Answer(404, {}, b"")

    with pytest.raises(IssuerUnavailable, match="openid-configuration answered 404"):
        IssuerKeys(ISSUER, transport=ask).load()


def test_a_cluster_is_asked_at_its_own_paths_with_our_token(tmp_path: Path) -> None:
    issuer = FakeIssuer()
    (tmp_path / "token").write_text(issuer.token())
    server = ApiServer(
        "https://api.example/", token_file=TokenFile(tmp_path / "token"), transport=issuer
    )
    loaded = ClusterKeys(server).load()
    assert issuer.requests == [
        "https://api.example/.well-known/openid-configuration",
        "https://api.example/openid/v1/jwks",
    ]
    assert set(issuer.shown) == {f"Bearer {(tmp_path / 'token').read_text()}"}
    assert loaded.trust.issuers == {ISSUER}
    assert loaded.fresh_seconds == 3600


def test_a_cluster_with_a_named_issuer_is_asked_for_keys_alone() -> None:
    issuer = FakeIssuer()
    source = ClusterKeys(ApiServer("https://api.example", transport=issuer), issuer=[ISSUER, OLD])
    assert source.issuers == frozenset([ISSUER, OLD])
    assert source.load().trust.issuers == {ISSUER, OLD}
    assert issuer.requests == ["https://api.example/openid/v1/jwks"]
    assert issuer.shown == [""]


def test_keys_of_a_file() -> None:
    issuer = FakeIssuer()
    loaded = FixedKeys(issuer.jwks(), issuer=ISSUER).load()
    assert (len(loaded.trust.keys), loaded.fresh_seconds) == (1, None)
    with pytest.raises(IssuerUnavailable):
        FixedKeys(json.dumps({"keys": []}).encode(), issuer=ISSUER)
    with pytest.raises(ValueError, match="an issuer is needed"):
        FixedKeys(issuer.jwks(), issuer=["", ISSUER])
