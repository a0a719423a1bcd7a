from __future__ import annotations

import base64

import aiohttp
import pytest
from apiserver.api_calls import ACCOUNTS, account, call

from podpass.testing.api_server import RunningApiServer

PREFIX = "base64url.bearer.authorization.k8s.io."


def hidden(token: str) -> str:
    return PREFIX + base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")


async def upgrade_code(api: RunningApiServer, *protocols: str) -> int:
    """Return the code of an exec upgrade: 404 says that the client was let in by its token."""
    path = "/api/v1/namespaces/default/pods/ghost/exec?command=a"
    async with api.session() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(path, protocols=protocols)
    return refused.value.status


@pytest.mark.rule("authentication.websocket")
async def test_a_token_among_the_subprotocols_authenticates(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        await call(admin, "POST", ACCOUNTS, account("robot"), expect=201)
        issued = await call(admin, "POST", f"{ACCOUNTS}/robot/token", {}, expect=201)
        binding = {
            "metadata": {"name": "robot"},
            "roleRef": {"kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": "robot", "namespace": "default"}],
        }
        path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
        await call(admin, "POST", path, binding, expect=201)
    token = issued["status"]["token"]
    assert await upgrade_code(api, hidden(token), "v5.channel.k8s.io") == 404
    assert await upgrade_code(api, "v5.channel.k8s.io") == 403


@pytest.mark.rule("authentication.websocket-alone")
@pytest.mark.parametrize(
    "protocols",
    [
        pytest.param([hidden("a")], id="no other subprotocol"),
        pytest.param([f"{PREFIX}***", "v5.channel.k8s.io"], id="not base64url"),
        pytest.param([hidden("a"), hidden("b"), "v5.channel.k8s.io"], id="two tokens"),
        pytest.param([hidden("a.b.c"), "v5.channel.k8s.io"], id="a bad token"),
    ],
)
async def test_a_bad_token_among_them_is_401(api: RunningApiServer, protocols: list[str]) -> None:
    assert await upgrade_code(api, *protocols) == 401
