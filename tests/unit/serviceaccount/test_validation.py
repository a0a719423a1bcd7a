"""The checks of a bearer token, in their order, on both sides of every edge."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podpass.api.meta import format_time
from podpass.api.resources import Object, Resource
from podpass.jose import jws
from podpass.jose.key_set import KeySet
from podpass.jose.keys import ES256, SigningKey, generate_signing_key
from podpass.serviceaccount.claims import ObjectRef, TokenClaims, encode_claims
from podpass.serviceaccount.trusted_keys import StaticKeys
from podpass.serviceaccount.validation import (
    AccountGone,
    BadToken,
    BoundObjectGone,
    BoundObjectReplaced,
    Expired,
    InvalidToken,
    NotYetValid,
    TokenValidator,
    UnknownIssuer,
    ValidToken,
    WrongAudience,
)

KEY = generate_signing_key(ES256)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LEEWAY = timedelta(seconds=60)
CLAIMS = TokenClaims(
    issuer="https://i",
    subject="system:serviceaccount:ns1:app",
    audiences=("api",),
    issued_at=NOW,
    not_before=NOW,
    expires_at=NOW + timedelta(seconds=600),
    token_id="J",
    namespace="ns1",
    service_account=ObjectRef("app", "S"),
)
POD = replace(CLAIMS, pod=ObjectRef("app-0", "P"), node=ObjectRef("n1", "N"))
SECRET = replace(CLAIMS, secret=ObjectRef("s", "X"))
NODE = replace(CLAIMS, node=ObjectRef("n1", "N"))

INVALIDATED = "service account token has been invalidated"


class Objects:
    """Live objects by plural, namespace and name."""

    def __init__(self, **changes: Any) -> None:
        self.known: dict[tuple[str, str, str], Object] = {
            ("serviceaccounts", "ns1", "app"): {"metadata": {"uid": "S"}},
            ("pods", "ns1", "app-0"): {"metadata": {"uid": "P"}},
            ("secrets", "ns1", "s"): {"metadata": {"uid": "X"}},
            ("nodes", "", "n1"): {"metadata": {"uid": "N"}},
        }
        for key in list(self.known):
            if key[0] in changes:
                self.known[key] = {"metadata": self.known[key]["metadata"] | changes[key[0]]}

    async def find(self, resource: Resource, namespace: str, ref: ObjectRef) -> Object | None:
        return self.known.get((resource.plural, namespace, ref.name))

    def without(self, plural: str) -> Objects:
        self.known = {key: obj for key, obj in self.known.items() if key[0] != plural}
        return self


async def validate(
    claims: TokenClaims | str = CLAIMS,
    *,
    now: datetime = NOW,
    target: tuple[str, ...] = ("api",),
    objects: Objects | None = None,
    key: SigningKey = KEY,
    issuers: tuple[str, ...] = ("https://i", "https://old"),
    api_audiences: tuple[str, ...] = ("api",),
) -> ValidToken:
    token = claims if isinstance(claims, str) else jws.sign(encode_claims(claims), key)
    validator = TokenValidator(
        StaticKeys(KeySet([KEY.public])), frozenset(issuers), api_audiences, objects or Objects()
    )
    return await validator.validate(token, target, now)


@pytest.mark.rule("user.name-groups", "user.credential-id")
async def test_a_good_token_is_its_account() -> None:
    valid = await validate()
    assert valid.user.name == "system:serviceaccount:ns1:app"
    assert valid.user.uid == "S"
    assert valid.user.groups == ("system:serviceaccounts", "system:serviceaccounts:ns1")
    assert valid.user.extra == {"authentication.kubernetes.io/credential-id": ("JTI=J",)}
    assert valid.audiences == ("api",)
    assert valid.audit_annotations == {}


@pytest.mark.rule("user.pod-extra", "user.node-extra", "user.secret-extra")
@pytest.mark.parametrize(
    ("claims", "extra"),
    [
        pytest.param(
            POD,
            {"pod-name": "app-0", "pod-uid": "P", "node-name": "n1", "node-uid": "N"},
            id="pod and node",
        ),
        pytest.param(NODE, {"node-name": "n1", "node-uid": "N"}, id="node"),
        pytest.param(
            replace(POD, node=ObjectRef("n1")),
            {"pod-name": "app-0", "pod-uid": "P", "node-name": "n1"},
            id="a node without UID",
        ),
        pytest.param(
            replace(POD, node=ObjectRef("", "N")),
            {"pod-name": "app-0", "pod-uid": "P"},
            id="a node without name says nothing",
        ),
        pytest.param(SECRET, {}, id="a secret is not told"),
    ],
)
async def test_what_the_binding_tells_of_the_user(
    claims: TokenClaims, extra: dict[str, str]
) -> None:
    valid = await validate(replace(claims, token_id=""))
    prefix = "authentication.kubernetes.io/"
    assert valid.user.extra == {prefix + key: (value,) for key, value in extra.items()}


@pytest.mark.rule("verify.not-ours", "verify.issuer-malformed")
@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="nothing"),
        pytest.param("a.b.c", id="not base64url"),
        pytest.param("not-a-jwt", id="no JWT"),
        pytest.param(jws.sign(b'{"iss":"https://i"}', KEY)[1:], id="a cut header"),
        pytest.param(jws.sign(b'{"iss":7}', KEY), id="an issuer that is a number"),
    ],
)
async def test_what_is_not_ours_is_only_an_invalid_bearer_token(token: str) -> None:
    with pytest.raises(UnknownIssuer, match=r"^invalid bearer token$"):
        await validate(token)


@pytest.mark.rule("verify.issuer-exact")
async def test_an_issuer_that_is_not_accepted_is_not_ours() -> None:
    with pytest.raises(UnknownIssuer, match=r"^invalid bearer token$"):
        await validate(replace(CLAIMS, issuer="https://i/"))


@pytest.mark.rule("verify.issuer-exact", "config.issuers")
async def test_every_accepted_issuer_is_good() -> None:
    assert (await validate(replace(CLAIMS, issuer="https://old"))).user.uid == "S"


@pytest.mark.rule("verify.unknown-kid", "verify.bad-signature")
async def test_an_unknown_key_is_told_apart_from_a_bad_signature() -> None:
    with pytest.raises(BadToken, match="invalid signature, no keys found"):
        await validate(key=generate_signing_key(ES256))
    token = jws.sign(encode_claims(CLAIMS), KEY)
    with pytest.raises(BadToken, match="error in cryptographic primitive"):
        await validate(f"{token.rpartition('.')[0]}.AAAA")


async def test_signed_claims_of_a_wrong_type_are_bad() -> None:
    with pytest.raises(BadToken, match="claim aud is of the wrong type"):
        await validate(jws.sign(b'{"iss":"https://i","aud":7}', KEY))


@pytest.mark.rule("verify.audience-intersection", "verify.without-audience")
@pytest.mark.parametrize(
    ("has", "target", "both"),
    [
        pytest.param(("a", "b"), ("b", "c", "a"), ("b", "a"), id="in the order of the target"),
        pytest.param((), ("api", "x"), ("api",), id="none counts as the API server's"),
    ],
)
async def test_audiences_that_match(
    has: tuple[str, ...], target: tuple[str, ...], both: tuple[str, ...]
) -> None:
    valid = await validate(replace(CLAIMS, audiences=has), target=target)
    assert valid.audiences == both


@pytest.mark.rule("verify.without-audience")
async def test_a_token_without_audience_is_noted() -> None:
    valid = await validate(replace(CLAIMS, audiences=()))
    assert valid.audit_annotations == {"authentication.k8s.io/legacy-token": CLAIMS.subject}


@pytest.mark.rule("verify.audience-mismatch")
@pytest.mark.parametrize(
    ("has", "target", "why"),
    [
        pytest.param(
            ("vault", "b"), ("api",), r'\["vault" "b"\] .* audiences \["api"\]', id="for others"
        ),
        pytest.param((), ("vault",), r'\["api"\] .* audiences \["vault"\]', id="for the API only"),
    ],
)
async def test_audiences_that_do_not_match(
    has: tuple[str, ...], target: tuple[str, ...], why: str
) -> None:
    with pytest.raises(WrongAudience, match=f"^token audiences {why}$"):
        await validate(replace(CLAIMS, audiences=has), target=target)


@pytest.mark.rule("verify.no-api-audiences")
async def test_a_server_without_audiences_does_not_look_at_them() -> None:
    assert (await validate(target=(), api_audiences=())).audiences == ()


@pytest.mark.rule(
    "verify.nbf-leeway",
    "verify.exp-leeway",
    "verify.iat-leeway",
    "verify.times-optional",
    "verify.texts",
)
@pytest.mark.parametrize(
    ("field", "moment", "error"),
    [
        pytest.param("not_before", NOW + LEEWAY, None, id="nbf in 60 s"),
        pytest.param("not_before", NOW + LEEWAY + SECOND, "not valid yet", id="nbf in 61 s"),
        pytest.param("expires_at", NOW - LEEWAY, None, id="exp 60 s ago"),
        pytest.param("expires_at", NOW - LEEWAY - SECOND, "has expired", id="exp 61 s ago"),
        pytest.param("issued_at", NOW + LEEWAY, None, id="iat in 60 s"),
        pytest.param("issued_at", NOW + LEEWAY + SECOND, "in the future", id="iat in 61 s"),
        pytest.param("not_before", None, None, id="no nbf"),
        pytest.param("expires_at", None, None, id="no exp"),
        pytest.param("issued_at", None, None, id="no iat"),
    ],
)
async def test_times_have_a_leeway_of_a_minute(
    field: str, moment: datetime | None, error: str | None
) -> None:
    times: dict[str, Any] = {field: moment}
    claims = replace(CLAIMS, **times)
    if error is None:
        assert (await validate(claims)).user.uid == "S"
        return
    with pytest.raises((Expired, NotYetValid), match=f"^service account token .*{error}$"):
        await validate(claims)


@pytest.mark.rule(
    "verify.account-missing",
    "verify.secret-bound",
    "verify.pod-bound",
    "verify.node-bound",
    "verify.gone-at-once",
    "verify.texts",
)
@pytest.mark.parametrize(
    ("claims", "plural", "error", "text"),
    [
        pytest.param(
            CLAIMS, "serviceaccounts", AccountGone, 'serviceaccounts "app" not found', id="account"
        ),
        pytest.param(POD, "pods", BoundObjectGone, INVALIDATED, id="pod"),
        pytest.param(SECRET, "secrets", BoundObjectGone, INVALIDATED, id="secret"),
        pytest.param(NODE, "nodes", BoundObjectGone, INVALIDATED, id="node"),
    ],
)
async def test_an_object_that_is_gone(
    claims: TokenClaims, plural: str, error: type[InvalidToken], text: str
) -> None:
    with pytest.raises(error) as caught:
        await validate(claims, objects=Objects().without(plural))
    assert str(caught.value) == text


@pytest.mark.rule(
    "verify.account-uid",
    "verify.secret-bound",
    "verify.pod-bound",
    "verify.node-bound",
    "verify.recreated",
    "verify.texts",
)
@pytest.mark.parametrize(
    ("claims", "plural", "error", "text"),
    [
        pytest.param(
            CLAIMS,
            "serviceaccounts",
            AccountGone,
            "service account UID (new) does not match claim (S)",
            id="account",
        ),
        pytest.param(
            POD,
            "pods",
            BoundObjectReplaced,
            "pod UID (new) does not match service account pod ref claim (P)",
            id="pod",
        ),
        pytest.param(
            SECRET,
            "secrets",
            BoundObjectReplaced,
            "secret UID (new) does not match service account secret ref claim (X)",
            id="secret",
        ),
        pytest.param(
            NODE,
            "nodes",
            BoundObjectReplaced,
            "node UID (new) does not match service account node ref claim (N)",
            id="node",
        ),
    ],
)
async def test_an_object_that_has_a_new_uid(
    claims: TokenClaims, plural: str, error: type[InvalidToken], text: str
) -> None:
    with pytest.raises(error) as caught:
        await validate(claims, objects=Objects(**{plural: {"uid": "new"}}))
    assert str(caught.value) == text


@pytest.mark.rule(
    "verify.account-deleted",
    "verify.secret-bound",
    "verify.pod-bound",
    "verify.node-bound",
    "verify.deletion-boundary",
)
@pytest.mark.parametrize(
    ("claims", "plural", "text"),
    [
        pytest.param(
            CLAIMS, "serviceaccounts", "service account ns1/app has been deleted", id="account"
        ),
        pytest.param(POD, "pods", INVALIDATED, id="pod"),
        pytest.param(SECRET, "secrets", INVALIDATED, id="secret"),
        pytest.param(NODE, "nodes", INVALIDATED, id="node"),
    ],
)
async def test_an_object_that_is_being_deleted_counts_for_another_minute(
    claims: TokenClaims, plural: str, text: str
) -> None:
    def deleted(moment: datetime) -> Objects:
        return Objects(**{plural: {"deletionTimestamp": format_time(moment)}})

    for moment in (NOW + SECOND, NOW, NOW - SECOND, NOW - LEEWAY):
        assert (await validate(claims, objects=deleted(moment))).user.uid == "S"
    with pytest.raises((AccountGone, BoundObjectGone)) as caught:
        await validate(claims, objects=deleted(NOW - LEEWAY - SECOND))
    assert str(caught.value) == text


@pytest.mark.rule("verify.node-of-pod")
async def test_the_node_of_a_pod_does_not_matter() -> None:
    assert (await validate(POD, objects=Objects().without("nodes"))).user.uid == "S"


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param(replace(CLAIMS, namespace=""), id="without namespace"),
        pytest.param(replace(CLAIMS, service_account=ObjectRef("", "S")), id="without name"),
    ],
)
async def test_an_account_without_a_name_is_never_found(claims: TokenClaims) -> None:
    with pytest.raises(AccountGone):
        await validate(claims)


@pytest.mark.rule("verify.warnafter")
async def test_a_stale_token_is_good_but_noted() -> None:
    claims = replace(
        CLAIMS, expires_at=NOW + timedelta(days=365), warn_after=NOW + timedelta(seconds=3607)
    )
    at_the_edge = await validate(claims, now=NOW + timedelta(seconds=3607))
    assert at_the_edge.audit_annotations == {}
    past = await validate(claims, now=NOW + timedelta(seconds=3610))
    assert past.audit_annotations == {
        "authentication.k8s.io/stale-token": (
            f"subject: {CLAIMS.subject}, seconds after warning threshold: 3"
        )
    }


@given(st.text(max_size=40))
async def test_any_text_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(InvalidToken) as caught:
        await validate(f"{text}.{text}.{text}")
    assert str(caught.value) == "invalid bearer token"


@pytest.mark.parametrize(
    ("warn_after", "extended"),
    [
        pytest.param(None, False, id="an ordinary token"),
        pytest.param(NOW + timedelta(seconds=3607), True, id="an extended token"),
        pytest.param(NOW - timedelta(seconds=1), True, id="one that should have been replaced"),
    ],
)
async def test_an_extended_token_is_told_from_others(
    warn_after: datetime | None, extended: bool
) -> None:
    assert (await validate(replace(CLAIMS, warn_after=warn_after))).extended is extended


async def test_keys_are_asked_for_by_the_id_that_the_token_names() -> None:
    asked: list[str] = []

    class Keys(StaticKeys):
        async def for_token(self, key_id: str) -> KeySet:
            asked.append(key_id)
            return await super().for_token(key_id)

    validator = TokenValidator(
        Keys(KeySet([KEY.public])), frozenset(["https://i"]), ("api",), Objects()
    )
    await validator.validate(jws.sign(encode_claims(CLAIMS), KEY), ("api",), NOW)
    assert asked == [KEY.public.key_id]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"service_account": ObjectRef("", "S")}, id="an account without name"),
        pytest.param({"namespace": ""}, id="an account without namespace"),
    ],
)
async def test_objects_without_a_name_are_not_looked_for(changes: dict[str, Any]) -> None:
    class Everything(Objects):
        async def find(self, resource: Resource, namespace: str, ref: ObjectRef) -> Object | None:
            raise AssertionError((resource.plural, namespace, ref))

    with pytest.raises(AccountGone):
        await validate(replace(CLAIMS, **changes), objects=Everything())
