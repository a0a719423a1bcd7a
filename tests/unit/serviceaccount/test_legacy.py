"""Tokens of Secrets, on both sides of every edge."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest

from podpass.api.resources import Object, Resource
from podpass.jose import jws
from podpass.jose.key_set import KeySet
from podpass.jose.keys import ES256, SigningKey, generate_signing_key
from podpass.serviceaccount.claims import MalformedClaims, ObjectRef
from podpass.serviceaccount.legacy import (
    AUTO_SECRET,
    AUTO_WARNING,
    LEGACY_ISSUER,
    MANUAL_SECRET,
    LegacyTokenValidator,
    LegacyUse,
    MarkedInvalid,
    decode_legacy_claims,
    encode_legacy_claims,
    is_legacy,
)
from podpass.serviceaccount.token_secret import (
    ACCOUNT_NAME,
    ACCOUNT_UID,
    INVALID_SINCE,
    TOKEN_TYPE,
    is_token_secret_of,
)
from podpass.serviceaccount.trusted_keys import StaticKeys
from podpass.serviceaccount.validation import (
    LEGACY_TOKEN,
    AccountGone,
    BadToken,
    BoundObjectGone,
    InvalidToken,
    WrongAudience,
)

KEY = generate_signing_key(ES256)
NEW_KEY = generate_signing_key(ES256)
ACCOUNT = ObjectRef("app", "S")
CLAIMS: dict[str, Any] = orjson.loads(encode_legacy_claims("ns1", "s", ACCOUNT))
SUBJECT = "system:serviceaccount:ns1:app"
PREFIX = "kubernetes.io/serviceaccount/"


def token_of(**changes: Any) -> str:
    """Return a token with other claims; None takes one away."""
    short = {"sub": "sub", "aud": "aud", "iss": "iss", "exp": "exp"}
    changed = {
        short.get(key, PREFIX + key.replace("_", ".", 1)): value for key, value in changes.items()
    }
    claims = {key: value for key, value in (CLAIMS | changed).items() if value is not None}
    return jws.sign(orjson.dumps(claims), KEY)


class Objects:
    """The account and the Secret; None for what is not there."""

    def __init__(self, token: str, **changes: Any) -> None:
        data = {"token": base64.b64encode(token.encode()).decode()}
        self.account: Object | None = {"metadata": {"name": "app", "uid": "S"}}
        self.secret: Object | None = {
            "type": TOKEN_TYPE,
            "metadata": {"name": "s", "namespace": "ns1", "uid": "X"},
            "data": data,
        }
        for key, value in changes.items():
            setattr(self, key, value)

    async def find(self, resource: Resource, namespace: str, ref: ObjectRef) -> Object | None:
        assert namespace == "ns1"
        found = self.account if resource.plural == "serviceaccounts" else self.secret
        return found if found and found["metadata"]["name"] == ref.name else None


async def validate(
    token: str, objects: Objects | None = None, target: tuple[str, ...] = ("api",)
) -> LegacyUse:
    validator = LegacyTokenValidator(
        StaticKeys(KeySet([KEY.public])), ("api", "api2"), objects or Objects(token)
    )
    return await validator.validate(token, target)


@pytest.mark.rule("user.legacy-extra", "legacy.manual-annotation", "authentication.order")
async def test_a_token_of_a_secret_is_its_account_without_extras() -> None:
    token = token_of()
    assert is_legacy(token)
    use = await validate(token)
    user = use.valid.user
    assert (user.name, user.uid, user.extra) == (SUBJECT, "S", {})
    assert user.groups == ("system:serviceaccounts", "system:serviceaccounts:ns1")
    assert use.valid.audiences == ("api",)
    assert use.valid.audit_annotations == {LEGACY_TOKEN: SUBJECT, MANUAL_SECRET: "s"}
    assert use.valid.warnings == ()
    assert not use.automatic


@pytest.mark.rule("legacy.auto-generated-warning")
async def test_a_secret_that_its_account_lists_is_warned_of() -> None:
    token = token_of()
    account = {"metadata": {"name": "app", "uid": "S"}, "secrets": [{"name": "x"}, {"name": "s"}]}
    use = await validate(token, Objects(token, account=account))
    assert use.valid.warnings == (AUTO_WARNING,)
    assert use.valid.audit_annotations == {LEGACY_TOKEN: SUBJECT, AUTO_SECRET: "s"}
    assert use.automatic


@pytest.mark.rule("legacy.manual-annotation")
async def test_listing_another_secret_warns_of_nothing() -> None:
    token = token_of()
    account = {"metadata": {"name": "app", "uid": "S"}, "secrets": [{"name": "s2"}]}
    assert not (await validate(token, Objects(token, account=account))).automatic


async def test_expiry_is_not_looked_at() -> None:
    token = token_of(exp=1)
    assert (await validate(token)).valid.user.name == SUBJECT


@pytest.mark.rule("legacy.claims-required", "user.name-parsing")
@pytest.mark.parametrize(
    ("changes", "text"),
    [
        pytest.param({"sub": None}, "sub claim is missing", id="no subject"),
        pytest.param({"sub": ""}, "sub claim is missing", id="an empty subject"),
        pytest.param({"namespace": None}, "namespace claim is missing", id="no namespace"),
        pytest.param({"secret_name": None}, "secretName claim is missing", id="no secret"),
        pytest.param(
            {"service-account_name": None}, "serviceAccountName claim is missing", id="no account"
        ),
        pytest.param(
            {"service-account_uid": ""}, "serviceAccountUID claim is missing", id="no UID"
        ),
        pytest.param({"sub": "app"}, "sub claim is invalid", id="a subject of another form"),
        pytest.param({"sub": "ns1:app"}, "sub claim is invalid", id="a subject without prefix"),
        pytest.param(
            {"sub": "system:serviceaccount:ns1"}, "sub claim is invalid", id="a cut subject"
        ),
        pytest.param({"sub": f"{SUBJECT}:x"}, "sub claim is invalid", id="a longer subject"),
        pytest.param(
            {"sub": "system:serviceaccount:ns2:app"}, "sub claim is invalid", id="other namespace"
        ),
        pytest.param(
            {"sub": "system:serviceaccount:ns1:b"}, "sub claim is invalid", id="other account"
        ),
        pytest.param(
            {"sub": 7}, "the claim sub is of the wrong type", id="a subject that is a number"
        ),
        pytest.param(
            {"aud": [7]}, "the claim aud is of the wrong type", id="audiences that are numbers"
        ),
    ],
)
async def test_claims_that_do_not_fit_are_refused(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(BadToken) as refused:
        await validate(token_of(**changes))
    assert str(refused.value) == text


@pytest.mark.rule("legacy.api-audience-only")
@pytest.mark.parametrize(
    ("aud", "target", "accepted"),
    [
        pytest.param(None, ("api",), ("api",), id="none is for the API server"),
        pytest.param(None, ("vault", "api2"), ("api2",), id="none is for all API audiences"),
        pytest.param(None, ("vault",), None, id="none is for nobody else"),
        pytest.param(["vault"], ("vault",), ("vault",), id="one that is named"),
        pytest.param("vault", ("api",), None, id="another than is named"),
    ],
)
async def test_audiences(
    aud: Any, target: tuple[str, ...], accepted: tuple[str, ...] | None
) -> None:
    token = token_of(aud=aud)
    if accepted is None:
        with pytest.raises(WrongAudience):
            await validate(token, target=target)
        return
    valid = (await validate(token, target=target)).valid
    assert valid.audiences == accepted
    assert (LEGACY_TOKEN in valid.audit_annotations) is (aud is None)


TERMINATING = {"deletionTimestamp": "2099-01-01T00:00:00Z"}


@pytest.mark.rule("legacy.lookup-secret", "legacy.lookup-copy", "legacy.lookup-account")
@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        pytest.param(
            {"secret": None}, BoundObjectGone, "Token has been invalidated", id="no secret"
        ),
        pytest.param(
            {"secret": {"metadata": {"name": "s"} | TERMINATING}},
            BoundObjectGone,
            "Token has been invalidated",
            id="a secret on its way out, without grace",
        ),
        pytest.param(
            {"secret": {"metadata": {"name": "s"}, "data": {"token": "eA=="}}},
            BoundObjectGone,
            "Token does not match server's copy",
            id="another token",
        ),
        pytest.param(
            {"secret": {"metadata": {"name": "s"}}},
            BoundObjectGone,
            "Token does not match server's copy",
            id="no token",
        ),
        pytest.param(
            {"secret": {"metadata": {"name": "s"}, "data": {"token": "not base64"}}},
            BoundObjectGone,
            "Token does not match server's copy",
            id="damaged data",
        ),
        pytest.param(
            {"account": None}, AccountGone, 'serviceaccounts "app" not found', id="no account"
        ),
        pytest.param(
            {"account": {"metadata": {"name": "app", "uid": "S"} | TERMINATING}},
            AccountGone,
            "ServiceAccount ns1/app has been deleted",
            id="an account on its way out",
        ),
        pytest.param(
            {"account": {"metadata": {"name": "app", "uid": "T"}}},
            AccountGone,
            "ServiceAccount UID (T) does not match claim (S)",
            id="an account made anew",
        ),
    ],
)
async def test_secret_and_account_must_be_there(
    changes: dict[str, Any], error: type[InvalidToken], text: str
) -> None:
    token = token_of()
    with pytest.raises(error) as refused:
        await validate(token, Objects(token, **changes))
    assert str(refused.value) == text
    assert token not in str(refused.value)


@pytest.mark.rule("legacy.invalid-since")
@pytest.mark.parametrize(
    ("label", "refused"),
    [
        pytest.param("2026-01-01", True, id="a date"),
        pytest.param("whatever", True, id="any text"),
        pytest.param("", False, id="an empty label marks nothing"),
    ],
)
async def test_a_marked_secret_is_refused(label: str, refused: bool) -> None:
    token = token_of()
    objects = Objects(token)
    assert objects.secret is not None
    objects.secret["metadata"]["labels"] = {INVALID_SINCE: label}
    if not refused:
        assert (await validate(token, objects)).valid.user.name == SUBJECT
        return
    with pytest.raises(MarkedInvalid) as caught:
        await validate(token, objects)
    assert str(caught.value) == (
        "the token in secret ns1/s for service account ns1/app has been marked invalid. Ask for "
        "tokens by the TokenRequest API, use a token Secret that was made by hand, or take the "
        f"label {INVALID_SINCE} off the secret to go on for a while"
    )
    assert caught.value.secret is objects.secret


async def test_a_foreign_key_and_a_changed_payload_are_refused() -> None:
    forged = jws.sign(orjson.dumps(CLAIMS), generate_signing_key(ES256))
    with pytest.raises(BadToken, match="no keys found"):
        await validate(forged)
    head, _, tail = token_of().split(".")
    payload = token_of(**{"service-account_uid": "T"}).split(".")[1]
    with pytest.raises(BadToken, match="error in cryptographic primitive"):
        await validate(f"{head}.{payload}.{tail}")


@pytest.mark.parametrize(
    ("token", "legacy"),
    [
        pytest.param(token_of(), True, id="ours"),
        pytest.param(token_of(iss="https://i"), False, id="another issuer"),
        pytest.param(token_of(iss=f"{LEGACY_ISSUER}/"), False, id="nearly the issuer"),
        pytest.param("a.b", False, id="no JWT"),
    ],
)
def test_the_issuer_tells_them_apart(token: str, legacy: bool) -> None:
    assert is_legacy(token) is legacy


def test_claims_make_a_round_trip() -> None:
    claims = decode_legacy_claims(encode_legacy_claims("ns1", "s", ACCOUNT))
    assert (claims.namespace, claims.secret, claims.account) == ("ns1", "s", ACCOUNT)
    assert claims.subject == SUBJECT
    with pytest.raises(MalformedClaims, match=r"^the claims are not an object$"):
        decode_legacy_claims(b"[]")


@pytest.mark.rule("jwt.legacy-example")
def test_the_payload_is_the_documented_one_in_sorted_order() -> None:
    assert encode_legacy_claims("ns1", "s", ACCOUNT).decode() == (
        '{"iss":"kubernetes/serviceaccount","kubernetes.io/serviceaccount/namespace":"ns1",'
        '"kubernetes.io/serviceaccount/secret.name":"s",'
        '"kubernetes.io/serviceaccount/service-account.name":"app",'
        '"kubernetes.io/serviceaccount/service-account.uid":"S",'
        '"sub":"system:serviceaccount:ns1:app"}'
    )


async def test_the_secret_of_the_token_is_told() -> None:
    token = token_of()
    objects = Objects(token)
    assert (await validate(token, objects)).secret is objects.secret


async def test_a_copy_with_foreign_characters_is_not_the_token() -> None:
    token = token_of()
    objects = Objects(token)
    assert objects.secret is not None
    objects.secret["data"]["token"] = "!" + objects.secret["data"]["token"]
    with pytest.raises(BoundObjectGone, match=r"^Token does not match server's copy$"):
        await validate(token, objects)


def secret(type_: str = TOKEN_TYPE, **annotations: str) -> Object:
    names = {"name": ACCOUNT_NAME, "uid": ACCOUNT_UID}
    return {
        "type": type_,
        "metadata": {"annotations": {names[key]: value for key, value in annotations.items()}},
    }


@pytest.mark.rule("case.user.secret-match")
@pytest.mark.parametrize(
    ("found", "belongs"),
    [
        pytest.param(secret(name="app", uid="S"), True, id="name and UID fit"),
        pytest.param(secret(name="app"), True, id="no UID yet"),
        pytest.param(secret(name="app", uid=""), True, id="an empty UID"),
        pytest.param(secret(name="app", uid="T"), False, id="another UID"),
        pytest.param(secret(name="b", uid="S"), False, id="another name"),
        pytest.param(secret("Opaque", name="app", uid="S"), False, id="another type"),
        pytest.param({"type": TOKEN_TYPE}, False, id="no annotations"),
    ],
)
def test_which_secrets_belong_to_an_account(found: Object, belongs: bool) -> None:
    assert is_token_secret_of(found, {"metadata": {"name": "app", "uid": "S"}}) is belongs


async def test_keys_are_asked_for_by_the_id_that_the_token_names() -> None:
    asked: list[str] = []

    class Keys(StaticKeys):
        async def for_token(self, key_id: str) -> KeySet:
            asked.append(key_id)
            return await super().for_token(key_id)

    token = token_of()
    validator = LegacyTokenValidator(Keys(KeySet([KEY.public])), ("api",), Objects(token))
    await validator.validate(token, ("api",))
    assert asked == [KEY.public.key_id]


@pytest.mark.parametrize(
    ("published", "accepted"),
    [
        pytest.param([NEW_KEY, KEY], True, id="the former key is still published"),
        pytest.param([NEW_KEY], False, id="the former key is gone"),
    ],
)
async def test_a_token_outlives_a_rotation_as_long_as_its_key_is_published(
    published: list[SigningKey], accepted: bool
) -> None:
    token = token_of()
    keys = StaticKeys(KeySet([key.public for key in published]))
    validator = LegacyTokenValidator(keys, ("api",), Objects(token))
    if accepted:
        assert (await validator.validate(token, ("api",))).valid.user.name == SUBJECT
    else:
        with pytest.raises(BadToken, match="no keys found"):
            await validator.validate(token, ("api",))
