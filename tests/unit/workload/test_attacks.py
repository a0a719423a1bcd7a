"""Forged, mutated and replayed tokens: what an attacker may try, and how it is refused."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st
from workload.attack_rules import classified

from podpass.jose import base64url
from podpass.jose.keys import ES256, ES384, ES512, SigningKey, generate_signing_key
from podpass.testing.fake_clock import START
from podpass.testing.fake_issuer import AUDIENCE, ISSUER, bound_claims, encoded, signed
from podpass.workload.check import Trust, check
from podpass.workload.compact_token import MAXIMUM_TOKEN, parse
from podpass.workload.identity import Identity
from podpass.workload.refusal import Reason, TokenRefused
from podpass.workload.trusted_keys import read_jwks

RSA = generate_signing_key()
P256, P384, P521 = (generate_signing_key(one) for one in (ES256, ES384, ES512))
STRANGER = generate_signing_key(ES256)
KEYS = read_jwks(
    json.dumps({"keys": [key.public.to_jwk() for key in (RSA, P256, P384, P521)]}).encode()
)
TRUST = Trust(frozenset([ISSUER]), KEYS)
GOOD = signed(bound_claims(), P256)
KID = P256.public.key_id


def verify(token: str, now: Any = START) -> Identity:
    return check(parse(token), TRUST, frozenset([AUDIENCE]), now)


def with_header(**members: Any) -> str:
    """A good token whose header has more, signed by the right key."""
    header = {"alg": "ES256", "kid": KID} | members
    return signed(bound_claims(), P256, header=header)


def hmac_with_public_key(secret: bytes, key_id: str) -> str:
    signing_input = f"{encoded({'alg': 'HS256', 'kid': key_id})}.{encoded(bound_claims())}"
    signature = hmac.new(secret, signing_input.encode(), hashlib.sha256).digest()
    return f"{signing_input}.{base64url.encode(signature)}"


def spliced(header: int, claims: int, signature: int, other: str) -> str:
    """Parts of GOOD (0) and of another token (1) put together."""
    tokens = [GOOD.split("."), other.split(".")]
    return ".".join([tokens[header][0], tokens[claims][1], tokens[signature][2]])


def last_bit_changed(token: str) -> str:
    """The same signature bytes with another last character: stray bits that decoders drop."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]


def in_der(signature: bytes) -> bytes:
    r, s = signature[:32], signature[32:]
    return encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))


def claims_text(replace: str, by: str) -> bytes:
    return json.dumps(bound_claims()).replace(replace, by, 1).encode()


OTHER = signed(bound_claims(sub="system:serviceaccount:shop:admin"), P256)
HEADER, CLAIMS, SIGNATURE = GOOD.split(".")


@pytest.mark.parametrize("key", [RSA, P256, P384, P521], ids=lambda key: key.public.algorithm.name)
def test_a_token_of_each_algorithm_is_accepted(key: SigningKey) -> None:
    assert verify(signed(bound_claims(), key)).username == "system:serviceaccount:shop:app"


