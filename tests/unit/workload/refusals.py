"""Every way to be refused, and the page that tells people what is said of each (docs/refusals.md).

`PYTHONPATH=tests/unit python -m workload.refusals` writes the page; a test
compares it with what is said.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from podpass.jose.keys import ES256, generate_signing_key
from podpass.testing.fake_clock import START
from podpass.testing.fake_issuer import ISSUER, FakeIssuer, bound_claims, encoded, signed
from podpass.workload.check import Trust, check
from podpass.workload.compact_token import parse
from podpass.workload.explanation import Known, explain
from podpass.workload.refusal import Reason, TokenRefused
from podpass.workload.token_review import refusal
from podpass.workload.trusted_keys import read_jwks

PAGE = Path(__file__).parents[3] / "docs" / "refusals.md"
SIGNER = FakeIssuer()
KEY = SIGNER.keys[0]
STRANGER = generate_signing_key(ES256)
TRUST = Trust(frozenset([ISSUER]), read_jwks(SIGNER.jwks()))
OURS = frozenset(["vault"])
GOOD = SIGNER.token()
_HEADER, _CLAIMS, _SIGNATURE = GOOD.split(".")
_CLAIMS_ALONE = {name: one for name, one in bound_claims().items() if name != "kubernetes.io"}
_OTHER = {"alg": "ES256", "kid": "another"}


class Case(NamedTuple):
    """A token, and how it differs from a good one.

    Attributes:
        error: What the API server says of it, empty if it accepts it.
        issuers: Accepted ones where keys are not known.
    """

    title: str
    token: str
    error: str = ""
    issuers: frozenset[str] | None = None

    def known(self) -> Known:
        """Return what the token is held against."""
        if self.issuers is not None:
            return Known(issuers=self.issuers)
        review = refusal(self.error) if self.error else True
        return Known(audiences=OURS, trust=TRUST, review=review)


def _with(**header: Any) -> str:
    return signed(bound_claims(), KEY, header={"alg": "ES256", "kid": KEY.public.key_id} | header)


def _private(**changes: Any) -> dict[str, Any]:
    inner = bound_claims()["kubernetes.io"] | changes
    kept = {name: one for name, one in inner.items() if one is not None}
    return bound_claims() | {"kubernetes.io": kept}


TOKENS = [
    Case("two parts", "a.b"),
    Case("too long", "a" * 16385),
    Case("a header that is not base64url", f"+.{_CLAIMS}.{_SIGNATURE}"),
    Case("claims that are not base64url", f"{_HEADER}.+.{_SIGNATURE}"),
    Case("a signature that is not base64url", f"{_HEADER}.{_CLAIMS}.+"),
    Case("a header that is not JSON", signed(bound_claims(), KEY, header=b"no")),
    Case("claims that are not JSON", signed(b"no", KEY)),
    Case("a claim twice", signed(b'{"aud":["x"],"aud":["vault"]}', KEY)),
    Case("claims that are a list", signed(b"[]", KEY)),
    Case("`alg: none`", f"{encoded({'alg': 'none'})}.{_CLAIMS}."),
    Case("HMAC with the public key", _with(alg="HS256")),
    Case("a key in the header", _with(jku="https://x")),
    Case("a critical extension", _with(crit=["b64"])),
    Case("another member of the header", _with(cty="x")),
    Case("a key id without characters", _with(kid="")),
    Case("a key id that is too long", _with(kid="k" * 1025)),
    Case("another type", _with(typ="at+jwt")),
    Case("another issuer, our key", SIGNER.token(iss="https://old.example")),
    Case(
        "another issuer, another key",
        signed(bound_claims(iss="https://other.example"), STRANGER, header=_OTHER),
    ),
    Case(
        "another issuer, keys unknown",
        SIGNER.token(iss="https://old.example"),
        issuers=frozenset([ISSUER, "https://new.example"]),
    ),
    Case("our issuer, another key", signed(bound_claims(), STRANGER, header=_OTHER)),
    Case("another algorithm than the key's", _with(alg="ES384")),
    Case(
        "the signature of somebody else",
        signed(bound_claims(), STRANGER, header={"alg": "ES256", "kid": KEY.public.key_id}),
    ),
    Case("another audience", SIGNER.token(aud=["b", "a"])),
    Case("no audience", SIGNER.token(aud=None)),
    Case("expired", SIGNER.token(START - timedelta(hours=3))),
    Case("not valid yet", SIGNER.token(START + timedelta(hours=1, minutes=30))),
    Case("no issuer", SIGNER.token(iss=None)),
    Case("no expiry", SIGNER.token(exp=None)),
    Case("an expiry that is a text", SIGNER.token(exp="soon")),
    Case("an expiry after the end of time", SIGNER.token(exp=1e300)),
    Case("an audience that is a number", SIGNER.token(aud=1)),
    Case("an audience that is an empty text", SIGNER.token(aud="")),
    Case("a number among the audiences", SIGNER.token(aud=["vault", 1])),
    Case("a subject that cannot be written down", SIGNER.token(sub="\ud800")),
    Case("another subject", SIGNER.token(sub="alice")),
    Case("no account", signed(_private(serviceaccount=None), KEY)),
    Case("an account without UID", signed(_private(serviceaccount={"name": "app"}), KEY)),
    Case("a pod that is a list", signed(_private(pod=[]), KEY)),
    Case("no `kubernetes.io`", signed(_CLAIMS_ALONE, KEY)),
]
REVIEWED = [
    Case("the account is gone", GOOD, 'serviceaccounts "app" not found'),
    Case("the account was deleted", GOOD, "service account has been deleted"),
    Case("the account was made anew", GOOD, "service account UID (S) does not match"),
    Case("the pod is gone", GOOD, "service account token has been invalidated"),
    Case("the pod was made anew", GOOD, "the UID in the pod ref claim does not match"),
    Case(
        "a Secret is gone",
        signed(_private(pod=None, node=None, secret={"name": "s", "uid": "X"}), KEY),
        "has been invalidated",
    ),
    Case(
        "a node was made anew",
        signed(_private(pod=None), KEY),
        "the UID in the node ref claim does not match",
    ),
    Case(
        "something is gone",
        signed(_private(pod=None, node=None), KEY),
        "has been invalidated",
    ),
    Case("no reason is given", GOOD, "something else"),
    Case("expired by the clock of the API server", GOOD, "token has expired"),
    Case("begins later by that clock", GOOD, "token not valid yet"),
    Case("made later by that clock", GOOD, "token was issued in the future"),
    Case("the API server has other audiences", GOOD, "token audiences [a] is invalid"),
    Case("the API server has no such key", GOOD, "no keys found"),
    Case("another signature for the API server", GOOD, "error in cryptographic primitive"),
]

_INTRODUCTION = f"""# What is said of a token that is refused

