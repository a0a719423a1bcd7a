"""Short calls of a running server, and the objects that tests make."""

from __future__ import annotations

import io
from typing import Any

import aiohttp
import orjson

from podpass.api.resources import Object

PODS = "/api/v1/namespaces/default/pods"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"


async def call(
    session: aiohttp.ClientSession,
    method: str,
    path: str,
    body: Any = None,
    *,
    content_type: str = "application/json",
    expect: int = 200,
    **headers: str,
) -> Any:
    """Send a request, check the code, return the decoded answer."""
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None:
        sent["Content-Type"] = content_type
    payload = None if body is None else io.BytesIO(data)
    async with session.request(method, path, data=payload, headers=sent) as response:
        raw = await response.read()
        assert response.status == expect, raw
        if response.content_type == "application/json":
            return orjson.loads(raw)
        return raw.decode()


def config_map(name: str = "", **data: str) -> Object:
    metadata = {"name": name} if name else {}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def account(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}


def pod(name: str, **spec: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "main", "image": "nginx"}], **spec},
    }


def node(name: str, *, host: str = "127.0.0.1", port: int = 10250) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "status": {
            "addresses": [{"type": "InternalIP", "address": host}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        },
    }
