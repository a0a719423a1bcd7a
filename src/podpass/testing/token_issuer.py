"""An issuer in the test's own process: its own key, its documents, tokens good and broken.

What it signs has the claims of a pod's bound token. Nothing listens anywhere; recipients written
with `podpass.workload` read the keys through `keys`, others through `token_server`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from podpass.base.clock import Clock, SystemClock
from podpass.base.tasks import new_uid
from podpass.jose import base64url
from podpass.jose.keys import ES256, SigningKey, generate_signing_key
from podpass.testing.fake_issuer import FakeIssuer, bound_claims, encoded, signed
from podpass.workload.key_source import IssuerKeys
from podpass.workload.transport import Answer
from podpass.workload.verifier import AsyncVerifier, Verifier

ISSUER: Final = "https://kubernetes.default.svc"
HOUR: Final = 3600
"""Seconds."""
BROKEN: Final = (
    "expired",
    "not yet valid",
    "wrong audience",
    "wrong issuer",
    "forged signature",
    "unknown key",
    "unsigned",
)
"""What `TokenIssuer.broken` makes; for `pytest.mark.parametrize`."""


class TokenIssuer:
    """Makes tokens, and publishes the keys to check them with.

    Attributes:
        issuer: The `iss` of its tokens.
        clock: What it takes for now.
    """

    def __init__(self, issuer: str = ISSUER, *, clock: Clock | None = None) -> None:
        """Make a key; nothing is served yet.

        Args:
            issuer: The `iss` of its tokens.
            clock: The machine's by default; give a fake one to let a token grow old.
        """
        self.clock = clock or SystemClock()
        self._documents = FakeIssuer(issuer=issuer)
        self._documents.headers["content-type"] = "application/json"

    @property
    def issuer(self) -> str:
        return self._documents.issuer

    @issuer.setter
    def issuer(self, value: str) -> None:
        self._documents.issuer = value

    def token(
        self,
        audience: str | Collection[str],
        *,
        expires_in: float = HOUR,
        namespace: str = "default",
        service_account: str = "default",
        pod: str | None = "pod-0",
        node: str | None = "node-0",
        claims: Mapping[str, Any] | None = None,
    ) -> str:
        """Return a good token.

        Args:
            audience: For whom it is.
            expires_in: Seconds from now. Below 0 it has expired, but recipients allow for clocks
                that are off: `podpass.workload` for 60 s.
            namespace: Of account and pod.
            service_account: Its name.
            pod: The pod that it is bound to; None for a token of no pod.
            node: Where that pod is; None for a token that does not say.
            claims: Further claims or other values; None takes one away.
        """
        return signed(
            self._claims(
                audience, expires_in, namespace, service_account, pod, node, dict(claims or {})
            ),
            self._key,
        )

    def broken(self, how: str, audience: str, **options: Any) -> str:
        """Return a token that must be refused.

        Args:
            how: One of BROKEN.
            audience: Who will be shown it.
            options: As for `token`.

        Raises:
            ValueError: There is no such way.
        """
        claims = dict(options.pop("claims", None) or {})
        at = int(self.clock.now().timestamp())
        match how:
            case "expired":
                return self.token(
                    audience,
                    claims={"iat": at - 2 * HOUR, "nbf": at - 2 * HOUR, "exp": at - HOUR} | claims,
                    **options,
                )
            case "not yet valid":
                later = {"iat": at + HOUR, "nbf": at + HOUR, "exp": at + 2 * HOUR}
                return self.token(audience, claims=later | claims, **options)
            case "wrong audience":
                return self.token(f"not-{audience}", claims=claims, **options)
            case "wrong issuer":
                other = {"iss": f"{self.issuer.rstrip('/')}.example"}
                return self.token(audience, claims=other | claims, **options)
            case "forged signature" | "unknown key" | "unsigned":
                payload = self.token(audience, claims=claims, **options).split(".")[1]
                return _resigned(how, payload, self._key)
        raise ValueError(f"no such way to break a token: {how!r}; one of {', '.join(BROKEN)}")

    def rotate(self, *, keep_old: bool = True) -> None:
        """Sign with a new key from now on.

        Args:
            keep_old: Whether the old key stays published.
        """
        old = self._documents.keys if keep_old else []
        self._documents.keys = [generate_signing_key(ES256), *old]

    def jwks(self) -> bytes:
        """Return the document of the public keys."""
        return self._documents.jwks()

    def document(self, path: str) -> Answer:
        """Return what is published at a path of the issuer's URL; anything but discovery: keys."""
        return self._documents("GET", path, {})

    @property
    def keys(self) -> IssuerKeys:
        """Where a `podpass.workload` verifier finds the keys, without a socket."""
        return IssuerKeys(self.issuer, transport=self._documents)

    def verifier(self, audience: str | Sequence[str]) -> Verifier:
        """Return a verifier that trusts this issuer, on the same clock."""
        return Verifier(self.keys, audience=audience, clock=self.clock)

    def async_verifier(self, audience: str | Sequence[str]) -> AsyncVerifier:
        """Return the same for an event loop."""
        return AsyncVerifier(self.keys, audience=audience, clock=self.clock)

    def go_away(self, why: str = "connection refused") -> None:
        """Answer nobody until `come_back`, as an issuer whose network is down."""
        self._documents.away = why

    def come_back(self) -> None:
        """Answer again."""
        self._documents.away = ""

    @property
    def _key(self) -> SigningKey:
        return self._documents.keys[0]

    def _claims(
        self,
        audience: str | Collection[str],
        expires_in: float,
        namespace: str,
        service_account: str,
        pod: str | None,
        node: str | None,
        changes: dict[str, Any],
    ) -> dict[str, Any]:
        now = self.clock.now()
        bound: dict[str, Any] = {
            "namespace": namespace,
            "serviceaccount": {"name": service_account, "uid": new_uid()},
        }
        for kind, name in (("pod", pod), ("node", node)):
            if name is not None:
                bound[kind] = {"name": name, "uid": new_uid()}
        ours = {
            "aud": [audience] if isinstance(audience, str) else list(audience),
            "exp": int(now.timestamp() + expires_in),
            "iss": self.issuer,
            "jti": new_uid(),
            "kubernetes.io": bound,
            "sub": f"system:serviceaccount:{namespace}:{service_account}",
        }
        return bound_claims(now, **(ours | changes))


def _resigned(how: str, payload: str, key: SigningKey) -> str:
    """Return the claims under a signature, or a header, that is not the issuer's."""
    if how == "unsigned":
        return f"{encoded({'alg': 'none', 'typ': 'JWT'})}.{payload}."
    stranger = generate_signing_key(key.public.algorithm)
    named = key if how == "forged signature" else stranger
    return signed(
        base64url.decode(payload),
        stranger,
        header={"alg": key.public.algorithm.name, "kid": named.public.key_id},
    )
