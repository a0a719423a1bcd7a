"""Takes out of audited bodies what nobody may read in a log, at every level.

1. Values of `data` and `stringData` of a Secret, wherever the Secret stands in the body, and
   whatever a patch of Secrets writes.
2. The annotation with which kubectl keeps a copy of what it applied, on Secrets.
3. Every text under the key `token`: TokenRequest, TokenReview, and custom resources like them.

kube-apiserver logs all of these at the levels Request and RequestResponse; the policy must keep
them out there. What still looks like a token is replaced in the finished line.
"""

from __future__ import annotations

from typing import Any

from podpass.api.resources import SECRETS
from podpass.apiserver.request_info import RequestInfo

REDACTED = "[redacted]"
_SECRET_KINDS = frozenset({"Secret", "SecretList"})
_CONTENT = frozenset({"data", "stringData"})
_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def redacted(body: Any, info: RequestInfo, *, drop_managed_fields: bool = False) -> Any:
    """Return a copy of a body that may be logged.

    Args:
        body: Decoded JSON of a request or an answer.
        info: What the request was about.
        drop_managed_fields: Leave `managedFields` out as well.
    """
    secret = info.resource == SECRETS.plural and info.group == SECRETS.group
    if secret and isinstance(body, list):
        return [_patch_operation(one) for one in body]
    return _copy(body, secret=secret, managed_fields=not drop_managed_fields)


def _patch_operation(operation: Any) -> Any:
    if not isinstance(operation, dict):
        return REDACTED
    return {key: REDACTED if key == "value" else value for key, value in operation.items()}


def _copy(value: Any, *, secret: bool, managed_fields: bool) -> Any:
    if isinstance(value, list):
        return [_copy(one, secret=secret, managed_fields=managed_fields) for one in value]
    if not isinstance(value, dict):
        return value
    secret = secret or value.get("kind") in _SECRET_KINDS
    copied = {}
    for key, member in value.items():
        if secret and key in _CONTENT:
            copied[key] = dict.fromkeys(member, REDACTED) if isinstance(member, dict) else REDACTED
        elif (key == "token" and isinstance(member, str)) or (secret and key == _APPLIED):
            copied[key] = REDACTED
        elif key != "managedFields" or managed_fields:
            copied[key] = _copy(member, secret=secret, managed_fields=managed_fields)
    return copied