@pytest.mark.parametrize(
    ("token", "reason"),
    classified(
        [
            # the algorithm
            pytest.param(
                f"{encoded({'alg': 'none'})}.{CLAIMS}.",
                Reason.ALGORITHM,
                id="alg none, no signature",
            ),
            pytest.param(
                f"{encoded({'alg': 'nOnE', 'kid': KID})}.{CLAIMS}.{SIGNATURE}",
                Reason.ALGORITHM,
                id="alg none in other letters, with a signature",
            ),
            pytest.param(
                hmac_with_public_key(RSA.public.to_pem(), RSA.public.key_id),
                Reason.ALGORITHM,
                id="HMAC with the public key as the secret",
            ),
            pytest.param(
                hmac_with_public_key(b"", KID), Reason.ALGORITHM, id="HMAC with an empty secret"
            ),
            pytest.param(
                with_header(alg="RS384"), Reason.ALGORITHM, id="an algorithm off the list"
            ),
            pytest.param(with_header(alg="PS256"), Reason.ALGORITHM, id="RSA with PSS padding"),
            pytest.param(with_header(alg="EdDSA"), Reason.ALGORITHM, id="an Edwards curve"),
            pytest.param(
                with_header(alg="RS256"), Reason.ALGORITHM, id="an allowed algorithm, not the key's"
            ),
            pytest.param(with_header(alg=["ES256"]), Reason.ALGORITHM, id="a list of algorithms"),
            pytest.param(with_header(alg=None), Reason.ALGORITHM, id="a null algorithm"),
            pytest.param(
                signed(bound_claims(), P256, header={"kid": KID}),
                Reason.ALGORITHM,
                id="no algorithm",
            ),
            # keys that come along
            *(
                pytest.param(
                    signed(
                        bound_claims(), STRANGER, header={"alg": "ES256", "kid": KID, member: value}
                    ),
                    Reason.EMBEDDED_KEY,
                    id=f"a key of the forger's in {member}",
                )
                for member, value in {
                    "jwk": STRANGER.public.to_jwk(),
                    "jku": "https://attacker.example/jwks",
                    "x5u": "https://attacker.example/chain.pem",
                    "x5c": ["MIIB"],
                    "x5t": "AA",
                    "x5t#S256": "AA",
                }.items()
            ),
            # the key id
            pytest.param(
                signed(bound_claims(), STRANGER),
                Reason.UNKNOWN_KEY,
                id="a key that nobody published",
            ),
            pytest.param(
                signed(bound_claims(), STRANGER, header={"alg": "ES256", "kid": KID}),
                Reason.SIGNATURE,
                id="a foreign signature under a trusted key id",
            ),
            pytest.param(
                signed(bound_claims(), STRANGER, header={"alg": "ES256"}),
                Reason.SIGNATURE,
                id="a foreign signature without a key id",
            ),
            pytest.param(
                with_header(kid="../../../dev/null"), Reason.UNKNOWN_KEY, id="a path as the key id"
            ),
            pytest.param(
                with_header(kid="' OR 1=1 --"), Reason.UNKNOWN_KEY, id="a query as the key id"
            ),
            pytest.param(with_header(kid=""), Reason.MALFORMED, id="an empty key id"),
            pytest.param(with_header(kid=7), Reason.MALFORMED, id="a number as the key id"),
            pytest.param(with_header(kid=[KID]), Reason.MALFORMED, id="a list of key ids"),
            pytest.param(with_header(kid="k" * 1025), Reason.MALFORMED, id="an endless key id"),
            pytest.param(
                with_header(kid=KID + "\0"), Reason.UNKNOWN_KEY, id="a zero after the key id"
            ),
            # the header
            pytest.param(
                with_header(crit=["exp"]), Reason.CRITICAL_EXTENSION, id="a critical extension"
            ),
            pytest.param(
                with_header(crit=[], b64=False),
                Reason.CRITICAL_EXTENSION,
                id="an unencoded payload (b64 false)",
            ),
            pytest.param(with_header(zip="DEF"), Reason.MALFORMED, id="a compressed payload"),
            pytest.param(with_header(b64=False), Reason.MALFORMED, id="b64 without crit"),
            pytest.param(with_header(typ="at+jwt"), Reason.MALFORMED, id="a token of another type"),
            pytest.param(with_header(typ=1), Reason.MALFORMED, id="a number as the type"),
            pytest.param(
                signed(
                    bound_claims(),
                    P256,
                    header=f'{{"alg":"none","alg":"ES256","kid":"{KID}"}}'.encode(),
                ),
                Reason.MALFORMED,
                id="two algorithms",
            ),
            pytest.param(
                signed(bound_claims(), P256, header=b'["ES256"]'),
                Reason.MALFORMED,
                id="a list as header",
            ),
            pytest.param(
                signed(bound_claims(), P256, header=b"\xff"),
                Reason.MALFORMED,
                id="a header in no UTF-8",
            ),
            # what was signed
            pytest.param(spliced(0, 1, 0, OTHER), Reason.SIGNATURE, id="claims of another token"),
            pytest.param(
                spliced(0, 0, 1, OTHER), Reason.SIGNATURE, id="signature of another token"
            ),
            pytest.param(f"{HEADER}.{CLAIMS}.", Reason.SIGNATURE, id="the signature taken away"),
            pytest.param(
                f"{HEADER}.{CLAIMS}.{base64url.encode(bytes(64))}",
                Reason.SIGNATURE,
                id="a signature of zeros (psychic signature)",
            ),
            pytest.param(
                f"{HEADER}.{CLAIMS}.{base64url.encode(base64url.decode(SIGNATURE)[:-1])}",
                Reason.SIGNATURE,
                id="a signature cut short",
            ),
            pytest.param(
                f"{HEADER}.{CLAIMS}.{SIGNATURE}AAAA", Reason.SIGNATURE, id="a signature with a tail"
            ),
            pytest.param(
                f"{HEADER}.{CLAIMS}.{base64url.encode(base64url.decode(SIGNATURE) + bytes(3))}",
                Reason.SIGNATURE,
                id="a signature with zeros after it",
            ),
            pytest.param(
                f"{encoded({'kid': KID, 'alg': 'ES256'})}.{CLAIMS}.{SIGNATURE}",
                Reason.SIGNATURE,
                id="the same header written otherwise",
            ),
            # the encoding
            pytest.param(GOOD + "=", Reason.MALFORMED, id="padding at the end"),
            pytest.param(
                last_bit_changed(GOOD), Reason.MALFORMED, id="stray bits in the last character"
            ),
            pytest.param(f" {GOOD}", Reason.MALFORMED, id="a space before"),
            pytest.param(f"{GOOD}\n", Reason.MALFORMED, id="a newline after"),
            pytest.param(f"Bearer {GOOD}", Reason.MALFORMED, id="the scheme still before it"),
            pytest.param(
                GOOD.replace("-", "+").replace("_", "/") + "+",
                Reason.MALFORMED,
                id="the other base64 alphabet",
            ),
            pytest.param(GOOD[:20] + "\n" + GOOD[20:], Reason.MALFORMED, id="a newline inside"),
            pytest.param(
                GOOD.replace(".", "\u3002"), Reason.MALFORMED, id="dots of another script"
            ),
            pytest.param("", Reason.MALFORMED, id="nothing"),
            pytest.param("..", Reason.MALFORMED, id="two dots"),
            pytest.param(f"{HEADER}.{CLAIMS}", Reason.MALFORMED, id="two parts"),
            pytest.param(f"{GOOD}.{SIGNATURE}", Reason.MALFORMED, id="four parts"),
            pytest.param(
                json.dumps({"protected": HEADER, "payload": CLAIMS, "signature": SIGNATURE}),
                Reason.MALFORMED,
                id="the JSON form of a JWS",
            ),
            pytest.param("a.b.c.d.e", Reason.MALFORMED, id="five parts, as if encrypted"),
            pytest.param("a" * (MAXIMUM_TOKEN + 1), Reason.TOO_LARGE, id="one character too many"),
            pytest.param(
                signed(b"[" * 10000, P256), Reason.MALFORMED, id="a depth bomb in the claims"
            ),
            pytest.param(
                signed(b'{"exp":' + b"9" * 9000 + b"}", P256),
                Reason.MALFORMED,
                id="a number of nine thousand digits",
            ),
            # the claims
            pytest.param(signed(b"null", P256), Reason.MALFORMED, id="null as claims"),
            pytest.param(
                signed(claims_text('"iss":', '"iss": "https://evil.example", "iss":'), P256),
                Reason.MALFORMED,
                id="two issuers",
            ),
            pytest.param(
                signed(claims_text('"aud":', '"aud": ["other"], "aud":'), P256),
                Reason.MALFORMED,
                id="two audience claims",
            ),
            pytest.param(
                signed(
                    claims_text('"namespace":', '"namespace": "kube-system", "namespace":'), P256
                ),
                Reason.MALFORMED,
                id="two namespaces, deep inside",
            ),
            pytest.param(
                signed(bound_claims(iss="https://evil.example"), P256),
                Reason.ISSUER,
                id="another issuer, signed by our key",
            ),
            pytest.param(
                signed(bound_claims(iss=f"{ISSUER}/"), P256),
                Reason.ISSUER,
                id="a slash after the issuer",
            ),
            pytest.param(
                signed(bound_claims(iss=ISSUER.upper()), P256),
                Reason.ISSUER,
                id="an issuer in capitals",
            ),
            pytest.param(signed(bound_claims(iss=None), P256), Reason.MALFORMED, id="no issuer"),
            pytest.param(
                signed(bound_claims(iss=[ISSUER]), P256), Reason.MALFORMED, id="issuers in a list"
            ),
            pytest.param(
                signed(bound_claims(aud=["other"]), P256), Reason.AUDIENCE, id="another audience"
            ),
            pytest.param(
                signed(bound_claims(aud="vault2"), P256),
                Reason.AUDIENCE,
                id="an audience that begins so",
            ),
            pytest.param(
                signed(bound_claims(aud="vaul"), P256),
                Reason.AUDIENCE,
                id="the beginning of the audience",
            ),
            pytest.param(signed(bound_claims(aud=None), P256), Reason.AUDIENCE, id="no audience"),
            pytest.param(
                signed(bound_claims(aud=[]), P256), Reason.AUDIENCE, id="an empty audience list"
            ),
            pytest.param(
                signed(bound_claims(aud={"vault": 1}), P256),
                Reason.MALFORMED,
                id="audiences in an object",
            ),
            pytest.param(
                signed(bound_claims(aud=["vault", 1]), P256),
                Reason.MALFORMED,
                id="a number as audience",
            ),
            pytest.param(signed(bound_claims(exp=None), P256), Reason.NOT_BOUND, id="no expiry"),
            pytest.param(
                signed(bound_claims(exp="4102444800"), P256),
                Reason.MALFORMED,
                id="the expiry as text",
            ),
            pytest.param(
                signed(bound_claims(exp=True), P256), Reason.MALFORMED, id="true as the expiry"
            ),
            pytest.param(
                signed(claims_text('"exp": ', '"exp": 1e999, "x": '), P256),
                Reason.MALFORMED,
                id="an endless expiry",
            ),
            pytest.param(
                signed(claims_text('"exp": ', '"exp": NaN, "x": '), P256),
                Reason.MALFORMED,
                id="NaN as the expiry",
            ),
            pytest.param(
                signed(bound_claims(exp=10**18), P256),
                Reason.MALFORMED,
                id="an expiry after all calendars",
            ),
            pytest.param(
                signed(bound_claims(sub="system:serviceaccount:shop:admin"), P256),
                Reason.NOT_BOUND,
                id="another account in the subject",
            ),
            pytest.param(
                signed(bound_claims(sub="alice"), P256), Reason.NOT_BOUND, id="a token of a user"
            ),
            pytest.param(
                signed(bound_claims() | {"kubernetes.io": None}, P256),
                Reason.NOT_BOUND,
                id="an OpenID token without Kubernetes claims",
            ),
            pytest.param(
                signed(
                    {
                        "iss": "kubernetes/serviceaccount",
                        "kubernetes.io/serviceaccount/namespace": "shop",
                        "sub": "system:serviceaccount:shop:app",
                    },
                    P256,
                ),
                Reason.ISSUER,
                id="a legacy token of a Secret",
            ),
            pytest.param(
                signed(bound_claims(jti="\ud800"), P256),
                Reason.MALFORMED,
                id="half a character in a claim",
            ),
            pytest.param(
                signed(bound_claims(iss="https://former.example"), P256),
                Reason.ISSUER,
                id="the former issuer, signed by the key that stays",
            ),
            pytest.param(GOOD[: len(GOOD) // 2], Reason.MALFORMED, id="half a token"),
            pytest.param(
                signed(GOOD.encode(), P256), Reason.MALFORMED, id="a token inside of a token"
            ),
            pytest.param(
                f"{HEADER}.{CLAIMS}.{base64url.encode(in_der(base64url.decode(SIGNATURE)))}",
                Reason.SIGNATURE,
                id="a signature in DER",
            ),
        ]
    ),
)
def test_an_attack_is_refused(token: str, reason: Reason) -> None:
    with pytest.raises(TokenRefused) as refused:
        verify(token)
    assert refused.value.reason is reason
    assert token[:30] not in str(refused.value) or not token


@pytest.mark.rule("attack.replay-expired")
@pytest.mark.parametrize(
    ("later", "reason"),
    [
        pytest.param(3660, None, id="to the last second of the leeway a token may be shown again"),
        pytest.param(3661, Reason.EXPIRED, id="a token replayed after its expiry"),
        pytest.param(-60, None, id="a recipient whose clock is a minute behind"),
        pytest.param(-61, Reason.NOT_YET_VALID, id="a token dated into the future"),
    ],
)
def test_a_token_is_replayed(later: int, reason: Reason | None) -> None:
    now = START + timedelta(seconds=later)
    if reason is None:
        verify(GOOD, now)
        return
    with pytest.raises(TokenRefused) as refused:
        verify(GOOD, now)
    assert refused.value.reason is reason


@pytest.mark.rule("attack.other-audience")
def test_a_token_is_replayed_to_another_recipient() -> None:
    with pytest.raises(TokenRefused) as refused:
        check(parse(GOOD), TRUST, frozenset(["other"]), START)
    assert refused.value.reason is Reason.AUDIENCE


RSA_TOKEN = signed(bound_claims(), RSA)


@pytest.mark.rule("attack.bit-flip")
@given(data=st.data(), token=st.sampled_from([GOOD, RSA_TOKEN]))
def test_no_changed_bit_goes_unseen(data: st.DataObject, token: str) -> None:
    raw = bytearray(token.encode())
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(TokenRefused):
        verify(raw.decode("latin-1"))


@pytest.mark.rule("attack.bit-flip")
def test_every_single_bit_of_a_signature_counts() -> None:
    head, _, signature = GOOD.rpartition(".")
    right = base64url.decode(signature)
    for bit in range(len(right) * 8):
        wrong = bytearray(right)
        wrong[bit // 8] ^= 1 << bit % 8
        with pytest.raises(TokenRefused):
            verify(f"{head}.{base64url.encode(bytes(wrong))}")


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_reading_raises_nothing_but_a_refusal(text: str) -> None:
    with pytest.raises(TokenRefused):
        verify(text)


@given(
    header=st.binary(max_size=60), claims=st.binary(max_size=60), signature=st.binary(max_size=9)
)
def test_bytes_in_well_formed_parts_raise_nothing_but_a_refusal(
    header: bytes, claims: bytes, signature: bytes
) -> None:
    with pytest.raises(TokenRefused):
        verify(".".join(map(base64url.encode, (header, claims, signature))))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
NAMES = st.sampled_from([*bound_claims(), "kubernetes.io/serviceaccount/namespace"])
PRIVATE = st.sampled_from(["namespace", "serviceaccount", "pod", "node", "secret", "warnafter"])


@given(
    changes=st.dictionaries(NAMES, JSON, max_size=3),
    private=st.dictionaries(PRIVATE, JSON, max_size=3),
)
def test_signed_nonsense_raises_nothing_but_a_refusal(
    changes: dict[str, Any], private: dict[str, Any]
) -> None:
    claims = bound_claims()
    claims["kubernetes.io"] = claims["kubernetes.io"] | private
    try:
        identity = verify(signed(claims | changes, P256))
    except TokenRefused:
        return
    assert identity.namespace == "shop"
    assert identity.service_account.uid


@given(header=st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "jwk"]), JSON))
def test_a_nonsense_header_raises_nothing_but_a_refusal(header: dict[str, Any]) -> None:
    header.setdefault("alg", "ES256")
    try:
        verify(signed(bound_claims(), P256, header=header))
    except TokenRefused:
        return
    assert header["alg"] == "ES256"
    assert header.keys() <= {"alg", "kid", "typ"}


@pytest.mark.parametrize("value", [b"a.b.c", None, 7], ids=["bytes", "None", "a number"])
def test_what_is_no_text_is_refused(value: object) -> None:
    with pytest.raises(TokenRefused):
        parse(value)  # type: ignore[arg-type]
