"""TokenReview, SelfSubjectReview and the access reviews as they are answered."""

from __future__ import annotations

from typing import Any

import pytest

from podpass.api.errors import StatusError
from podpass.api.meta import UserInfo
from podpass.api.resources import Object
from podpass.apiserver.access_review import AccessReviews
from podpass.apiserver.token_review import SelfSubjectReviews, TokenReviews

from .conftest import World

ANN = UserInfo("ann", "u1", ("dev",), {"k": ("v",)})
ROOT = UserInfo("root", groups=("system:masters",))


@pytest.mark.rule("token-review.spec-echo", "token-review.failure-shape")
async def test_a_token_review_echoes_its_question(world: World) -> None:
    reviews = TokenReviews(world.authenticator)
    answer = await reviews.create({"spec": {"token": "x"}}, ANN)
    assert answer == {
        "kind": "TokenReview",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"creationTimestamp": None},
        "spec": {"token": "x"},
        "status": {"user": {}, "error": "invalid bearer token"},
    }


@pytest.mark.rule("token-review.token-required", "token-review.namespaced")
@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param({}, "token is required for TokenReview in authentication", id="no spec"),
        pytest.param(
            {"spec": {"token": ""}},
            "token is required for TokenReview in authentication",
            id="an empty token",
        ),
        pytest.param(
            {"metadata": {"namespace": "ns1"}, "spec": {"token": "x"}},
            "namespace is not allowed on this type",
            id="a namespace",
        ),
    ],
)
async def test_a_token_review_that_cannot_be_answered(
    world: World, body: Object, text: str
) -> None:
    with pytest.raises(StatusError, match=text) as caught:
        await TokenReviews(world.authenticator).create(body, ANN)
    assert caught.value.code == 400


@pytest.mark.rule("self-subject-review.answer")
async def test_a_self_subject_review_tells_who_asks(world: World) -> None:
    answer = await SelfSubjectReviews(world.clock).create({}, ANN)
    assert answer == {
        "kind": "SelfSubjectReview",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"},
        "status": {
            "userInfo": {"username": "ann", "uid": "u1", "groups": ["dev"], "extra": {"k": ["v"]}}
        },
    }


PODS = {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "ns1"}}
PATH = {"nonResourceAttributes": {"verb": "get", "path": "/metrics"}}


@pytest.mark.parametrize("spec", [PODS, PATH], ids=["a resource", "a path"])
async def test_an_access_review_decides_for_its_subject(world: World, spec: dict[str, Any]) -> None:
    reviews = AccessReviews(world.authorizer)
    allowed = await reviews.create({"spec": spec | {"groups": ["system:masters"]}}, ANN)
    assert allowed["status"] == {"allowed": True}
    denied = await reviews.create({"spec": spec | {"user": "ann", "extra": {"k": ["v"]}}}, ROOT)
    assert denied["status"] == {"allowed": False}
    assert denied["kind"] == "SubjectAccessReview"


@pytest.mark.parametrize("spec", [PODS, PATH], ids=["a resource", "a path"])
async def test_a_self_access_review_decides_for_who_asks(
    world: World, spec: dict[str, Any]
) -> None:
    reviews = AccessReviews(world.authorizer)
    body = {"metadata": {"creationTimestamp": None}, "spec": spec}
    assert (await reviews.create_self(body, ROOT))["status"] == {"allowed": True}
    answer = await reviews.create_self(body, ANN)
    assert answer == {
        "kind": "SelfSubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "metadata": {"creationTimestamp": None},
        "spec": spec,
        "status": {"allowed": False},
    }


async def test_a_refusal_tells_its_reason(world: World) -> None:
    node = {"user": "system:node:n1", "groups": ["system:nodes"]}
    spec = {"resourceAttributes": {"verb": "list", "resource": "secrets"}} | node
    answer = await AccessReviews(world.authorizer).create({"spec": spec}, ROOT)
    assert answer["status"] == {"allowed": False, "reason": "No Object name found"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        pytest.param({"spec": {"user": "a"}}, "spec.resourceAttributes", id="neither"),
        pytest.param({"spec": PODS | PATH}, "spec.nonResourceAttributes", id="both"),
        pytest.param({"spec": PODS}, "spec.user", id="no subject"),
        pytest.param({"metadata": {"name": "x"}, "spec": PODS}, "metadata", id="a name"),
    ],
)
async def test_an_access_review_that_cannot_be_answered(
    world: World, body: Object, field: str
) -> None:
    with pytest.raises(StatusError) as caught:
        await AccessReviews(world.authorizer).create(body, ANN)
    assert caught.value.code == 422
    assert caught.value.details is not None
    assert field in [cause["field"] for cause in caught.value.details["causes"]]


LOCAL = {"metadata": {"namespace": "ns1"}, "spec": PODS | {"user": "ann"}}


async def test_a_local_access_review_decides_in_its_namespace(world: World) -> None:
    reviews = AccessReviews(world.authorizer)
    answer = await reviews.create_local(LOCAL, ROOT)
    assert answer == {
        "kind": "LocalSubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "metadata": {"creationTimestamp": None, "namespace": "ns1"},
        "spec": PODS | {"user": "ann"},
        "status": {"allowed": False},
    }


@pytest.mark.parametrize(
    ("body", "field"),
    [
        pytest.param(
            LOCAL | {"metadata": {"namespace": "ns2"}},
            "spec.resourceAttributes.namespace",
            id="another namespace",
        ),
        pytest.param(
            LOCAL | {"spec": PATH | {"user": "ann"}}, "spec.nonResourceAttributes", id="a path"
        ),
        pytest.param(LOCAL | {"spec": PODS}, "spec.user", id="no subject"),
        pytest.param(
            LOCAL | {"metadata": {"namespace": "ns1", "name": "x"}}, "metadata", id="a name"
        ),
    ],
)
async def test_a_local_access_review_that_cannot_be_answered(
    world: World, body: Object, field: str
) -> None:
    with pytest.raises(StatusError) as caught:
        await AccessReviews(world.authorizer).create_local(body, ANN)
    assert caught.value.code == 422
    assert caught.value.details is not None
    assert field in [cause["field"] for cause in caught.value.details["causes"]]
