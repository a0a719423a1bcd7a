from __future__ import annotations

from typing import Any

import pytest
from apiserver.api_calls import call

from podpass.testing.api_server import RunningApiServer

WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
RBAC = "/apis/rbac.authorization.k8s.io/v1"


async def who(api: RunningApiServer, headers: dict[str, str], name: str = "admin") -> Any:
    organizations = ["system:masters"] if name == "admin" else []
    async with (
        api.session(name, organizations=organizations) as session,
        session.post(WHO, json={}, headers=headers) as response,
    ):
        body = await response.json()
        return body["status"]["userInfo"] if response.status == 201 else body


@pytest.mark.rule("self-subject-review.impersonation")
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param(
            {"Impersonate-User": "eve"},
            {"username": "eve", "groups": ["system:authenticated"]},
            id="a user",
        ),
        pytest.param(
            {"Impersonate-User": "eve", "Impersonate-Group": "dev", "Impersonate-Uid": "7"},
            {"username": "eve", "uid": "7", "groups": ["dev", "system:authenticated"]},
            id="a user with a group and a UID",
        ),
        pytest.param(
            {"Impersonate-User": "eve", "Impersonate-Extra-Acme.com%2Fteam": "core"},
            {
                "username": "eve",
                "groups": ["system:authenticated"],
                "extra": {"acme.com/team": ["core"]},
            },
            id="a user with an extra",
        ),
        pytest.param(
            {"Impersonate-User": "system:serviceaccount:ns:robot"},
            {
                "username": "system:serviceaccount:ns:robot",
                "groups": [
                    "system:serviceaccounts",
                    "system:serviceaccounts:ns",
                    "system:authenticated",
                ],
            },
            id="a service account",
        ),
        pytest.param(
            {"Impersonate-User": "system:anonymous"},
            {"username": "system:anonymous", "groups": ["system:unauthenticated"]},
            id="nobody",
        ),
    ],
)
async def test_the_administrator_may_be_anybody(
    api: RunningApiServer, headers: dict[str, str], expected: dict[str, Any]
) -> None:
    headers = headers | {"X-Other": "1"}
    if expected["username"] == "system:anonymous":
        answer = await who(api, headers)
        assert 'User "system:anonymous" cannot create' in answer["message"]
        return
    assert await who(api, headers) == expected


@pytest.mark.parametrize(
    "headers", [{"Impersonate-Group": "system:masters"}, {"Impersonate-Uid": "1"}]
)
async def test_a_part_without_a_user_is_refused_not_ignored(
    api: RunningApiServer, headers: dict[str, str]
) -> None:
    assert (await who(api, headers))["code"] == 400


async def test_every_part_must_be_granted(api: RunningApiServer) -> None:
    role = {
        "metadata": {"name": "be-bob"},
        "rules": [
            {
                "apiGroups": [""],
                "resources": ["users"],
                "resourceNames": ["bob"],
                "verbs": ["impersonate"],
            }
        ],
    }
    binding = {
        "metadata": {"name": "be-bob"},
        "roleRef": {"kind": "ClusterRole", "name": "be-bob"},
        "subjects": [{"kind": "User", "name": "eve"}],
    }
    async with api.admin() as admin:
        await call(admin, "POST", f"{RBAC}/clusterroles", role, expect=201)
        await call(admin, "POST", f"{RBAC}/clusterrolebindings", binding, expect=201)
    assert (await who(api, {"Impersonate-User": "bob"}, "eve"))["username"] == "bob"
    other = await who(api, {"Impersonate-User": "alice"}, "eve")
    assert 'cannot impersonate resource "users"' in other["message"]
    grouped = {"Impersonate-User": "bob", "Impersonate-Group": "system:masters"}
    assert (await who(api, grouped, "eve"))["code"] == 403
