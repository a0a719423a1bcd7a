"""Logs in new nodes by the bootstrap tokens of kube-system; the rules are `api.bootstrap_token`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from podpass.api.bootstrap_token import (
    NAMESPACE,
    UnusableBootstrapToken,
    secret_name,
    split_token,
    user_of,
)
from podpass.api.errors import StatusError
from podpass.api.resources import SECRETS
from podpass.apiserver.live_objects import LiveObjects
from podpass.serviceaccount.validation import InvalidToken, ValidToken

_REFUSED = "invalid bearer token"
_NOT_FOUND = 404


class BootstrapTokens:
    """Judges bootstrap tokens; they are for the API server only."""

    def __init__(self, objects: LiveObjects, api_audiences: Sequence[str]) -> None:
        self._objects = objects
        self._api_audiences = tuple(api_audiences)

    async def validate(self, token: str, audiences: Sequence[str], now: datetime) -> ValidToken:
        """Return whose token this is.

        Args:
            token: What `split_token` accepts.
            audiences: Who wants to accept it.
            now: Time of the request.

        Raises:
            InvalidToken: It is not accepted; the message holds nothing of it.
        """
        parts = split_token(token)
        meant = tuple(one for one in audiences if one in self._api_audiences)
        if parts is None or not meant:
            raise InvalidToken(_REFUSED)
        try:
            secret = await self._objects.get(SECRETS, NAMESPACE, secret_name(parts[0]))
            user = user_of(secret, *parts, now)
        except StatusError as error:
            if error.code != _NOT_FOUND:
                raise
            raise InvalidToken(_REFUSED) from None
        except UnusableBootstrapToken as error:
            raise InvalidToken(f"{_REFUSED}: {error}") from None
        return ValidToken(user, meant)
