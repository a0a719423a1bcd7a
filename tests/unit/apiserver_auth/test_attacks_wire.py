"""Forged, mutated and replayed tokens at the API server: TokenReview and login refuse them all."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from apiserver_auth.wire import Wire, wired
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from podpass.jose import base64url, jws
from podpass.jose.keys import ES256, ES384, RS256, generate_signing_key
from podpass.testing.api_server import ISSUER

pytestmark = pytest.mark.asyncio(loop_scope="module")

STRANGER = generate_signing_key(ES256)
WIDE = generate_signing_key(ES384)
RSA = generate_signing_key(RS256)
Make = Callable[[Wire, dict[str, Any]], str]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def wire(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Wire]:
    """One server for all attacks; it trusts a key of each kind."""
    directory: Path = tmp_path_factory.mktemp("attacked")
    trusted = directory / "rsa.pub"
    trusted.write_bytes(RSA.public.to_pem())
    files = (trusted, directory / "sa.pub")
    async with wired(directory, service_account_key_files=files) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def claims(wire: Wire) -> dict[str, Any]:
    path = "/api/v1/namespaces/ns1/serviceaccounts/app"
    uid = (await wire.send("GET", path)).body["metadata"]["uid"]
    return wire.claims(str(uid), sub="system:serviceaccount:ns1:app")


def encoded(value: Any) -> str:
    return base64url.encode(value if isinstance(value, bytes) else orjson.dumps(value))


def header(**members: Any) -> Make:
    """A token that the right key signed, with more or other members in its header."""

    def make(wire: Wire, claims: dict[str, Any]) -> str:
        members_of = {"alg": "ES256", "kid": wire.key.public.key_id} | members
        return wire.sign(claims, **members_of)

    return make


def stranger(**members: Any) -> Make:
    """A token of the forger's key under the id of a trusted one."""

    def make(wire: Wire, claims: dict[str, Any]) -> str:
        named = {"alg": "ES256", "kid": wire.key.public.key_id} | members
        return wire.sign(claims, STRANGER, **named)

    return make


def with_claims(**changes: Any) -> Make:
    """A token that the right key signed over other claims."""
    return lambda wire, claims: wire.sign(claims | changes)


def raw_claims(old: bytes, new: bytes) -> Make:
    """A token that the right key signed over claims that are written otherwise."""

    def make(wire: Wire, claims: dict[str, Any]) -> str:
        text = orjson.dumps(claims)
        assert old in text
        return jws.sign(text.replace(old, new, 1), wire.key)

    return make


def signature(change: Callable[[bytes], bytes]) -> Make:
    """A good token with another signature."""

    def make(wire: Wire, claims: dict[str, Any]) -> str:
        head, _, last = wire.sign(claims).rpartition(".")
        return f"{head}.{encoded(change(base64url.decode(last)))}"

    return make


def text(change: Callable[[str], str]) -> Make:
    """A good token, written otherwise."""
    return lambda wire, claims: change(wire.sign(claims))


def unsigned(algorithm: str) -> Make:
    return lambda _, claims: f"{encoded({'alg': algorithm})}.{encoded(claims)}."


def keyed_hash(secret: Callable[[Wire], bytes]) -> Make:
    def make(wire: Wire, claims: dict[str, Any]) -> str:
        head = encoded({"alg": "HS256", "kid": wire.key.public.key_id})
        signed = f"{head}.{encoded(claims)}"
        return f"{signed}.{encoded(hmac.digest(secret(wire), signed.encode(), hashlib.sha256))}"

    return make


