"""Says in words why a token is refused, and what to do about it. No I/O.

1. All that is wrong is told, not just the first thing, as far as it can be known: without keys
   nothing is said of the signature, without a review nothing of what was deleted.
2. An unknown issuer with a known key is an issuer that changed; with an unknown key, another
   cluster.
3. Values of the token are quoted as JSON, so that they cannot write on a terminal; of the
   signature nothing is shown.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from podpass.workload.check import (
    LEEWAY,
    Trust,
    check_audience,
    check_issuer,
    check_signature,
    check_times,
)
from podpass.workload.claims import read_identity, read_issuer
from podpass.workload.compact_token import UnverifiedToken, check_header, take_apart
from podpass.workload.identity import Identity
from podpass.workload.refusal import Reason, TokenRefused


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        reason: For programs.
        what: A sentence.
        remedy: What to do about it.
    """

    reason: Reason
    what: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a token can be held against; whatever is None is not looked at.

    Attributes:
        audiences: For whom the token should be.
        issuers: Who is trusted, where that is known without keys.
        trust: Issuers and keys.
        review: What the API server says: None if it was not asked, otherwise the refusal, or True.
    """

    audiences: frozenset[str] | None = None
    issuers: frozenset[str] | None = None
    trust: Trust | None = None
    review: TokenRefused | bool | None = None


def explain(token: str, known: Known, now: datetime, leeway: timedelta = LEEWAY) -> list[Finding]:
    """Return what is wrong with a token, nothing if it is good as far as one can see.

    Args:
        token: As it came, without `Bearer`.
        known: What to hold it against.
        now: Aware.
        leeway: How far clocks may be apart.
    """
    try:
        parsed = take_apart(token)
        check_header(parsed)
    except TokenRefused as refused:
        return [Finding(refused.reason, _sentence(refused), _REMEDIES[refused.reason])]
    findings: list[Finding] = []

    def look(check: Callable[[], object], words: Callable[[TokenRefused], Finding]) -> None:
        try:
            check()
        except TokenRefused as refused:
            findings.append(words(refused))

    trust = known.trust
    issuers = known.issuers if trust is None else trust.issuers
    if issuers is not None:
        look(
            lambda: check_issuer(parsed, issuers), lambda why: _issuer(parsed, issuers, trust, why)
        )
    if trust is not None and not any(_another_cluster(one) for one in findings):
        look(lambda: check_signature(parsed, trust.keys), lambda why: _key(parsed, why))
    try:
        identity = read_identity(parsed.claims)
    except TokenRefused as refused:
        if refused.reason not in {one.reason for one in findings}:
            findings.append(_plain(refused))
        return findings
    if known.audiences is not None:
        wanted = known.audiences
        look(lambda: check_audience(identity, wanted), lambda _: _audience(identity, wanted))
    look(lambda: check_times(identity, now, leeway), lambda why: _time(identity, now, why))
    review = known.review
    if isinstance(review, TokenRefused):
        told = {one.reason for one in findings}
        if review.reason not in told and not (told and review.reason is Reason.REVIEW):
            findings.append(_reviewed(identity, review))
    return findings


def unchecked(known: Known) -> list[str]:
    """Return what nobody looked at, in words."""
    missing = []
    if known.audiences is None:
        missing.append("whether it is meant for you (no audience was given)")
    if known.trust is None:
        missing.append("the signature (no keys were given)")
    if known.review is None:
        missing.append("whether account and pod still exist (the API server was not asked)")
    return missing


def quoted(value: object) -> str:
    """Return a value of a token so that it can be printed (rule 3)."""
    return json.dumps(value)


def span(seconds: float) -> str:
    """Return a time span as people say it, in its two largest units."""
    left = round(abs(seconds))
    words: list[str] = []
    for size, name in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        count, left = divmod(left, size)
        if count or words:
            words.append(f"{count} {name}" if count else "")
        if len(words) == 2:  # noqa: PLR2004 - two units
            break
    return " ".join(word for word in words if word) or "0 s"


_FORGED = (
    "No cluster makes such tokens. Find out where it comes from, and do not accept it; a Verifier "
    "never does."
)
_ELSEWHERE = (
    "From here it looks different: compare the clocks, and make sure that the right cluster was "
    "asked."
)
_REMEDIES = {
    Reason.MALFORMED: (
        "Take the token whole and as it is: no `Bearer` before it, no line break in it, all three "
        "parts."
    ),
    Reason.TOO_LARGE: "This is something else; a bound token has about 1000 characters.",
    Reason.ALGORITHM: _FORGED,
    Reason.EMBEDDED_KEY: _FORGED,
    Reason.CRITICAL_EXTENSION: _FORGED,
    Reason.SIGNATURE: (
        "It was altered or forged. Take it from its source again; if it is still wrong, look for "
        "who made it."
    ),
    Reason.NOT_BOUND: (
        "Only bound tokens are accepted: from a projected volume, or from `kubectl create token`. "
        "Tokens of Secrets, and of users, are something else."
    ),
    Reason.ACCOUNT_GONE: (
        "The token ended with the account. Create the account again if it was deleted by mistake; "
        "its pods need to be made anew, old tokens never come back."
    ),
    Reason.ACCOUNT_RECREATED: (
        "There is an account of this name, but it is another one. Make the pod anew, or request a "
        "new token."
    ),
    Reason.BOUND_OBJECT_GONE: (
        "The token ended with what it was bound to. Nobody should hold it any more; take the token "
        "of a pod that runs."
    ),
    Reason.BOUND_OBJECT_RECREATED: (
        "There is an object of this name, but it is another one. Take the token of the new one."
    ),
    Reason.REVIEW: (
        "The API server does not say why. Its log does; if the issuer is not its own, the token is "
        "of another cluster."
    ),
}


def _sentence(refused: TokenRefused) -> str:
    words = str(refused)
    return words[0].upper() + words[1:] + "."


def _plain(refused: TokenRefused) -> Finding:
    return Finding(refused.reason, _sentence(refused), _REMEDIES[refused.reason])


def _names(values: frozenset[str] | tuple[str, ...]) -> str:
    return ", ".join(quoted(one) for one in sorted(values)) or "nobody"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _another_cluster(finding: Finding) -> bool:
    return finding.reason is Reason.ISSUER and finding.what.startswith(_OTHER)


_OTHER = "It is a token of another cluster"


def _issuer(
    token: UnverifiedToken, issuers: frozenset[str], trust: Trust | None, why: TokenRefused
) -> Finding:
    if why.reason is not Reason.ISSUER:
        return _plain(why)
    pair = f"its issuer is {quoted(read_issuer(token.claims))}, accepted is {_names(issuers)}"
    if trust is None:
        return Finding(
            why.reason,
            f"It is of another issuer: {pair}.",
            "Either the token is of another cluster, or the issuer of the cluster changed after "
            "the token was made; then make the pod anew.",
        )
    if token.key_id and trust.keys.knows(token.key_id):  # 2
        return Finding(
            why.reason,
            f"The issuer changed after the token was made: {pair}; the key is known.",
            "Make the pod anew, so that it gets a token of the new issuer. Recipients that should "
            "accept both for a while name both.",
        )
    return Finding(
        why.reason,
        f"{_OTHER}: {pair}, and none of the keys made it.",
        "Show it to its own cluster, or take a token of this one; look at the kubeconfig or the "
        "issuer that you gave.",
    )


def _key(token: UnverifiedToken, why: TokenRefused) -> Finding:
    if why.reason is not Reason.UNKNOWN_KEY:
        return _plain(why)
    return Finding(
        why.reason,
        f"The issuer has no key {quoted(token.key_id)}.",
        "Many clusters name themselves alike: probably the token is of another one. Otherwise the "
        "signing key was replaced and the old one withdrawn; then make the pod anew.",
    )


def _audience(identity: Identity, wanted: frozenset[str]) -> Finding:
    return Finding(
        Reason.AUDIENCE,
        f"It was made for {_names(identity.audiences)}, not for {_names(wanted)}.",
        f"Ask for a token of the right audience: `audience: {min(wanted)}` in the projected "
        "volume, or `kubectl create token --audience`. Never accept a token for somebody else.",
    )


def _time(identity: Identity, now: datetime, why: TokenRefused) -> Finding:
    if why.reason is Reason.EXPIRED:
        ago = span((now - identity.expires_at).total_seconds())
        return Finding(
            why.reason,
            f"It expired {ago} ago, at {_moment(identity.expires_at)}.",
            "The file has a newer one, the kubelet renews it in time: read the file again for each "
            "request, as TokenFile does. If the file still holds this one, the pod is gone or its "
            "kubelet cannot renew; look at the events of the pod.",
        )
    begin = max(one for one in (identity.not_before, identity.issued_at) if one is not None)
    return Finding(
        why.reason,
        f"It begins in {span((begin - now).total_seconds())}, at {_moment(begin)}.",
        "The clocks of the API server and of this machine differ: set them right (NTP).",
    )


def _reviewed(identity: Identity, review: TokenRefused) -> Finding:
    bound = identity.pod or identity.secret or identity.node
    kind = "pod" if identity.pod else "Secret" if identity.secret else "node"
    account = (
        f"the service account {quoted(f'{identity.namespace}/{identity.service_account.name}')}"
    )
    named = f"the {kind} {quoted(bound.name)}" if bound else "an object"
    what = {
        Reason.ACCOUNT_GONE: f"It is of {account}, which is gone.",
        Reason.ACCOUNT_RECREATED: f"It is of {account}, which was deleted and made anew since.",
        Reason.BOUND_OBJECT_GONE: f"It is bound to {named}, which is gone.",
        Reason.BOUND_OBJECT_RECREATED: (
            f"It is bound to {named}, which was deleted and made anew since."
        ),
    }.get(review.reason, f"The API server says: {review}.")
    return Finding(review.reason, what, _REMEDIES.get(review.reason, _ELSEWHERE))
