"""Shows the token of a file with aiohttp: `ClientSession(middlewares=[TokenFileMiddleware(...)])`.

1. aiohttp calls a middleware for every request, also for one that a redirect made. So the token
   goes to the given origins and nowhere else.
2. After a 401 the request goes out once more if the file has another token by then, and if its
   body can be sent again.
3. An `Authorization` header that the caller set stays.
"""

from __future__ import annotations

from collections.abc import Collection

import aiohttp
from aiohttp import hdrs, payload
from yarl import URL

from podpass.workload.token_file import TokenFile

_UNAUTHORIZED = 401


class TokenFileMiddleware:
    """Authentication by a token file."""

    def __init__(self, token_file: TokenFile, *, origins: str | Collection[str]) -> None:
        """Use `token_file` for requests to `origins`.

        Args:
            token_file: Whose token is shown.
            origins: `https://host[:port]` of the servers that may see it (rule 1).

        Raises:
            ValueError: No origin, or one that is not a URL.
        """
        self._token_file = token_file
        self._origins = frozenset(
            URL(one).origin() for one in ([origins] if isinstance(origins, str) else origins)
        )
        if not self._origins:
            raise ValueError("name the origins that may see the token")

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Show the token, once more after a 401 (rule 2).

        Raises:
            TokenUnreadable: There is no token to show.
        """
        if request.url.origin() not in self._origins or hdrs.AUTHORIZATION in request.headers:
            return await handler(request)
        token = self._token_file.read()
        request.headers[hdrs.AUTHORIZATION] = f"Bearer {token}"
        response = await handler(request)
        if response.status != _UNAUTHORIZED:
            return response
        newer = self._token_file.refused(token)
        if newer is None or not isinstance(request.body, payload.BytesPayload | bytes):
            return response
        response.release()
        request.headers[hdrs.AUTHORIZATION] = f"Bearer {newer}"
        return await handler(request)
