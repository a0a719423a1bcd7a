"""A recipient that speaks Vault's logins: vault_recipient.py SETTINGS; it prints where it listens.

As in Vault, the method `jwt` checks a token by itself, with the cluster's public keys, and
`kubernetes` has the API server review it.
"""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from report import say

from podpass.workload import (
    ApiServer,
    CacheRules,
    ClusterKeys,
    Identity,
    IssuerUnavailable,
    TokenFile,
    TokenRefused,
    TokenReviewVerifier,
    Verifier,
)

LEASE_SECONDS = 600
UNKNOWN_KEY_SECONDS = 0.2
"""A suite should not have to wait for 10 s; strangers cannot reach us."""


class Vault:
    """Who may come in, and who has.

    Attributes:
        secret: What lies in the vault.
    """

    secret: ClassVar[dict[str, str]] = {"password": "open sesame"}

    def __init__(self, settings: dict[str, Any]) -> None:
        """Prepare.

        Args:
            settings: `url`, `ca_file` and `token_file` for the API server, our `audience`, and
                `roles`: the account of each, as `namespace/name`.
        """
        api = ApiServer(
            settings["url"],
            token_file=TokenFile(settings["token_file"]),
            ca_file=settings["ca_file"],
        )
        rules = CacheRules(unknown_key_interval=UNKNOWN_KEY_SECONDS)
        audience = settings["audience"]
        own = Verifier(ClusterKeys(api), audience=audience, cache_rules=rules)
        self._methods: dict[str, Callable[[str], Identity]] = {
            "jwt": own.verify,
            "kubernetes": TokenReviewVerifier(api, audience=audience).verify,
        }
        self._roles: dict[str, str] = settings["roles"]
        self._leases: dict[str, dict[str, Any]] = {}

    def login(self, method: str, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer `POST /v1/auth/{method}/login`."""
        refusal = 403 if method == "kubernetes" else 400
        verify, role = self._methods.get(method), str(asked.get("role"))
        if verify is None or role not in self._roles:
            return 400, {"errors": [f"role {role!r} could not be found"]}
        try:
            identity = verify(str(asked.get("jwt", "")))
        except TokenRefused as refused:
            return refusal, {"errors": [f"{refused.reason}: {refused}"]}
        except IssuerUnavailable as away:
            return 503, {"errors": [str(away)]}
        if self._roles[role] != f"{identity.namespace}/{identity.service_account.name}":
            return refusal, {"errors": ["service account name not authorized"]}
        lease = {
            "client_token": secrets.token_urlsafe(),
            "policies": [role],
            "metadata": {
                "role": role,
                "service_account_name": identity.service_account.name,
                "service_account_namespace": identity.namespace,
                "service_account_uid": identity.service_account.uid,
                "pod": identity.pod.name if identity.pod else "",
            },
            "lease_duration": LEASE_SECONDS,
            "renewable": False,
        }
        self._leases[str(lease["client_token"])] = lease
        return 200, {"auth": lease}

    def read(self, path: str, token: str) -> tuple[int, dict[str, Any]]:
        """Answer what a client asks for when it is in."""
        lease = self._leases.get(token)
        if lease is None:
            return 403, {"errors": ["permission denied"]}
        if path == "/v1/auth/token/lookup-self":
            return 200, {"data": {"policies": lease["policies"], "meta": lease["metadata"]}}
        if path == "/v1/secret/data/robot":
            return 200, {"data": {"data": self.secret, "metadata": {"version": 1}}}
        return 404, {"errors": []}


def handler(vault: Vault) -> type[BaseHTTPRequestHandler]:
    """Return the HTTP face of a vault."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(*vault.read(self.path, self.headers.get("X-Vault-Token", "")))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._answer(*vault.login(self.path.split("/")[3], body))

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self, status: int, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


if __name__ == "__main__":
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), handler(Vault(json.loads(Path(sys.argv[1]).read_text())))
    )
    say(url=f"http://127.0.0.1:{server.server_port}")
    server.serve_forever()
