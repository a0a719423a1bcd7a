"""A cluster that trusts former issuers for a day; its signing key is rotated as well."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import rollout
from harness import ClusterUnderTest, claims_of, eventually, free_port

from podpass.base.clock import SystemClock

DEFAULT = "https://kubernetes.default.svc"
NEW = "https://test.default.svc"
NEXT_KEY = "next-bound-service-account-signing-key"
SIGNING_KEY = "bound-service-account-signing-key"


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterUnderTest]:
    """A cluster of its own, made with `--issuer-profile trust24h`."""
    one = ClusterUnderTest(
        tmp_path_factory.mktemp("trust") / "home",
        free_port(),
        options=("--issuer-profile", "trust24h"),
    )
    started = one.up()
    try:
        assert started.code == 0, started.err + one.logs_tail()
        eventually(lambda: rollout.operator_runs(one), within=60, what="the operator's pod")
        one.ok("create", "sa", "build-robot")
        yield one
    finally:
        one.down()


def new_token(cluster: ClusterUnderTest) -> str:
    return cluster.ok("create", "token", "build-robot", "--audience=vault").strip()


def kid_of(token: str) -> str:
    header = token.partition(".")[0]
    decoded = base64.urlsafe_b64decode(header + "=" * (-len(header) % 4))
    return str(json.loads(decoded)["kid"])


def published_kids(cluster: ClusterUnderTest) -> set[str]:
    keys = json.loads(cluster.ok("get", "--raw", "/openid/v1/jwks"))["keys"]
    return {key["kid"] for key in keys}


def test_the_objects_are_there_under_the_names_that_users_type(trusting: ClusterUnderTest) -> None:
    def healthy() -> bool:
        head, row = trusting.ok("get", "co").splitlines()
        assert head.split() == [
            "NAME", "VERSION", "AVAILABLE", "PROGRESSING", "DEGRADED", "SINCE", "MESSAGE",
        ]  # fmt: skip
        name, _, *states = row.split()[:5]
        return [name, *states] == ["kube-apiserver", "True", "False", "False"]

    eventually(healthy, what="a healthy ClusterOperator")
    for kind in ("kubeapiserver", "kubeapiservers", "authentications", "infrastructure"):
        head, row = trusting.ok("get", kind).splitlines()
        assert head.split() == ["NAME", "AGE"]
        assert row.split()[0] == "cluster"


@pytest.mark.parametrize("kind", ["authentications", "infrastructures"])
def test_the_configuration_of_the_cluster_cannot_be_deleted(
    trusting: ClusterUnderTest, kind: str
) -> None:
    refused = trusting.oc("delete", kind, "cluster")
    assert refused.code == 1
    assert "(Forbidden)" in refused.err
    assert f"deleting required {kind}.config.openshift.io resource, named cluster" in refused.err
    assert trusting.get(kind, "cluster")["metadata"]["name"] == "cluster"


@pytest.mark.rule("config.issuer-rotation")
@pytest.mark.timeout(300)
def test_a_former_issuer_stays_trusted_for_a_day(trusting: ClusterUnderTest) -> None:
    old_token = new_token(trusting)
    assert claims_of(old_token)["iss"] == DEFAULT
    messages: list[str] = []

    def follow() -> dict[str, Any] | None:
        found = rollout.operator_object(trusting)
        said = rollout.condition(found, "NodeInstallerProgressing")
        if said["message"] not in messages:
            messages.append(said["message"])
        if said["message"] != "3 nodes are at revision 2":
            return None
        assert (said["status"], said["reason"]) == ("False", "AllNodesAtLatestRevision")
        return found

    edited = SystemClock().now()
    rollout.set_issuer(trusting, NEW)
    eventually(follow, within=rollout.ROLLOUT_SECONDS, what="revision 2 everywhere")
    found = rollout.settle(trusting, NEW)
    assert [one for one in messages if one != "3 nodes are at revision 1"] == [
        "3 nodes are at revision 1; 0 nodes have achieved new revision 2",
        "2 nodes are at revision 1; 1 node is at revision 2",
        "1 node is at revision 1; 2 nodes are at revision 2",
        "3 nodes are at revision 2",
    ]

    active, former = found["status"]["serviceAccountIssuers"]
    assert active == {"name": NEW}
    assert former["name"] == DEFAULT
    expires = datetime.fromisoformat(former["expirationTime"]).astimezone(UTC)
    assert abs(expires - edited - timedelta(hours=24)) < timedelta(seconds=30)
    arguments = found["spec"]["observedConfig"]["apiServerArguments"]
    assert arguments["service-account-issuer"] == [NEW, DEFAULT]
    assert arguments["api-audiences"] == [NEW, DEFAULT]

    token = new_token(trusting)
    assert claims_of(token)["iss"] == NEW
    for _ in range(6):  # a new connection each time: any of the three may answer
        assert rollout.is_accepted(trusting, token)
        assert rollout.is_accepted(trusting, old_token)
    reason = trusting.get("-n", rollout.OPERAND_NAMESPACE, "cm", "revision-status-2")["data"]
    assert reason["reason"] == "required configmap/config has changed"


@pytest.mark.rule("config.key-rotation", "ha.rotation-lead")
@pytest.mark.timeout(300)
def test_a_new_key_signs_when_all_know_it_and_the_former_one_is_still_good(
    trusting: ClusterUnderTest,
) -> None:
    before = rollout.operator_object(trusting)
    old_token = new_token(trusting)
    issuer = claims_of(old_token)["iss"]
    trusting.ok("delete", "secret", "-n", rollout.OPERATOR_NAMESPACE, NEXT_KEY)

    def promoted() -> bool:
        def pair(namespace: str, name: str) -> dict[str, str] | None:
            found = trusting.oc("get", "secret", "-n", namespace, name, "-o", "json")
            return json.loads(found.out)["data"] if found.code == 0 else None

        next_pair = pair(rollout.OPERATOR_NAMESPACE, NEXT_KEY)
        in_use = pair(rollout.OPERAND_NAMESPACE, SIGNING_KEY)
        found = rollout.operator_object(trusting)  # last: what was true before it is true in it
        if next_pair is None or next_pair != in_use:
            return False
        if rollout.latest(found) == rollout.latest(before):
            return False  # the deletion was not yet seen
        assert set(rollout.currents(found)) == {rollout.latest(found)}, "promoted too early"
        return True

    eventually(promoted, within=rollout.ROLLOUT_SECONDS, what="the promotion of the new key")
    kids = published_kids(trusting)
    assert len(kids) == 2
    assert kid_of(old_token) in kids

    # What runs signs with the key of its start; a redeployment starts it again.
    rollout.patch_operator(trusting, {"forceRedeploymentReason": "rotate"})
    eventually(
        lambda: rollout.latest(rollout.operator_object(trusting)) == rollout.latest(before) + 2,
        what="the revision of the redeployment",
    )
    rollout.settle(trusting, issuer)
    token = new_token(trusting)
    assert kids - {kid_of(old_token)} == {kid_of(token)}
    assert published_kids(trusting) == kids
    for _ in range(6):
        assert rollout.is_accepted(trusting, token)
        assert rollout.is_accepted(trusting, old_token)
