"""Any text and any signed claims are judged by the rules, never by an accident."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
from hypothesis import example, given, settings
from hypothesis import strategies as st

from podpass.api.resources import Object, Resource
from podpass.jose import base64url, jws
from podpass.jose.key_set import KeySet
from podpass.jose.keys import ES256, generate_signing_key
from podpass.serviceaccount.claims import ObjectRef
from podpass.serviceaccount.trusted_keys import StaticKeys
from podpass.serviceaccount.validation import InvalidToken, TokenValidator
from tests.examples import examples

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ISSUER = "https://issuer.example"
KEY = generate_signing_key(ES256)
GOOD: dict[str, Any] = {
    "iss": ISSUER,
    "sub": "system:serviceaccount:ns:app",
    "aud": ["api"],
    "exp": int(NOW.timestamp()) + 600,
    "iat": int(NOW.timestamp()),
    "nbf": int(NOW.timestamp()),
    "jti": "j",
    "kubernetes.io": {
        "namespace": "ns",
        "serviceaccount": {"name": "app", "uid": "uid"},
        "pod": {"name": "p", "uid": "uid"},
        "node": {"name": "n", "uid": "uid"},
        "warnafter": int(NOW.timestamp()) + 300,
    },
}
SCALARS = (
    st.none() | st.booleans() | st.integers(-(1 << 70), 1 << 70) | st.floats() | st.text(max_size=9)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "uid", "pod", "x", ""]), inner, max_size=3)
    ),
    max_leaves=6,
)


class Everything:
    """Has every object, each with the same UID."""

    async def find(self, _resource: Resource, namespace: str, ref: ObjectRef) -> Object | None:
        return {"metadata": {"name": ref.name, "namespace": namespace, "uid": "uid"}}


VALIDATOR = TokenValidator(
    StaticKeys(KeySet([KEY.public])), frozenset({ISSUER}), ("api",), Everything()
)


async def judged(token: str) -> bool:
    try:
        valid = await VALIDATOR.validate(token, ("api",), NOW)
    except InvalidToken:
        return False
    orjson.dumps([valid.user.to_json(), valid.audit_annotations])
    return True


async def test_the_good_claims_are_good() -> None:
    assert await judged(jws.sign(orjson.dumps(GOOD), KEY))


def signed(claims: Any) -> str:
    return jws.sign(orjson.dumps(claims), KEY)


def mended(*path: str) -> Callable[[Any], dict[str, Any]]:
    def put(value: Any) -> dict[str, Any]:
        if len(path) == 1:
            return GOOD | {path[0]: value}
        return GOOD | {path[0]: GOOD[path[0]] | {path[1]: value}}

    return put


CLAIMS = st.one_of(
    *(VALUES.map(mended(name)) for name in GOOD),
    *(VALUES.map(mended("kubernetes.io", name)) for name in GOOD["kubernetes.io"]),
    VALUES.map(lambda value: value),
).filter(lambda value: value != b"\\u0000")


def encodable(value: Any) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


@given(CLAIMS.filter(encodable))
@settings(max_examples=examples(250))
@example(GOOD | {"exp": 1e300})
@example(GOOD | {"exp": (1 << 63) - 1, "nbf": -(1 << 63)})
async def test_any_signed_claims_are_judged(claims: Any) -> None:
    await judged(signed(claims))


@given(st.text(alphabet="ab.=-_+/{}\x00é", max_size=40))
@settings(max_examples=examples(200))
async def test_any_text_is_no_token(text: str) -> None:
    assert not await judged(text)


@given(VALUES.filter(encodable), st.binary(max_size=70))
@settings(max_examples=examples(150))
async def test_any_header_and_signature_are_refused(header: Any, signature: bytes) -> None:
    parts = (orjson.dumps(header), orjson.dumps(GOOD), signature)
    assert not await judged(".".join(map(base64url.encode, parts)))
