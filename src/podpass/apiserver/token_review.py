"""TokenReview: is this token good, and whose is it; SelfSubjectReview: who am I.

Both are answered with 201 whatever the outcome. Source: Kubernetes
`pkg/registry/authentication/{tokenreview,selfsubjectreview}`.
"""

from __future__ import annotations

from podpass.api import errors
from podpass.api.meta import UserInfo, format_time
from podpass.api.resources import AUTHENTICATION, Object
from podpass.apiserver.authentication import Authenticator
from podpass.base.clock import Clock

API_VERSION = f"{AUTHENTICATION}/v1"


def _metadata(body: Object, kind: str) -> Object:
    metadata = dict(body.get("metadata") or {})
    if metadata.get("namespace"):
        raise errors.bad_request(
            f"namespace is not allowed on this type: {metadata['namespace']} ({kind})"
        )
    metadata.setdefault("creationTimestamp", None)
    return metadata


class TokenReviews:
    """Answers TokenReviews."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    async def create(self, body: Object, _user: UserInfo) -> Object:
        """Return the review with its status.

        Raises:
            StatusError: 400, there is no token in it.
        """
        spec = body.get("spec") or {}
        metadata = _metadata(body, "TokenReview")
        token = spec.get("token") or ""
        if not token:
            raise errors.bad_request("token is required for TokenReview in authentication")
        status = await self._authenticator.review(token, spec.get("audiences") or ())
        return {
            "kind": "TokenReview",
            "apiVersion": API_VERSION,
            "metadata": metadata,
            "spec": spec,
            "status": status,
        }


class SelfSubjectReviews:
    """Answers SelfSubjectReviews."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def create(self, body: Object, user: UserInfo) -> Object:
        """Return the review with the caller's name, groups and the rest.

        Raises:
            StatusError: 400, it names a namespace.
        """
        metadata = _metadata(body, "SelfSubjectReview")
        metadata["creationTimestamp"] = format_time(self._clock.now())
        return {
            "kind": "SelfSubjectReview",
            "apiVersion": API_VERSION,
            "metadata": metadata,
            "status": {"userInfo": user.to_json()},
        }
