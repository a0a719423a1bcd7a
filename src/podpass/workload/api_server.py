"""The API server of a cluster, asked with the token of a file that rotates."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from podpass.workload.refusal import IssuerUnavailable
from podpass.workload.token_file import SERVICE_ACCOUNT_DIRECTORY, TokenFile
from podpass.workload.transport import Answer, HttpsTransport, Transport

_UNAUTHORIZED = 401


class ApiServer:
    """Where to ask for discovery, keys and reviews.

    Attributes:
        url: Base URL without a slash at the end.
    """

    def __init__(
        self,
        url: str,
        *,
        token_file: TokenFile | None = None,
        transport: Transport | None = None,
        ca_file: str | os.PathLike[str] | None = None,
    ) -> None:
        """Prepare; nothing is read or opened yet.

        Args:
            url: `https://host:port`.
            token_file: Whose token is shown; None shows none.
            transport: By default one over `ca_file`.
            ca_file: PEM bundle of the cluster.
        """
        self.url = url.rstrip("/")
        self._token_file = token_file
        self._ask = transport or HttpsTransport(ca_file)

    @classmethod
    def in_cluster(
        cls,
        environ: Mapping[str, str] = os.environ,
        directory: str | os.PathLike[str] | None = None,
    ) -> ApiServer:
        """Return the API server of the pod that this runs in.

        Args:
            environ: The process environment.
            directory: Where `token` and `ca.crt` are mounted, if not at the usual place.

        Raises:
            IssuerUnavailable: This is not a pod.
        """
        host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT")
        if not host or not port:
            raise IssuerUnavailable(
                "not inside a pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be set"
            )
        mount = SERVICE_ACCOUNT_DIRECTORY if directory is None else Path(directory)
        return cls(
            f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
            token_file=TokenFile(mount / "token"),
            ca_file=mount / "ca.crt",
        )

    def request(self, method: str, path: str, body: bytes | None = None) -> Answer:
        """Ask; once more with a newer token after a 401.

        Raises:
            IssuerUnavailable: No answer.
            TokenUnreadable: There is no token to show.
        """
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self._token_file is None:
            return self._ask(method, self.url + path, headers, body)
        token = self._token_file.read()
        answer = self._ask(
            method, self.url + path, headers | {"Authorization": f"Bearer {token}"}, body
        )
        if answer.status != _UNAUTHORIZED or (newer := self._token_file.refused(token)) is None:
            return answer
        return self._ask(
            method, self.url + path, headers | {"Authorization": f"Bearer {newer}"}, body
        )
