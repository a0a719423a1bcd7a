"""Each rule of a bootstrap token, on either side of its edge."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest

from podpass.api.bootstrap_token import (
    UnusableBootstrapToken,
    expiration,
    extra_groups,
    is_expired,
    make_secret,
    secret_name,
    split_token,
    user_of,
)
from podpass.api.resources import Object

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ID, SECRET = "abcdef", "0123456789abcdef"


def secret(**data: str | None) -> Object:
    made = make_secret(ID, SECRET, expires=NOW + SECOND, description="for a test")
    for key, value in data.items():
        name = key.replace("_", "-")
        if value is None:
            del made["data"][name]
        else:
            made["data"][name] = base64.b64encode(value.encode()).decode()
    return made


@pytest.mark.parametrize(
    ("token", "parts"),
    [
        pytest.param("abcdef.0123456789abcdef", (ID, SECRET), id="six and sixteen"),
        pytest.param("abcde.0123456789abcdef", None, id="id too short"),
        pytest.param("abcdefg.0123456789abcdef", None, id="id too long"),
        pytest.param("abcdef.0123456789abcde", None, id="secret too short"),
        pytest.param("abcdef.0123456789abcdeff", None, id="secret too long"),
        pytest.param("ABCDEF.0123456789abcdef", None, id="capitals"),
        pytest.param("abcdef.0123456789abcdef\n", None, id="a line end"),
        pytest.param("a.b.c", None, id="a JWT"),
    ],
)
def test_split_token(token: str, parts: tuple[str, str] | None) -> None:
    assert split_token(token) == parts


@pytest.mark.rule("bootstrap-token.user")
@pytest.mark.parametrize(
    ("given", "groups"),
    [
        pytest.param(secret(), ("system:bootstrappers",), id="made for joining"),
        pytest.param(secret(expiration=None), ("system:bootstrappers",), id="without an end"),
        pytest.param(
            secret(auth_extra_groups="system:bootstrappers:a,system:bootstrappers:b:c"),
            ("system:bootstrappers", "system:bootstrappers:a", "system:bootstrappers:b:c"),
            id="more groups",
        ),
    ],
)
def test_a_good_token_names_its_user(given: Object, groups: tuple[str, ...]) -> None:
    user = user_of(given, ID, SECRET, NOW)
    assert user.name == "system:bootstrap:abcdef"
    assert user.groups == groups


@pytest.mark.rule("bootstrap-token.refused")
@pytest.mark.parametrize(
    ("given", "why"),
    [
        pytest.param(secret() | {"type": "Opaque"}, "another type", id="another type"),
        pytest.param(
            secret() | {"metadata": {"name": secret_name("fedcba")}}, "not what", id="another name"
        ),
        pytest.param(secret(token_id="fedcba"), "not what", id="another id"),
        pytest.param(secret(token_secret="f" * 16), "not what", id="another secret"),
        pytest.param(secret(token_secret=None), "not what", id="no secret"),
        pytest.param(secret(expiration="2026-01-01T00:00:00Z"), "expired", id="just expired"),
        pytest.param(secret(expiration="tomorrow"), "expired", id="an end that is no time"),
        pytest.param(
            secret(usage_bootstrap_authentication="false"), "not for", id="not for authentication"
        ),
        pytest.param(
            secret(usage_bootstrap_authentication=None), "not for", id="says nothing of its use"
        ),
        pytest.param(secret(auth_extra_groups="system:masters"), "group", id="a group too high"),
        pytest.param(secret(auth_extra_groups="system:bootstrappers:"), "group", id="empty end"),
    ],
)
def test_a_bad_token_is_refused_without_being_shown(given: Object, why: str) -> None:
    with pytest.raises(UnusableBootstrapToken, match=why) as refused:
        user_of(given, ID, SECRET, NOW)
    assert SECRET not in str(refused.value)


def test_a_secret_that_is_being_deleted_is_refused() -> None:
    given = secret()
    given["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    with pytest.raises(UnusableBootstrapToken):
        user_of(given, ID, SECRET, NOW)


def test_the_time_of_a_token_comes() -> None:
    assert not is_expired(secret(), NOW)
    assert is_expired(secret(), NOW + SECOND)
    assert expiration(secret()) == NOW + SECOND
    assert expiration(secret(expiration=None)) is None


def test_a_value_that_is_not_base64_counts_as_absent() -> None:
    given = secret()
    given["data"]["token-secret"] = "!"
    with pytest.raises(UnusableBootstrapToken):
        user_of(given, ID, SECRET, NOW)


def test_groups_are_named_once() -> None:
    group = "system:bootstrappers:a"
    assert extra_groups(f"{group},{group}") == (group,)
    assert extra_groups("") == ()
