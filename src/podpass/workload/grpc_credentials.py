"""Shows the token of a file with gRPC, on channels that are encrypted (gRPC insists).

```python
credentials = grpc.composite_channel_credentials(
    grpc.ssl_channel_credentials(ca), token_file_credentials(token_file)
)
```

The file is looked at for every call, so that a call that is repeated after UNAUTHENTICATED shows
the newest token.
"""

from __future__ import annotations

import grpc

from podpass.workload.refusal import TokenUnreadable
from podpass.workload.token_file import TokenFile


class TokenFilePlugin(grpc.AuthMetadataPlugin):
    """Adds the header to each call."""

    def __init__(self, token_file: TokenFile) -> None:
        """Use `token_file` for every call."""
        self._token_file = token_file

    def __call__(
        self, context: grpc.AuthMetadataContext, callback: grpc.AuthMetadataPluginCallback
    ) -> None:
        """Hand the header, or the reason why there is none, to gRPC."""
        del context
        try:
            token = self._token_file.read()
        except TokenUnreadable as error:
            callback((), error)
        else:
            callback((("authorization", f"Bearer {token}"),), None)


def token_file_credentials(token_file: TokenFile) -> grpc.CallCredentials:
    """Return call credentials for sync and asyncio channels."""
    return grpc.metadata_call_credentials(TokenFilePlugin(token_file), name="token-file")
