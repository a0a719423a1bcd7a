"""Secrets that hold a token: their type, keys, annotations and labels, and whose they are.

Apart from the tokens themselves, so that who only looks after such Secrets loads no cryptography.
Source: Kubernetes `pkg/serviceaccount/util.go`, `IsServiceAccountToken`; KEP-2799.
"""

from __future__ import annotations

from podpass.api.meta import annotations_of, name_of, uid_of
from podpass.api.resources import Object

TOKEN_TYPE = "kubernetes.io/service-account-token"  # noqa: S105 - a type of Secrets
ACCOUNT_NAME = "kubernetes.io/service-account.name"
ACCOUNT_UID = "kubernetes.io/service-account.uid"
TOKEN_KEY, CA_KEY, NAMESPACE_KEY = "token", "ca.crt", "namespace"

LAST_USED = "kubernetes.io/legacy-token-last-used"
INVALID_SINCE = "kubernetes.io/legacy-token-invalid-since"
"""Labels: the last day of use, and the day of a mark that refuses the token."""


def is_token_secret_of(secret: Object, account: Object) -> bool:
    """Tell whether a Secret holds, or should hold, a token of this account."""
    annotations = annotations_of(secret)
    return (
        secret.get("type") == TOKEN_TYPE
        and annotations.get(ACCOUNT_NAME) == name_of(account)
        and annotations.get(ACCOUNT_UID) in (None, "", uid_of(account))
    )
