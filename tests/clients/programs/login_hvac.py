"""hvac logs in with tokens: login_hvac.py URL, with a JSON line for each attempt as its input."""

from __future__ import annotations

import json
import sys
from typing import Any

import hvac
from hvac.exceptions import VaultError
from report import say


def attempt(url: str, method: str, role: str, jwt: str) -> dict[str, Any]:
    """Log in and read the secret; return what came of it."""
    client = hvac.Client(url=url, token="")
    try:
        if method == "kubernetes":
            auth = client.auth.kubernetes.login(role=role, jwt=jwt)["auth"]
        else:
            auth = client.auth.jwt.jwt_login(role=role, jwt=jwt)["auth"]
            client.token = auth["client_token"]
    except VaultError as error:
        return {"refused": type(error).__name__, "errors": error.errors}
    secret = client.secrets.kv.v2.read_secret_version("robot", raise_on_deleted_version=True)
    return {
        "authenticated": client.is_authenticated(),
        "metadata": auth["metadata"],
        "policies": auth["policies"],
        "secret": secret["data"]["data"],
    }


if __name__ == "__main__":
    for line in sys.stdin:
        say(**attempt(sys.argv[1], **json.loads(line)))
