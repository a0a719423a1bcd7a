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


class Documents:
    """Answers for two documents with headers of their own, and remembers how it was asked."""

    def __init__(self, **max_age: int) -> None:
        self.issuer = FakeIssuer()
        self.max_age = max_age
        self.methods: list[str] = []
        self.missing = ""

    def __call__(self, method: str, url: str, headers: object, body: bytes | None = None) -> Answer:
        del headers, body
        self.methods.append(method)
        if self.missing and url.endswith(self.missing):
            return Answer(404, {}, b"")
        name = "jwks" if url.endswith("/jwks") else "discovery"
        age = self.max_age.get(name)
        self.issuer.headers = {} if age is None else {"cache-control": f"max-age={age}"}
        return self.issuer(method, url, {})


def sources(documents: Documents) -> list[IssuerKeys | ClusterKeys]:
    return [
        IssuerKeys(f"{ISSUER}", transport=documents),
        ClusterKeys(ApiServer("https://api.example", transport=documents)),
    ]


@pytest.mark.parametrize("which", [0, 1], ids=["an issuer", "a cluster"])
@pytest.mark.parametrize(
    ("max_age", "seconds"),
    [
        pytest.param({"discovery": 5}, 5, id="the first document alone says it"),
        pytest.param({"jwks": 7}, 7, id="the second document alone says it"),
        pytest.param({"discovery": 5, "jwks": 7}, 5, id="the first is the shorter"),
        pytest.param({"discovery": 9, "jwks": 7}, 7, id="the second is the shorter"),
    ],
)
def test_each_document_counts_for_the_time(
    which: int, max_age: dict[str, int], seconds: float
) -> None:
    documents = Documents(**max_age)
    assert sources(documents)[which].load().fresh_seconds == seconds
    assert documents.methods == ["GET", "GET"]


@pytest.mark.parametrize(
    ("which", "url"),
    [(0, f"{ISSUER}/openid/v1/jwks"), (1, "https://api.example/openid/v1/jwks")],
    ids=["an issuer", "a cluster"],
)
def test_missing_keys_are_named_by_their_url(which: int, url: str) -> None:
    documents = Documents()
    documents.missing = "/jwks"
    with pytest.raises(IssuerUnavailable, match=f"^{url} answered 404$"):
        sources(documents)[which].load()


def test_no_issuer_is_told_what_is_needed() -> None:
    with pytest.raises(ValueError, match=r"^an issuer is needed, as tokens name it in iss$"):
        IssuerKeys([])
