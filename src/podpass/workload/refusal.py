"""Everything that goes wrong here, and why a token is refused. No message shows any of a token."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a token is refused; the value is a word for logs and metrics."""

    MALFORMED = "malformed"
    TOO_LARGE = "too-large"
    ALGORITHM = "algorithm"
    EMBEDDED_KEY = "embedded-key"
    CRITICAL_EXTENSION = "critical-extension"
    ISSUER = "issuer"
    UNKNOWN_KEY = "unknown-key"
    SIGNATURE = "signature"
    AUDIENCE = "audience"
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    NOT_BOUND = "not-bound"
    ACCOUNT_GONE = "account-gone"
    ACCOUNT_RECREATED = "account-recreated"
    BOUND_OBJECT_GONE = "bound-object-gone"
    BOUND_OBJECT_RECREATED = "bound-object-recreated"
    REVIEW = "review"


class WorkloadError(Exception):
    """Root of all errors of `podpass.workload`."""


class TokenRefused(WorkloadError):
    """The token is not accepted.

    Attributes:
        reason: Why, for programs.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        """Remember why.

        Args:
            reason: For programs.
            message: For people; holds nothing of the token.
        """
        super().__init__(message)
        self.reason = reason


class TokenUnreadable(WorkloadError):
    """The file holds no whole token, and there is no earlier one to go on with."""


class IssuerUnavailable(WorkloadError):
    """Nothing can be said of the token: issuer or API server do not answer as they should."""
