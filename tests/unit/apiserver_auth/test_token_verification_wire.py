"""Tokens made by hand, shown to a server over HTTPS: as a login and to a TokenReview."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
import pytest_asyncio

from podpass.api.codec import PROTOBUF, encode_protobuf
from podpass.jose.keys import ES256, ES384, generate_signing_key
from podpass.testing.api_server import ISSUER

from .wire import ACCOUNTS, NAMESPACE, REVIEWS, Wire, wired

pytestmark = pytest.mark.asyncio(loop_scope="module")

STRANGER = generate_signing_key(ES256)
MERGE = "application/merge-patch+json"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def wire(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Wire]:
    directory = tmp_path_factory.mktemp("pki")
    second = directory / "second.key"
    second.write_bytes(generate_signing_key(ES384).to_pem())
    async with wired(directory, service_account_key_files=(second, directory / "sa.pub")) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def uid(wire: Wire) -> str:
    return str((await wire.send("GET", f"{ACCOUNTS}/app")).body["metadata"]["uid"])


async def refusal(wire: Wire, token: str) -> str:
    """Return why a token is refused, empty if it is not; a login must agree."""
    status = await wire.review(token)
    answer = await wire.login(token)
    if status.get("authenticated"):
        assert answer.code == 200
        return ""
    assert sorted(status) == ["error", "user"]
    assert status["user"] == {}
    assert (answer.code, answer.text) == (401, "Unauthorized")
    assert answer.body["reason"] == "Unauthorized"
    return str(status["error"])


def wrapped(text: str) -> str:
    return f"[invalid bearer token, {text}]"


@pytest.mark.rule(
    "verify.nbf-leeway",
    "verify.exp-leeway",
    "verify.iat-leeway",
    "verify.times-optional",
    "edge.leeways",
)
@pytest.mark.parametrize(
    ("claim", "seconds", "text"),
    [
        pytest.param("exp", -60, "", id="exp 60 s back"),
        pytest.param("exp", -61, "service account token has expired", id="exp 61 s back"),
        pytest.param("nbf", 60, "", id="nbf 60 s ahead"),
        pytest.param("nbf", 61, "service account token is not valid yet", id="nbf 61 s ahead"),
        pytest.param("iat", 60, "", id="iat 60 s ahead"),
        pytest.param("iat", 61, "service account token is issued in the future", id="iat 61 s"),
        pytest.param("exp", None, "", id="no exp"),
        pytest.param("nbf", None, "", id="no nbf"),
        pytest.param("iat", None, "", id="no iat"),
    ],
)
async def test_times(wire: Wire, uid: str, claim: str, seconds: int | None, text: str) -> None:
    moment = None if seconds is None else wire.moment(seconds)
    found = await refusal(wire, wire.sign(wire.claims(uid, **{claim: moment})))
    assert found == (wrapped(text) if text else "")


@pytest.mark.rule(
    "verify.unknown-kid", "verify.no-kid", "verify.bad-signature", "edge.key-ids",
    "verify.http-outcomes",
)  # fmt: skip
async def test_key_ids(wire: Wire, uid: str) -> None:
    claims = wire.claims(uid)
    known = wire.key.public.key_id
    cases: list[tuple[str, str]] = [
        (wire.sign(claims, alg="ES256", kid=known), ""),
        (wire.sign(claims, alg="ES256"), ""),
        (wire.sign(claims, alg="ES256", kid="another"), "invalid signature, no keys found"),
        (wire.sign(claims, STRANGER, alg="ES256"), "error in cryptographic primitive"),
        (wire.sign(claims, STRANGER, alg="ES256", kid=known), "error in cryptographic primitive"),
        (wire.sign(claims, STRANGER), "invalid signature, no keys found"),
    ]
    for token, text in cases:
        found = await refusal(wire, token)
        assert text in found
        assert bool(found) is bool(text)


@pytest.mark.rule("verify.not-ours", "verify.issuer-malformed", "verify.http-outcomes")
@pytest.mark.parametrize(
    "made",
    [
        pytest.param("junk", id="no JWT"),
        pytest.param("a.b.c", id="three parts of nothing"),
        pytest.param('{"payload":"","signatures":[]}', id="JSON instead of parts"),
        pytest.param({"iss": "https://other"}, id="another issuer"),
        pytest.param({"iss": 7}, id="an issuer that is a number"),
        pytest.param({"iss": None}, id="no issuer"),
    ],
)
async def test_what_is_not_ours(wire: Wire, uid: str, made: Any) -> None:
    token = made if isinstance(made, str) else wire.sign(wire.claims(uid, **made))
    assert await refusal(wire, token) == "invalid bearer token"


@pytest.mark.rule(
    "verify.audience-intersection",
    "verify.audience-mismatch",
    "verify.without-audience",
    "token-review.default-audiences",
    "token-review.wrong-audience",
    "token-review.authenticated",
    "edge.review-shape",
)
@pytest.mark.parametrize(
    ("has", "asked", "common"),
    [
        pytest.param([ISSUER], [], [ISSUER], id="for the API, not said"),
        pytest.param(["a", "b", "c"], ["c", "x", "a"], ["c", "a"], id="in the order of the target"),
        pytest.param("a", ["a"], ["a"], id="a text instead of a list"),
        pytest.param(None, [], [ISSUER], id="none is the API's"),
        pytest.param(None, ["a"], None, id="none is not another's"),
        pytest.param(["a"], [], None, id="another's, not said"),
        pytest.param(["a"], ["b"], None, id="another's"),
    ],
)
async def test_audiences(
    wire: Wire, uid: str, has: Any, asked: list[str], common: list[str] | None
) -> None:
    status = await wire.review(wire.sign(wire.claims(uid, aud=has)), *asked)
    if common is None:
        texts = [
            " ".join(f'"{one}"' for one in audiences)
            for audiences in ([ISSUER] if has is None else has, asked or [ISSUER])
        ]
        assert status == {
            "user": {},
            "error": wrapped(
                f"token audiences [{texts[0]}] is invalid for the target audiences [{texts[1]}]"
            ),
        }
        return
    assert status == {
        "authenticated": True,
        "user": {
            "username": "system:serviceaccount:ns1:app",
            "uid": uid,
            "groups": [
                "system:serviceaccounts",
                "system:serviceaccounts:ns1",
                "system:authenticated",
            ],
        },
        "audiences": common,
    }


@pytest.mark.rule("verify.from-claims")
async def test_the_user_comes_from_the_claims_and_sub_is_not_compared(wire: Wire, uid: str) -> None:
    status = await wire.review(wire.sign(wire.claims(uid, sub="system:admin", jti="J")))
    assert status["user"]["username"] == "system:serviceaccount:ns1:app"
    extra = {"authentication.kubernetes.io/credential-id": ["JTI=J"]}
    assert status["user"]["extra"] == extra


def private(uid: str, **bound: Any) -> dict[str, Any]:
    return {"namespace": "ns1", "serviceaccount": {"name": "app", "uid": uid}, **bound}


@pytest.mark.rule(
    "verify.grace-period", "deletion.grace", "deletion.lingering", "edge.graceful-pod",
    "verify.deletion-boundary", "deletion.force",
)  # fmt: skip
async def test_a_pod_that_is_deleted_gracefully(wire: Wire, uid: str) -> None:
    pod = await wire.pod("graceful", nodeName="n1", terminationGracePeriodSeconds=30)
    path = f"{NAMESPACE}/pods/graceful"
    running = {"status": {"phase": "Running"}}
    await wire.send("PATCH", f"{path}/status", running, content_type=MERGE)
    assert (await wire.send("DELETE", path)).code == 200
    bound = private(uid, pod={"name": "graceful", "uid": pod})

    numbers = itertools.count()

    def token() -> str:  # another one each time, so that no cache answers
        claims = wire.claims(uid, exp=None, jti=str(next(numbers)))
        return wire.sign(claims | {"kubernetes.io": bound})

    assert await refusal(wire, token()) == ""
    wire.clock.advance(30 + 60)
    assert await refusal(wire, token()) == ""
    wire.clock.advance(1)
    invalidated = wrapped("service account token has been invalidated")
    assert await refusal(wire, token()) == invalidated
    gone = await wire.send("DELETE", path, {"gracePeriodSeconds": 0})
    assert gone.code == 200
    assert await refusal(wire, token()) == invalidated


@pytest.mark.rule("verify.not-checked", "deletion.finished", "verify.node-of-pod")
async def test_phase_account_and_node_of_the_pod_do_not_matter(wire: Wire, uid: str) -> None:
    await wire.account("another")
    pod = await wire.pod("done", "another", nodeName="n9")
    done = {"status": {"phase": "Failed"}}
    await wire.send("PATCH", f"{NAMESPACE}/pods/done/status", done, content_type=MERGE)
    bound = private(uid, pod={"name": "done", "uid": pod}, node={"name": "gone", "uid": "N"})
    status = await wire.review(wire.sign(wire.claims(uid) | {"kubernetes.io": bound}))
    assert status["user"]["extra"] == {
        "authentication.kubernetes.io/node-name": ["gone"],
        "authentication.kubernetes.io/node-uid": ["N"],
        "authentication.kubernetes.io/pod-name": ["done"],
        "authentication.kubernetes.io/pod-uid": [pod],
    }


@pytest.mark.rule(
    "verify.secret-bound", "verify.node-bound", "verify.recreated", "verify.gone-at-once",
    "verify.http-outcomes",
)  # fmt: skip
@pytest.mark.parametrize(
    ("kind", "path"),
    [
        pytest.param("secret", f"{NAMESPACE}/secrets", id="a secret"),
        pytest.param("node", "/api/v1/nodes", id="a node"),
        pytest.param("pod", f"{NAMESPACE}/pods", id="a pod"),
    ],
)
async def test_a_bound_object_that_goes_and_comes_back(
    wire: Wire, uid: str, kind: str, path: str
) -> None:
    async def make() -> str:
        if kind == "pod":
            return await wire.pod("b")
        return str((await wire.make(path, {"metadata": {"name": "b"}}))["metadata"]["uid"])

    first = await make()
    bound = private(uid, **{kind: {"name": "b", "uid": first}})
    token = wire.sign(wire.claims(uid) | {"kubernetes.io": bound})
    assert await refusal(wire, token) == ""
    wire.clock.advance(10)  # the cache of successes
    assert (await wire.send("DELETE", f"{path}/b", {"gracePeriodSeconds": 0})).code == 200
    assert await refusal(wire, token) == wrapped("service account token has been invalidated")
    second = await make()
    assert await refusal(wire, token) == wrapped(
        f"{kind} UID ({second}) does not match service account {kind} ref claim ({first})"
    )


@pytest.mark.rule(
    "verify.account-missing", "verify.account-uid", "edge.cache-after-deletion",
    "authentication.cache-success", "token-review.cache",
)  # fmt: skip
async def test_an_account_that_goes_and_comes_back(wire: Wire) -> None:
    first = await wire.account("brief")
    account = {"name": "brief", "uid": first}
    claims = wire.claims(first, exp=wire.moment(-60))
    token = wire.sign(claims | {"kubernetes.io": {"namespace": "ns1", "serviceaccount": account}})
    assert await refusal(wire, token) == ""
    assert (await wire.send("DELETE", f"{ACCOUNTS}/brief")).code == 200
    wire.clock.advance(9.9)  # past its end and without its account, but remembered
    assert await refusal(wire, token) == ""
    wire.clock.advance(0.1)
    assert await refusal(wire, token) == wrapped("service account token has expired")
    fresh = wire.sign(
        wire.claims(first) | {"kubernetes.io": {"namespace": "ns1", "serviceaccount": account}}
    )
    assert await refusal(wire, fresh) == wrapped('serviceaccounts "brief" not found')
    second = await wire.account("brief")
    assert await refusal(wire, fresh) == wrapped(
        f"service account UID ({second}) does not match claim ({first})"
    )


@pytest.mark.rule("verify.order-uid-deletion")
async def test_the_uid_is_compared_before_the_deletion(wire: Wire) -> None:
    metadata = {"name": "held", "finalizers": ["example.com/hold"]}
    live = (await wire.make(ACCOUNTS, {"metadata": metadata}))["metadata"]["uid"]
    assert (await wire.send("DELETE", f"{ACCOUNTS}/held")).code == 200
    wire.clock.advance(61)

    def token(uid: str) -> str:
        account = {"name": "held", "uid": uid}
        bound = {"kubernetes.io": {"namespace": "ns1", "serviceaccount": account}}
        return wire.sign(wire.claims(uid) | bound)

    assert "does not match claim (old)" in await refusal(wire, token("old"))
    text = "service account ns1/held has been deleted"
    assert await refusal(wire, token(live)) == wrapped(text)


@pytest.mark.rule("token-review.token-required", "token-review.path", "token-review.namespaced")
@pytest.mark.parametrize(
    ("path", "body", "code", "text"),
    [
        pytest.param(
            REVIEWS, {"spec": {"token": ""}}, 400,
            "token is required for TokenReview in authentication", id="an empty token",
        ),
        pytest.param(
            REVIEWS, {}, 400, "token is required for TokenReview in authentication", id="no token"
        ),
        pytest.param(
            REVIEWS, {"metadata": {"namespace": "ns1"}, "spec": {"token": "x"}}, 400,
            "namespace is not allowed on this type", id="a namespace",
        ),
        pytest.param(
            "/apis/authentication.k8s.io/v1/namespaces/ns1/tokenreviews", {"spec": {"token": "x"}},
            404, "", id="the path of a namespace",
        ),
        pytest.param(
            "/apis/authentication.k8s.io/v1beta1/tokenreviews", {"spec": {"token": "x"}}, 404, "",
            id="an old version", marks=pytest.mark.rule("token-review.v1beta1"),
        ),
        pytest.param(
            "/apis/authentication.k8s.io/v1beta1/selfsubjectreviews", {}, 404, "",
            id="an old version of who am I",
        ),
    ],
)  # fmt: skip
async def test_reviews_that_are_refused(
    wire: Wire, path: str, body: Any, code: int, text: str
) -> None:
    answer = await wire.send("POST", path, body)
    assert answer.code == code
    assert text in answer.text


@pytest.mark.rule(
    "token-review.junk-after-token", "token-review.leading-space", "token-review.spec-echo",
    "token-review.protobuf",
)  # fmt: skip
async def test_odd_questions(wire: Wire, uid: str) -> None:
    token = wire.sign(wire.claims(uid))
    assert (await wire.review(f"{token} junk"))["authenticated"] is True
    assert (await wire.review(f" {token}"))["error"] == "invalid bearer token"
    spec = {"token": token, "audiences": [ISSUER, "x"]}
    made = await wire.make(REVIEWS, {"spec": spec})
    assert made["spec"] == spec
    kind = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview"}
    answer = await wire.send(
        "POST", REVIEWS, encode_protobuf(kind | {"spec": spec}), content_type=PROTOBUF,
        Accept=f"{PROTOBUF},application/json",
    )  # fmt: skip
    assert (answer.code, answer.body["status"]["audiences"]) == (201, [ISSUER])


@pytest.mark.rule("case.auth.unknown-user", "authentication.unauthorized-body")
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_an_unknown_token_is_401_for_every_verb(wire: Wire, method: str) -> None:
    async with wire.server.session(token="nobody") as nobody:
        body = b"{}" if method not in ("GET", "DELETE") else None
        answer = await wire.send(method, f"{NAMESPACE}/pods", body, session=nobody)
    assert answer.code == 401
    assert answer.body == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "Unauthorized",
        "reason": "Unauthorized",
        "code": 401,
    }


@pytest.mark.rule(
    "self-subject-review.answer", "self-subject-review.unauthorized",
    "self-subject-review.permission", "self-subject-review.discovery", "user.extra-everywhere",
)  # fmt: skip
async def test_who_am_i(wire: Wire, uid: str) -> None:
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    pod = await wire.pod("me")
    bound = {"kubernetes.io": private(uid, pod={"name": "me", "uid": pod})}
    async with wire.server.session(token=wire.sign(wire.claims(uid, jti="J") | bound)) as app:
        answer = await wire.send("POST", path, {}, session=app)
    assert answer.code == 201
    assert answer.body["metadata"] == {"creationTimestamp": wire.stamp(0)}
    prefix = "authentication.kubernetes.io/"
    assert answer.body["status"]["userInfo"] == {
        "username": "system:serviceaccount:ns1:app",
        "uid": uid,
        "groups": ["system:serviceaccounts", "system:serviceaccounts:ns1", "system:authenticated"],
        "extra": {
            f"{prefix}credential-id": ["JTI=J"],
            f"{prefix}pod-name": ["me"],
            f"{prefix}pod-uid": [pod],
        },
    }
    async with wire.server.session() as nobody, wire.server.session(token="bad") as bad:
        assert (await wire.send("POST", path, {}, session=nobody)).code == 403
        assert (await wire.send("POST", path, {}, session=bad)).code == 401
    listed = (await wire.send("GET", "/apis/authentication.k8s.io/v1")).body["resources"]
    assert {"selfsubjectreviews", "tokenreviews"} <= {one["name"] for one in listed}


@pytest.mark.rule(
    "discovery.media-types",
    "discovery.cache-control",
    "discovery.permission",
    "discovery.exact-paths",
    "discovery.all-keys",
    "discovery.algorithms",
    "discovery.first-issuer",
    "discovery.five-keys",
)
async def test_the_documents_of_the_issuer(wire: Wire) -> None:
    configuration, keys = "/.well-known/openid-configuration", "/openid/v1/jwks"
    async with wire.server.session(token=await wire.issue()) as app:
        answers = {
            path: await wire.send("GET", path, session=app) for path in (configuration, keys)
        }
        again = await wire.send("GET", f"{keys}?a=b", session=app)
        below = await wire.send("GET", f"{keys}/foo", session=app)
    assert again.body == answers[keys].body
    assert below.code == 403  # nobody gave that path to accounts
    for path in (f"{keys}/foo", "/.well-known"):
        assert (await wire.send("GET", path)).code == 404
    types = {path: answer.headers["Content-Type"] for path, answer in answers.items()}
    assert types == {configuration: "application/json", keys: "application/jwk-set+json"}
    for answer in answers.values():
        assert (answer.code, answer.headers["Cache-Control"]) == (200, "public, max-age=3600")
    document = answers[configuration].body
    assert document["issuer"] == ISSUER
    assert document["jwks_uri"] == f"{wire.server.url}{keys}"
    assert document["id_token_signing_alg_values_supported"] == ["ES256", "ES384"]
    shown = answers[keys].body["keys"]
    assert [one["alg"] for one in shown] == ["ES384", "ES256"]
    assert shown[1]["kid"] == wire.key.public.key_id
    assert b'"d"' not in orjson.dumps(shown)
    async with wire.server.session() as nobody, wire.server.session("ann") as ann:
        for session in (nobody, ann):
            assert (await wire.send("GET", keys, session=session)).code == 403
