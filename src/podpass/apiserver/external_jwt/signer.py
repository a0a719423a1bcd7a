"""Signs tokens by asking somebody else.

1. The signer is given the claims as they stand in the token, and answers with header and signature.
2. The header is checked. A key that is kept out of the documents must not sign; one that is
   not known yet may: it is fetched, but its absence is no error here.
3. The signature is not verified: whoever accepts the token does that.

Source: Kubernetes `pkg/serviceaccount/externaljwt/plugin`, `signAndAssembleJWT`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from podpass.apiserver.external_jwt.failures import BadAnswer, SignerUnusable
from podpass.apiserver.external_jwt.header import check_header
from podpass.apiserver.external_jwt.key_cache import KeyCache, code_of
from podpass.apiserver.external_jwt.messages import SignResponse
from podpass.apiserver.metrics import ExternalJwtMetrics
from podpass.apiserver.signing_keys import SigningFailed
from podpass.jose import base64url

Sign = Callable[[str], Awaitable[SignResponse]]
"""Asks the signer; is given the second part of a token."""


class ExternalSigner:
    """A `TokenSigner` that has no key."""

    def __init__(self, ask: Sign, keys: KeyCache, metrics: ExternalJwtMetrics) -> None:
        self._ask = ask
        self._keys = keys
        self._metrics = metrics

    async def sign(self, payload: bytes) -> str:
        """Return `payload` as a compact JWS.

        Raises:
            SigningFailed: The signer did not answer, or with something that must not be used.
        """
        try:
            token = await self._sign(base64url.encode(payload))
        except SignerUnusable as error:
            self._metrics.signs.inc(code_of(error))
            raise SigningFailed(str(error)) from error
        self._metrics.signs.inc("OK")
        return token

    async def _sign(self, claims: str) -> str:
        answer = await self._answer(claims)
        try:
            key_id = check_header(answer.header)
            await self._keys.for_token(key_id)
            if self._keys.is_excluded(key_id):
                raise BadAnswer(
                    f"key used for signing JWT (kid: {key_id}) is excluded from OIDC discovery docs"
                )
        except BadAnswer as error:
            raise BadAnswer(f"while validating header: {error}") from None
        if not answer.signature:
            raise BadAnswer("empty signature returned")
        try:
            base64url.decode(answer.signature)
        except ValueError:
            raise BadAnswer("signature returned is not base64url") from None
        return f"{answer.header}.{claims}.{answer.signature}"

    async def _answer(self, claims: str) -> SignResponse:
        try:
            return await self._ask(claims)
        except SignerUnusable as error:
            error.add_context("while signing jwt")
            raise
