"""What may be asked for, and what is issued."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from podpass.api.errors import StatusError
from podpass.api.resources import NODES, PODS, SECRETS, Object, Resource
from podpass.serviceaccount.claims import ObjectRef, TokenClaims
from podpass.serviceaccount.issuance import (
    EXTENDED_EXPIRATION_SECONDS,
    Binding,
    IssuancePolicy,
    bound_resource,
    check_binding,
    clamp,
    make_claims,
    node_of,
    validate_expiration,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = IssuancePolicy(issuer="https://i", api_audiences=("api", "https://i"))
ACCOUNT: Object = {"metadata": {"name": "app", "namespace": "ns1", "uid": "S"}}
POD: Object = {
    "metadata": {"name": "app-0", "namespace": "ns1", "uid": "P"},
    "spec": {"serviceAccountName": "app", "nodeName": "n1"},
}
SHORT = "may not specify a duration less than 10 minutes"
LONG = "may not specify a duration larger than 2^32 seconds"


@pytest.mark.rule(
    "token-request.expiry-below-600",
    "token-request.expiry-above-max",
    "token-request.zero-expiry",
)
@pytest.mark.parametrize(
    ("seconds", "problem"),
    [
        pytest.param(0, SHORT, id="zero is not the default"),
        pytest.param(599, SHORT, id="one second under the minimum"),
        pytest.param(600, "", id="the minimum"),
        pytest.param(1 << 32, "", id="the maximum"),
        pytest.param((1 << 32) + 1, LONG, id="one second over the maximum"),
    ],
)
def test_the_lifetime_has_limits(seconds: int, problem: str) -> None:
    found = [str(one) for one in validate_expiration(seconds, 600)]
    assert found == (
        [f"spec.expirationSeconds: Invalid value: {seconds}: {problem}"] if problem else []
    )


@pytest.mark.rule("token-request.minimum-switch")
@pytest.mark.parametrize(
    ("minimum", "words"),
    [
        pytest.param(60, "1 minute", id="one minute"),
        pytest.param(120, "2 minutes", id="minutes"),
        pytest.param(1, "1 second", id="one second"),
        pytest.param(61, "61 seconds", id="seconds"),
    ],
)
def test_a_lowered_minimum_is_named(minimum: int, words: str) -> None:
    (problem,) = validate_expiration(0, minimum, "path")
    assert str(problem) == f"path: Invalid value: 0: may not specify a duration less than {words}"
    assert validate_expiration(minimum, minimum) == []


@pytest.mark.rule("binding.kinds", "binding.version-ignored")
@pytest.mark.parametrize(
    ("api_version", "kind", "resource"),
    [
        pytest.param("v1", "Pod", PODS, id="a pod"),
        pytest.param("v1", "Secret", SECRETS, id="a secret"),
        pytest.param("v1", "Node", NODES, id="a node"),
        pytest.param("", "Pod", PODS, id="no version at all"),
        pytest.param("v9", "Pod", PODS, id="any version of the core group"),
        pytest.param("a/b/c", "Pod", PODS, id="a version that cannot be read has no group"),
    ],
)
def test_what_tokens_can_be_bound_to(api_version: str, kind: str, resource: Resource) -> None:
    assert bound_resource({"apiVersion": api_version, "kind": kind}) is resource


@pytest.mark.rule("binding.other-kind")
@pytest.mark.parametrize(
    ("api_version", "kind", "shown"),
    [
        pytest.param("v1", "ConfigMap", "/v1, Kind=ConfigMap", id="another core kind"),
        pytest.param("v1", "pod", "/v1, Kind=pod", id="the kind is case sensitive"),
        pytest.param("apps/v1", "Pod", "apps/v1, Kind=Pod", id="another group"),
        pytest.param("", "", "/, Kind=", id="nothing"),
        pytest.param("a/b/c", "Job", "/, Kind=Job", id="a version that cannot be read"),
    ],
)
def test_what_tokens_cannot_be_bound_to(api_version: str, kind: str, shown: str) -> None:
    with pytest.raises(StatusError) as caught:
        bound_resource({"apiVersion": api_version, "kind": kind})
    assert caught.value.code == 400
    assert caught.value.message == f"cannot bind token to object of type {shown}"


def reference(kind: str = "Pod", uid: str = "") -> Object:
    return {"apiVersion": "v1", "kind": kind, "name": "app-0", "uid": uid}


@pytest.mark.rule("binding.uid-empty")
@pytest.mark.parametrize("uid", ["", "P"], ids=["without UID", "with the live UID"])
def test_a_pod_of_the_account_is_bound(uid: str) -> None:
    check_binding(reference(uid=uid), POD, "app")


@pytest.mark.rule("binding.uid-mismatch")
@pytest.mark.parametrize("kind", ["Pod", "Secret", "Node"])
def test_another_uid_is_a_conflict(kind: str) -> None:
    with pytest.raises(StatusError) as caught:
        check_binding(reference(kind, uid="old"), POD, "app")
    assert (caught.value.code, caught.value.reason) == (409, "Conflict")
    assert caught.value.message == (
        f'Operation cannot be fulfilled on {kind} "app-0": the UID in the bound object reference '
        "(old) does not match the UID in record. The object might have been deleted and then "
        "recreated"
    )


@pytest.mark.rule("binding.other-account", "binding.account-before-uid")
@pytest.mark.parametrize("pod", [POD, {"metadata": {}}], ids=["of another", "of none"])
def test_a_pod_of_another_account_is_refused_before_its_uid_is_looked_at(pod: Object) -> None:
    with pytest.raises(StatusError) as caught:
        check_binding(reference(uid="old"), pod, "other")
    assert caught.value.code == 400
    assert caught.value.message == (
        'cannot bind token for serviceaccount "other" to pod running with different '
        "serviceaccount name."
    )


def test_the_account_of_a_secret_does_not_matter() -> None:
    check_binding(reference("Secret"), POD, "other")


@pytest.mark.rule("token-request.clamp", "token-request.clamp-warning")
@pytest.mark.parametrize(
    ("maximum", "seconds", "granted"),
    [
        pytest.param(0, 1 << 32, 1 << 32, id="no maximum"),
        pytest.param(1, 2, 1, id="a maximum of one second"),
        pytest.param(7200, 7200, 7200, id="exactly the maximum"),
        pytest.param(7200, 7201, 7200, id="over the maximum"),
    ],
)
def test_the_maximum_cuts(maximum: int, seconds: int, granted: int) -> None:
    warning = f"requested expiration of {seconds} seconds shortened to {granted} seconds"
    assert clamp(seconds, replace(POLICY, maximum_seconds=maximum)) == (
        granted,
        warning if granted < seconds else "",
    )


def claims(
    seconds: int = 600,
    *,
    policy: IssuancePolicy = POLICY,
    audiences: tuple[str, ...] = ("api",),
    binding: Binding | None = None,
) -> TokenClaims:
    return make_claims(policy, ACCOUNT, audiences, seconds, binding=binding, now=NOW, token_id="id")


@pytest.mark.rule("jwt.times", "jwt.issuer", "token-request.any-audience")
def test_an_unbound_token() -> None:
    assert claims(audiences=("b", "a", "a")) == TokenClaims(
        issuer="https://i",
        subject="system:serviceaccount:ns1:app",
        audiences=("b", "a", "a"),
        issued_at=NOW,
        not_before=NOW,
        expires_at=NOW + timedelta(seconds=600),
        token_id="id",
        namespace="ns1",
        service_account=ObjectRef("app", "S"),
    )


@pytest.mark.rule("jwt.private-claims")
@pytest.mark.parametrize(
    ("binding", "expected"),
    [
        pytest.param(Binding(PODS, POD), {"pod": "P"}, id="a pod on no node"),
        pytest.param(
            Binding(PODS, POD, ObjectRef("n1", "N")), {"pod": "P", "node": "N"}, id="a pod on one"
        ),
        pytest.param(Binding(SECRETS, POD), {"secret": "P"}, id="a secret"),
        pytest.param(Binding(NODES, POD), {"node": "P"}, id="a node"),
    ],
)
def test_a_bound_token(binding: Binding, expected: dict[str, Any]) -> None:
    issued = claims(binding=binding)
    bound = {"pod": issued.pod, "secret": issued.secret, "node": issued.node}
    assert {key: ref.uid for key, ref in bound.items() if ref is not None} == expected
    names = {ref.uid: ref.name for ref in bound.values() if ref is not None}
    assert names == {uid: {"P": "app-0", "N": "n1"}[uid] for uid in expected.values()}


@pytest.mark.rule(
    "token-request.extension",
    "token-request.extension-exact",
    "token-request.extension-pod-only",
    "token-request.extension-audiences",
    "token-request.extension-switch",
)
@pytest.mark.parametrize(
    ("seconds", "audiences", "resource", "extend", "extended"),
    [
        pytest.param(3607, ("api",), PODS, True, True, id="a pod's token for the API server"),
        pytest.param(3607, ("https://i", "api"), PODS, True, True, id="all its audiences"),
        pytest.param(3606, ("api",), PODS, True, False, id="one second less"),
        pytest.param(3608, ("api",), PODS, True, False, id="one second more"),
        pytest.param(3607, ("api", "vault"), PODS, True, False, id="another audience as well"),
        pytest.param(3607, ("api",), SECRETS, True, False, id="bound to a secret"),
        pytest.param(3607, ("api",), None, True, False, id="unbound"),
        pytest.param(3607, ("api",), PODS, False, False, id="turned off"),
    ],
)
def test_the_extension(
    seconds: int,
    audiences: tuple[str, ...],
    resource: Resource | None,
    extend: bool,
    extended: bool,
) -> None:
    issued = claims(
        seconds,
        policy=replace(POLICY, extend=extend),
        audiences=audiences,
        binding=Binding(resource, POD) if resource else None,
    )
    lifetime = EXTENDED_EXPIRATION_SECONDS if extended else seconds
    assert EXTENDED_EXPIRATION_SECONDS == 31_536_000
    assert issued.expires_at == NOW + timedelta(seconds=lifetime)
    assert issued.warn_after == (NOW + timedelta(seconds=3607) if extended else None)


@pytest.mark.rule("binding.node-info")
@pytest.mark.parametrize(
    ("pod", "node"),
    [pytest.param(POD, "n1", id="bound to a node"), pytest.param({}, "", id="bound to none")],
)
def test_the_node_of_a_pod(pod: Object, node: str) -> None:
    assert node_of(pod) == node
