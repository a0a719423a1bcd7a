"""A bootstrap token logs in a new node, as long as its Secret says so."""

from __future__ import annotations

from datetime import timedelta

import pytest

from podpass.api.bootstrap_token import make_secret
from podpass.api.errors import StatusError
from podpass.api.resources import SECRETS

from .conftest import World

TOKEN = "abcdef.0123456789abcdef"


@pytest.mark.rule("bootstrap-token.user", "bootstrap-token.unauthorized")
async def test_it_is_accepted_until_it_ends(world: World) -> None:
    expires = world.clock.now() + timedelta(minutes=1)
    await world.put(SECRETS, make_secret(*TOKEN.split("."), expires=expires))
    user = (await world.authenticator.authenticate(f"Bearer {TOKEN}", None)).user
    assert user.name == "system:bootstrap:abcdef"
    assert user.groups == ("system:bootstrappers", "system:authenticated")
    await world.clock.advance(61)
    with pytest.raises(StatusError) as refused:
        await world.authenticator.authenticate(f"Bearer {TOKEN}", None)
    assert refused.value.code == 401


@pytest.mark.rule("bootstrap-token.unauthorized")
async def test_without_its_secret_it_is_401(world: World) -> None:
    with pytest.raises(StatusError) as refused:
        await world.authenticator.authenticate(f"Bearer {TOKEN}", None)
    assert refused.value.code == 401


@pytest.mark.rule("bootstrap-token.audience")
async def test_a_review_accepts_it_for_the_api_server_only(world: World) -> None:
    await world.put(SECRETS, make_secret(*TOKEN.split("."), expires=None))
    assert (await world.authenticator.review(TOKEN, []))["authenticated"] is True
    assert "authenticated" not in await world.authenticator.review(TOKEN, ["vault"])
