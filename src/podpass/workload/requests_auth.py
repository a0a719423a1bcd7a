"""Shows the token of a file with requests: `session.auth = TokenFileAuth(token_file)`.

1. After a 401 the request goes out once more if the file has another token by then, and if its
   body can be sent again.
2. An `Authorization` header that the caller set stays.
3. requests drops the header when a redirect leaves the host; such an answer never gets a token.
"""

from __future__ import annotations

from typing import Any

import requests
from requests.auth import AuthBase

from podpass.workload.token_file import TokenFile


class TokenFileAuth(AuthBase):
    """Authentication by a token file."""

    def __init__(self, token_file: TokenFile) -> None:
        """Use `token_file` for every request."""
        self._token_file = token_file

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """Show the token, once more after a 401 (rule 1).

        Raises:
            TokenUnreadable: There is no token to show.
        """
        if "Authorization" in r.headers:  # 2
            return r
        token = self._token_file.read()
        header = f"Bearer {token}"
        r.headers["Authorization"] = header

        def retry(response: requests.Response, **arguments: Any) -> requests.Response:
            shown = response.request.headers.get("Authorization") == header  # 3
            if response.status_code != requests.codes.unauthorized or not shown:
                return response
            newer = self._token_file.refused(token)
            if newer is None or not isinstance(response.request.body, str | bytes | None):
                return response
            _ = response.content  # gives the connection back
            response.close()
            again = response.request.copy()
            again.headers["Authorization"] = f"Bearer {newer}"
            second = response.connection.send(again, **arguments)
            second.history.append(response)
            second.request = again
            return second

        r.hooks["response"].append(retry)
        return r