One row for each way. *Verifier* is the text of `TokenRefused`, which the middlewares send as
`error_description`; *reason* is `TokenRefused.reason`. *explain* is what `podpass token explain`
prints, and what to do. Here the issuer is `{ISSUER}`, the audience `vault`, and it is
{START:%Y-%m-%d %H:%M} UTC.
"""


def refused(token: str) -> TokenRefused | None:
    """Return how a Verifier refuses it; None if it does not."""
    try:
        check(parse(token), TRUST, OURS, START)
    except TokenRefused as error:
        return error
    return None


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _refusal_row(title: str, error: TokenRefused | None) -> str:
    if not isinstance(error, TokenRefused):
        raise TypeError(f"{title}: it is not refused")
    return _row(title, f"`{error.reason}`", str(error))


def page() -> str:
    """Return docs/refusals.md as it has to be."""
    lines = [_INTRODUCTION, "## The token itself", "", _row("token", "reason", "Verifier")]
    lines += ["|---|---|---|"]
    lines += [_refusal_row(case.title, refused(case.token)) for case in TOKENS]
    lines += ["", "## What the API server says of it", ""]
    lines += [_row("state", "reason", "TokenReviewVerifier"), "|---|---|---|"]
    lines += [_refusal_row(case.title, refusal(case.error)) for case in REVIEWED]
    lines += ["", "## In words, and what to do", ""]
    lines += [_row("token", "explain", "what to do"), "|---|---|---|"]
    for case in [*TOKENS, *REVIEWED]:
        lines += [
            _row(case.title, one.what, one.remedy)
            for one in explain(case.token, case.known(), START)
        ]
    return "\n".join(lines) + "\n"


def reasons_told() -> set[Reason]:
    """Return the reasons that the page has."""
    return {
        one.reason
        for case in [*TOKENS, *REVIEWED]
        for one in explain(case.token, case.known(), START)
    }


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
