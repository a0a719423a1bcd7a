"""Shows the token of a file with httpx: `Client(auth=TokenFileAuth(...))`, or AsyncClient.

1. After a 401 the request goes out once more if the file has another token by then, and if its
   body can be sent again.
2. An `Authorization` header that the caller set stays.
3. httpx drops the header by itself when a redirect leaves the origin.
"""

from __future__ import annotations

from collections.abc import Generator

import httpx

from podpass.workload.token_file import TokenFile


class TokenFileAuth(httpx.Auth):
    """Authentication by a token file, for the sync and the async client."""

    def __init__(self, token_file: TokenFile) -> None:
        """Use `token_file` for every request."""
        self._token_file = token_file

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Show the token, once more after a 401 (rule 1).

        Raises:
            TokenUnreadable: There is no token to show.
        """
        if "Authorization" in request.headers:  # 2
            yield request
            return
        token = self._token_file.read()
        request.headers["Authorization"] = f"Bearer {token}"
        response = yield request
        if response.status_code != httpx.codes.UNAUTHORIZED:
            return
        newer = self._token_file.refused(token)
        if newer is not None and isinstance(request.stream, httpx.ByteStream):
            request.headers["Authorization"] = f"Bearer {newer}"
            yield request
