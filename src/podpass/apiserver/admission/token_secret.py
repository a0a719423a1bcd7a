"""Puts the token into a Secret of type `kubernetes.io/service-account-token`.

Upstream a controller does so, which needs the signing key; here the key stays with the API servers
(docs/adr/0017), and the Secret has its token from its first moment.

1. A token is made when the Secret names an account that is there and holds none; one that is
   deleted comes again with the next write.
2. A Secret whose name is generated gets its token at its first update, by the tokens controller.
3. Where the account is missing nothing is done: the tokens controller removes the Secret.
4. A dry run makes no token: it would be one that nobody stores.
"""

from __future__ import annotations

import base64
from typing import Any

from podpass.api import errors
from podpass.api.meta import annotations_of, is_terminating, name_of, uid_of
from podpass.api.resources import SECRETS, SERVICE_ACCOUNTS, Object
from podpass.apiserver.admission.chain import AdmissionRequest
from podpass.apiserver.admission.plugin import PassivePlugin
from podpass.apiserver.signing_keys import SigningFailed, TokenSigner
from podpass.serviceaccount.claims import ObjectRef
from podpass.serviceaccount.legacy import (
    encode_legacy_claims,
)
from podpass.serviceaccount.token_secret import (
    ACCOUNT_NAME,
    ACCOUNT_UID,
    NAMESPACE_KEY,
    TOKEN_KEY,
    TOKEN_TYPE,
)
from podpass.serviceaccount.validation import ObjectLookup


class TokenSecretAdmission(PassivePlugin):
    """Fills token Secrets."""

    def __init__(self, objects: ObjectLookup, signer: TokenSigner) -> None:
        """Look accounts up in `objects`, sign by `signer`."""
        self._objects = objects
        self._signer = signer

    async def mutate(self, request: AdmissionRequest) -> None:
        """Add token, namespace and annotations where they are missing.

        Raises:
            StatusError: 500, the token cannot be signed.
        """
        secret = request.object
        if (
            request.resource is not SECRETS
            or request.operation not in {"CREATE", "UPDATE"}
            or secret is None
            or secret.get("type") != TOKEN_TYPE
            or request.dry_run  # 4
        ):
            return
        name, account_name = name_of(secret), annotations_of(secret).get(ACCOUNT_NAME)
        if not name or not account_name or is_terminating(secret):  # 2
            return
        data: dict[str, Any] = secret.get("data") or {}
        if data.get(TOKEN_KEY) or _is_immutable(request):
            return
        account = await self._objects.find(
            SERVICE_ACCOUNTS, request.namespace, ObjectRef(account_name)
        )
        if account is None or is_terminating(account):  # 3
            return
        annotations = annotations_of(secret)
        if annotations.get(ACCOUNT_UID) not in (None, "", uid_of(account)):
            return
        token = await self._sign(request.namespace, name, account)
        data = {NAMESPACE_KEY: _encoded(request.namespace), **data, TOKEN_KEY: _encoded(token)}
        secret["data"] = data
        secret["metadata"] = secret["metadata"] | {
            "annotations": annotations | {ACCOUNT_UID: uid_of(account)}
        }

    async def _sign(self, namespace: str, secret: str, account: Object) -> str:
        ref = ObjectRef(name_of(account), uid_of(account))
        try:
            return await self._signer.sign(encode_legacy_claims(namespace, secret, ref))
        except SigningFailed as error:
            raise errors.internal(f"failed to generate token: {error}") from None


def _is_immutable(request: AdmissionRequest) -> bool:
    return bool((request.old_object or {}).get("immutable"))


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