def flipped(part: int, bit: int) -> Make:
    def change(token: str) -> str:
        parts = token.split(".")
        data = bytearray(base64url.decode(parts[part]))
        data[bit // 8 % len(data)] ^= 1 << bit % 8
        parts[part] = encoded(bytes(data))
        return ".".join(parts)

    return text(change)


def other_claims(wire: Wire, claims: dict[str, Any]) -> str:
    head, _, last = wire.sign(claims).split(".")
    return f"{head}.{encoded(claims | {'exp': wire.moment(10**6)})}.{last}"


def nested(wire: Wire, claims: dict[str, Any]) -> str:
    return jws.sign(wire.sign(claims).encode(), wire.key)


def two_algorithms(wire: Wire, claims: dict[str, Any]) -> str:
    head = f'{{"alg":"ES256","alg":"none","kid":"{wire.key.public.key_id}"}}'
    return f"{encoded(head.encode())}.{encoded(claims)}."


def der(data: bytes) -> bytes:
    half = len(data) // 2
    return encode_dss_signature(
        int.from_bytes(data[:half], "big"), int.from_bytes(data[half:], "big")
    )


def stray_bit(token: str) -> str:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]


ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ATTACKS: dict[str, dict[str, Make]] = {
    "alg-none": {f"alg {name}": unsigned(name) for name in ("none", "None", "nOnE", "")},
    "hmac-public-key": {
        "HMAC with the public key": keyed_hash(lambda wire: wire.key.public.to_pem()),
        "HMAC with an empty secret": keyed_hash(lambda _: b""),
    },
    "alg-confusion": {
        "another algorithm of the list": header(alg="RS256"),
        "RSA with PSS padding": lambda wire, claims: wire.sign(
            claims, RSA, alg="PS256", kid=RSA.public.key_id
        ),
        "RSA with another hash": lambda wire, claims: wire.sign(
            claims, RSA, alg="RS384", kid=RSA.public.key_id
        ),
        "a wider curve": lambda wire, claims: wire.sign(
            claims, WIDE, alg="ES256", kid=wire.key.public.key_id
        ),
        "a list of algorithms": header(alg=["ES256"]),
        "no algorithm": header(alg=None),
    },
    "embedded-key": {
        f"a key of the forger's in {name}": stranger(**{name: value})
        for name, value in {
            "jwk": STRANGER.public.to_jwk(),
            "jku": "https://attacker.example/jwks",
            "x5u": "https://attacker.example/chain.pem",
            "x5c": ["MIIB"],
        }.items()
    },
    "key-id": {
        "a path": header(kid="../../../dev/null"),
        "a query": header(kid="' OR 1=1 --"),
        "a zero behind": lambda wire, claims: header(kid=f"{wire.key.public.key_id}\0")(
            wire, claims
        ),
        "a number": header(kid=7),
        "null": header(kid=None),
        "nobody's": header(kid="nobody"),
        "endless": header(kid="k" * 100_000),
        "of another trusted key": header(kid=RSA.public.key_id),
    },
    "other-key": {
        "under a trusted id": stranger(),
        "under its own id": lambda wire, claims: wire.sign(claims, STRANGER),
        "without an id": lambda wire, claims: wire.sign(claims, STRANGER, alg="ES256"),
    },
    "header-extension": {
        "critical extensions": header(crit=["exp"]),
        "an unencoded payload": header(crit=["b64"], b64=False),
        "a list as header": lambda wire, claims: jws.sign(
            orjson.dumps(claims), wire.key, header=encoded([])
        ),
        "a header in no UTF-8": lambda wire, claims: jws.sign(
            orjson.dumps(claims), wire.key, header=encoded(b"\xff")
        ),
    },
    "duplicate-members": {"two algorithms, the last none": two_algorithms},
    "splice": {"claims of another token": other_claims, "a nested token": nested},
    "bit-flip": {
        f"bit {bit} of part {part + 1}": flipped(part, bit)
        for part in range(3)
        for bit in (0, 7, 100, 250, 511)
    },
    "psychic-signature": {
        "zeros": signature(lambda data: bytes(len(data))),
        "r and s of the order of the curve": signature(lambda _: ORDER.to_bytes(32, "big") * 2),
        "s is zero": signature(lambda data: data[:32] + bytes(32)),
        "DER": signature(der),
        "cut short": signature(lambda data: data[:-1]),
        "a tail": signature(lambda data: data + b"\0"),
        "none": signature(lambda _: b""),
    },
    "encoding": {
        "padding": text(lambda token: f"{token}=="),
        "stray bits": text(stray_bit),
        "a space inside": text(lambda token: f"{token[:30]} {token[30:]}"),
        "the other alphabet": text(lambda token: f"{token[:-2]}+/"),
        "percent signs": text(lambda token: token.replace(".", "%2e")),
        "the scheme twice": text(lambda token: f"Bearer {token}"),
    },
    "parts": {
        "the last character gone": text(lambda token: token[:-1]),
        "the first character gone": text(lambda token: token[1:]),
        "half": text(lambda token: token[: len(token) // 2]),
        "two parts": text(lambda token: token.rpartition(".")[0]),
        "four parts": text(lambda token: f"{token}.{token.rpartition('.')[2]}"),
        "dots": lambda _wire, _claims: "..",
    },
    "oversized": {
        "a depth bomb": lambda wire, _: jws.sign(b"[" * 20_000, wire.key),
        "a depth bomb in a claim": raw_claims(b'{"', b'{"x":' + b"[" * 20_000 + b',"'),
        "an endless number": raw_claims(b'"exp":', b'"exp":' + b"9" * 20_000),
    },
    "claim-types": {
        "exp as text": with_claims(exp="4102444800"),
        "exp is true": with_claims(exp=True),
        "exp beyond floats": raw_claims(b'"exp":', b'"exp":1e999,"x":'),
        "exp is NaN": raw_claims(b'"exp":', b'"exp":NaN,"x":'),
        "the account is a text": with_claims(
            **{"kubernetes.io": {"namespace": "ns1", "serviceaccount": "app"}}
        ),
        "no Kubernetes claims": with_claims(**{"kubernetes.io": None}),
        "a list as claims": lambda wire, _: jws.sign(b"[]", wire.key),
    },
    "other-issuer": {
        "another": with_claims(iss="https://evil.example"),
        "with a slash": with_claims(iss=f"{ISSUER}/"),
        "in capitals": with_claims(iss=ISSUER.upper()),
        "in a list": with_claims(iss=[ISSUER]),
        "two, the last not ours": raw_claims(b',"sub":', b',"iss":"https://evil.example","sub":'),
    },
    "former-issuer": {"signed by the key that stays": with_claims(iss="https://former.example")},
    "other-audience": {
        "another": with_claims(aud=["vault"]),
        "one that begins so": with_claims(aud=[f"{ISSUER}.evil.example"]),
        "a number": with_claims(aud=7),
    },
    "replay-expired": {
        "expired": lambda wire, claims: wire.sign(claims | {"exp": wire.moment(-61)}),
        "not yet valid": lambda wire, claims: wire.sign(claims | {"nbf": wire.moment(61)}),
    },
    "recreated": {
        "of an account that was here before": with_claims(
            **{"kubernetes.io": {"namespace": "ns1", "serviceaccount": {"name": "app", "uid": "x"}}}
        ),
        "of an account that never was": with_claims(
            **{"kubernetes.io": {"namespace": "ns1", "serviceaccount": {"name": "no", "uid": "x"}}}
        ),
    },
}


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(make, marks=pytest.mark.rule(f"attack.{kind}"), id=f"{kind}: {name}")
        for kind, attacks in ATTACKS.items()
        for name, make in attacks.items()
    ],
)
async def test_an_attack_is_refused(wire: Wire, claims: dict[str, Any], make: Make) -> None:
    token = make(wire, claims)
    status = await wire.review(token)
    assert not status.get("authenticated")
    assert status.get("user", {}) == {}
    assert token[:40] not in status["error"] or len(token) < 40
    if " " not in token and len(token) < 4000:  # HTTP cuts at a space and refuses long headers
        answer = await wire.login(token)
        assert (answer.code, answer.text) == (401, "Unauthorized")


async def test_the_token_that_is_attacked_is_good(wire: Wire, claims: dict[str, Any]) -> None:
    for key in (wire.key, RSA):
        assert (await wire.review(wire.sign(claims, key)))["authenticated"] is True


@pytest.mark.rule("attack.other-subject")
async def test_the_account_is_that_of_the_claims(wire: Wire, claims: dict[str, Any]) -> None:
    token = wire.sign(claims | {"sub": "system:serviceaccount:kube-system:admin"})
    user = (await wire.review(token))["user"]
    assert user["username"] == "system:serviceaccount:ns1:app"
