"""The operator as a whole, against an API simulator and simulated nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest

from podpass.api.meta import find_condition, labels_of, name_of
from podpass.api.resources import (
    CLUSTER_OPERATORS,
    CONFIG_MAPS,
    KUBE_API_SERVERS,
    LEASES,
    PODS,
    SECRETS,
    Object,
)
from podpass.client.config import ClientConfig
from podpass.client.rest import RestClient
from podpass.operator import names
from podpass.operator.app import run
from podpass.operator.node_status import node_statuses
from podpass.operator.profiles import TRUST_24H
from podpass.testing.fake_clock import until
from podpass.testing.operator_cluster import ISSUER, NODE_NAMES, OperatorCluster, running_cluster

OPERAND = names.OPERAND_NAMESPACE
DEFAULT = "https://kubernetes.default.svc"


def arguments(cluster: OperatorCluster, revision: int) -> dict[str, list[str]]:
    config = cluster.config_map(f"config-{revision}")
    assert config is not None
    found: dict[str, list[str]] = orjson.loads(config["data"]["config.yaml"])["apiServerArguments"]
    return found


def issuers(cluster: OperatorCluster, revision: int) -> list[str]:
    return arguments(cluster, revision)["service-account-issuer"]


def pods_of(cluster: OperatorCluster, app: str) -> list[str]:
    pods = cluster.simulator.objects(PODS)
    return sorted(name_of(one) for one in pods if labels_of(one).get("app") == app)


def summary(cluster: OperatorCluster, type_: str) -> Object:
    found = cluster.simulator.object(CLUSTER_OPERATORS, "", "kube-apiserver") or {}
    return find_condition((found.get("status") or {}).get("conditions") or (), type_) or {}


async def came_to_rest(cluster: OperatorCluster) -> None:
    """Wait until the operator has looked at everything and writes no more."""
    await until(lambda: cluster.condition("TargetConfigControllerDegraded"))
    version = ""
    while version != (version := str(cluster.simulator._revision)):
        for _ in range(50):
            await asyncio.sleep(0.002)


async def test_a_seeded_cluster_needs_nothing(cluster: OperatorCluster) -> None:
    await came_to_rest(cluster)
    assert cluster.currents == [1, 1, 1]
    assert pods_of(cluster, "installer") == pods_of(cluster, "cert-sync") == []
    assert cluster.events("RevisionTriggered") == []
    assert cluster.config_map("revision-status-2") is None
    bad = [
        one["type"]
        for one in cluster.operator["status"]["conditions"]
        if one["type"].endswith("Degraded") and one["status"] != "False"
    ]
    assert bad == []
    assert summary(cluster, "Degraded")["reason"] == "AsExpected"
    assert summary(cluster, "Progressing")["message"] == (
        "NodeInstallerProgressing: 3 nodes are at revision 1"
    )


async def test_an_edit_reaches_all_nodes(cluster: OperatorCluster) -> None:
    messages: list[str] = []

    def note(_node: str, _revision: int) -> bool:
        messages.append(cluster.condition("NodeInstallerProgressing")["message"])
        return True

    cluster.nodes.becomes_ready = note
    cluster.edit_issuer(ISSUER)
    await until(
        lambda: cluster.condition("NodeInstallerProgressing")["status"] == "True", seconds=1
    )
    assert "reason" not in cluster.condition("NodeInstallerProgressing")
    await cluster.rolled_out(2)
    assert messages == [
        "3 nodes are at revision 1; 0 nodes have achieved new revision 2",
        "2 nodes are at revision 1; 1 nodes are at revision 2",
        "1 nodes are at revision 1; 2 nodes are at revision 2",
    ]
    assert cluster.nodes.installed == [(name, 2) for name in NODE_NAMES]
    done = cluster.condition("NodeInstallerProgressing")
    assert (done["reason"], done["message"]) == (
        "AllNodesAtLatestRevision",
        "3 nodes are at revision 2",
    )
    assert arguments(cluster, 2)["service-account-issuer"] == [ISSUER]
    assert arguments(cluster, 2)["api-audiences"] == [ISSUER]
    assert "service-account-jwks-uri" not in arguments(cluster, 2)
    assert arguments(cluster, 1)["service-account-issuer"] == [DEFAULT]
    await until(lambda: cluster.events("NodeCurrentRevisionChanged"))
    assert cluster.events("RevisionTriggered") == [
        'new revision 2 triggered by "configmap/config has changed"'
    ]
    assert cluster.events("ObserveServiceAccountIssuer") == [
        f"ServiceAccount issuer changed from {DEFAULT} to {ISSUER}"
    ]
    assert cluster.events("NodeTargetRevisionChanged")[0] == (
        'Updating node "master-0" from revision 1 to 2 because '
        "node master-0 with revision 1 is the oldest"
    )
    await until(lambda: summary(cluster, "Progressing").get("status") == "False")


async def test_the_cluster_operator_shows_a_rollout(cluster: OperatorCluster) -> None:
    cluster.nodes.runs = lambda _: False
    cluster.edit_issuer(ISSUER)
    await until(lambda: summary(cluster, "Progressing").get("status") == "True")
    shown = summary(cluster, "Progressing")
    assert shown["reason"] == "NodeInstaller"
    assert shown["message"] == (
        "NodeInstallerProgressing: 3 nodes are at revision 1; 0 nodes have achieved new revision 2"
    )
    assert summary(cluster, "Available")["status"] == "True"


async def test_two_edits_in_quick_succession(cluster: OperatorCluster) -> None:
    cluster.edit_issuer("https://first.example")
    cluster.edit_issuer(ISSUER)
    await until(lambda: cluster.operator["status"]["latestAvailableRevision"] > 1)
    await cluster.rolled_out(cluster.operator["status"]["latestAvailableRevision"])
    await came_to_rest(cluster)
    latest = cluster.operator["status"]["latestAvailableRevision"]
    assert cluster.currents == [latest] * 3
    assert issuers(cluster, latest) == [ISSUER]


async def test_an_edit_back_in_the_middle_of_a_rollout(cluster: OperatorCluster) -> None:
    """The second node hangs with the new issuer; the old value frees it, as a new revision."""
    cluster.nodes.becomes_ready = lambda node, revision: (node, revision) != ("master-1", 2)
    cluster.edit_issuer(ISSUER)
    await until(lambda: ("master-1", 2) in cluster.nodes.installed)
    assert cluster.condition("NodeInstallerProgressing")["message"] == (
        "2 nodes are at revision 1; 1 nodes are at revision 2"
    )
    cluster.edit_issuer("")
    await cluster.rolled_out(3)
    assert issuers(cluster, 3) == issuers(cluster, 1) == [DEFAULT]
    assert ("master-2", 2) not in cluster.nodes.installed


@pytest.mark.parametrize("revert", [True, False], ids=["taken back", "replaced by a good one"])
async def test_a_bad_issuer_changes_nothing(cluster: OperatorCluster, revert: bool) -> None:
    cluster.edit_issuer("https://x:port")
    await until(lambda: cluster.condition("ConfigObservationDegraded").get("status") == "True")
    found = cluster.condition("ConfigObservationDegraded")
    assert found["reason"] == "Error"
    assert found["message"].startswith(
        "service-account issuer contained a ':' but was not a valid URL: "
    )
    assert cluster.currents == [1, 1, 1]
    assert cluster.config_map("config-2") is None
    cluster.edit_issuer("" if revert else ISSUER)
    await until(lambda: cluster.condition("ConfigObservationDegraded")["status"] == "False")
    if not revert:
        await cluster.rolled_out(2)


async def test_an_installer_that_fails_is_tried_again(cluster: OperatorCluster) -> None:
    failures = {"installer-2-master-1", "installer-2-retry-1-master-1"}
    seen: list[str] = []

    def fails(_node: str, _revision: int, pod: str) -> str:
        seen.append(cluster.condition("NodeInstallerDegraded").get("message", ""))
        return f"no space for {pod}" if pod in failures else ""

    cluster.nodes.fails = fails
    cluster.edit_issuer(ISSUER)
    await cluster.rolled_out(2)
    assert (
        "1 nodes are failing on revision 2:\ninstaller: no space for installer-2-master-1" in seen
    )
    status = node_statuses(cluster.operator)[1]
    assert (status.last_failed_count, status.last_failed_reason) == (2, "InstallerFailed")
    assert cluster.condition("NodeInstallerDegraded")["status"] == "False"
    assert "installer-2-retry-2-master-1" in pods_of(cluster, "installer")


async def test_a_node_that_stays_down_holds_the_rollout_and_is_named(
    cluster: OperatorCluster,
) -> None:
    timing = replace(cluster.settings.timing, installer_pending=timedelta(0))
    await cluster.kill_operator()
    cluster.settings = replace(cluster.settings, timing=timing)
    cluster.start_operator()
    cluster.nodes.runs = lambda node: node != "master-1"
    _stamp_new_pods(cluster)
    cluster.edit_issuer(ISSUER)
    await until(
        lambda: "master-1" in cluster.condition("InstallerPodPendingDegraded").get("message", "")
    )
    message = cluster.condition("InstallerPodPendingDegraded")["message"]
    assert message.startswith('Pod "installer-2-master-1" on node "master-1" is Pending since ')
    assert cluster.currents == [2, 1, 1]
    assert ("master-2", 2) not in cluster.nodes.installed
    cluster.nodes.runs = lambda _: True
    await cluster.rolled_out(2)
    await until(lambda: cluster.condition("InstallerPodPendingDegraded")["status"] == "False")


def _stamp_new_pods(cluster: OperatorCluster) -> None:
    """Give created pods the time that a real API gives them; the simulator gives none."""
    store: Callable[..., Object] = cluster.simulator._store

    def stamped(resource: Any, key: Any, obj: Object, type_: str) -> Object:
        metadata = {"creationTimestamp": "2026-01-01T00:00:00Z"} | obj["metadata"]
        return store(resource, key, obj | {"metadata": metadata}, type_)

    cluster.simulator._store = stamped  # type: ignore[method-assign]


async def test_an_installer_pod_that_is_deleted_comes_back(cluster: OperatorCluster) -> None:
    cluster.nodes.runs = lambda _: False
    cluster.edit_issuer(ISSUER)
    await until(lambda: pods_of(cluster, "installer"))
    cluster.simulator.remove(PODS, OPERAND, "installer-2-master-0")
    await until(lambda: pods_of(cluster, "installer"))
    await until(lambda: cluster.events("InstallerPodDisappeared"))
    cluster.nodes.runs = lambda _: True
    await cluster.rolled_out(2)


async def test_a_redeployment_is_forced_by_a_new_reason_only(cluster: OperatorCluster) -> None:
    cluster.edit_operator(forceRedeploymentReason="once")
    await cluster.rolled_out(2)
    cluster.edit_operator(forceRedeploymentReason="once")
    await came_to_rest(cluster)
    assert cluster.config_map("revision-status-3") is None
    assert cluster.events("RevisionTriggered") == [
        'new revision 2 triggered by "configmap/kube-apiserver-pod has changed"'
    ]


async def test_the_state_force_renders_nothing(cluster: OperatorCluster) -> None:
    await came_to_rest(cluster)
    cluster.edit_operator(managementState="Force")
    await until(lambda: cluster.events("ManagementStateUnknown"))
    cluster.edit_issuer(ISSUER)
    await came_to_rest(cluster)
    assert cluster.config_map("revision-status-2") is None
    cluster.edit_operator(managementState="Managed")
    await cluster.rolled_out(2)


async def test_overrides_win_and_are_named(cluster: OperatorCluster) -> None:
    forced = {"apiServerArguments": {"service-account-issuer": ["a", "b"], "api-audiences": ["x"]}}
    cluster.edit_operator(unsupportedConfigOverrides=forced)
    await cluster.rolled_out(2)
    assert issuers(cluster, 2) == ["a", "b"]
    found = cluster.condition("UnsupportedConfigOverridesUpgradeable")
    assert (found["status"], found["reason"]) == ("False", "UnsupportedConfigOverridesSet")
    assert found["message"] == (
        "setting: [apiServerArguments.api-audiences apiServerArguments.service-account-issuer]"
    )


async def test_a_deleted_next_key_rotates_the_signing_key(cluster: OperatorCluster) -> None:
    await came_to_rest(cluster)
    cluster.nodes.runs = lambda _: False
    cluster.simulator.remove(SECRETS, names.OPERATOR_NAMESPACE, names.NEXT_SIGNING_KEY)
    await until(lambda: cluster.config_map("bound-sa-token-signing-certs-2"))

    def active() -> str:
        secret = cluster.simulator.object(SECRETS, OPERAND, names.SIGNING_KEY)
        assert secret is not None
        return str(secret["data"][names.PUBLIC_KEY])

    former = active()
    published = cluster.config_map(names.SIGNING_CERTS)
    assert published is not None
    assert sorted(published["data"]) == ["service-account-001.pub", "service-account-002.pub"]
    copy = cluster.config_map(names.SIGNING_CERTS, names.MACHINE_CONFIG_NAMESPACE)
    assert copy is not None
    assert copy["data"] == published["data"]
    cluster.nodes.runs = lambda node: node != "master-2"
    await until(lambda: cluster.currents == [2, 2, 1])
    assert active() == former
    cluster.nodes.runs = lambda _: True
    await cluster.rolled_out(2)
    await until(lambda: active() != former)
    await until(lambda: len(pods_of(cluster, "cert-sync")) == 3)
    await until(lambda: _certs_are_noted_down(cluster))
    assert cluster.config_map("revision-status-3") is None


def _certs_are_noted_down(cluster: OperatorCluster) -> bool:
    found = cluster.config_map("kube-apiserver-cert-sync", names.OPERATOR_NAMESPACE)
    digest = pods_of(cluster, "cert-sync")[0].split("-")[2]
    return found is not None and all(one.startswith(digest) for one in found["data"].values())


async def test_the_former_issuer_stays_trusted(trusting_cluster: OperatorCluster) -> None:
    cluster = trusting_cluster
    cluster.edit_issuer(ISSUER)
    await cluster.rolled_out(2)
    assert issuers(cluster, 2) == [ISSUER, DEFAULT]
    assert arguments(cluster, 2)["api-audiences"] == [ISSUER, DEFAULT]
    assert arguments(cluster, 2)["service-account-jwks-uri"] == [ISSUER + "/openid/v1/jwks"]
    listed = cluster.operator["status"]["serviceAccountIssuers"]
    assert [one["name"] for one in listed] == [ISSUER, DEFAULT]
    assert ["expirationTime" in one for one in listed] == [False, True]
    assert cluster.events("RevisionTriggered") == [
        'new revision 2 triggered by "required configmap/config has changed"'
    ]


async def test_the_end_of_the_trust_rolls_out_by_itself() -> None:
    async with running_cluster(replace(TRUST_24H, trust=timedelta(seconds=2))) as cluster:
        cluster.edit_issuer(ISSUER)
        await until(lambda: cluster.config_map("config-2"))
        assert issuers(cluster, 2) == [ISSUER, DEFAULT]
        await cluster.rolled_out(3)
        assert issuers(cluster, 3) == [ISSUER]
        await until(lambda: len(cluster.events("ServiceAccountIssuer")) == 2)
        assert cluster.events("ServiceAccountIssuer")[-1] == (
            "The following service account issuers were pruned and are no longer trusted: "
            + DEFAULT
        )


async def test_old_revisions_go(cluster: OperatorCluster) -> None:
    cluster.edit_operator(failedRevisionLimit=1, succeededRevisionLimit=2)
    for revision in (2, 3, 4):
        cluster.edit_operator(forceRedeploymentReason=str(revision))
        await cluster.rolled_out(revision)
    await until(lambda: cluster.config_map("revision-status-2") is None)
    await until(lambda: len([p for p in pods_of(cluster, "pruner") if "-4-" in p]) == 3)
    left = sorted(
        name_of(one)
        for one in cluster.simulator.objects(CONFIG_MAPS)
        if name_of(one).startswith(("config-", "revision-status-"))
    )
    assert left == ["config-3", "config-4", "revision-status-3", "revision-status-4"]


class _MortalClient(RestClient):
    """Ends its operator right after a certain write has reached the API."""

    def __init__(self, config: ClientConfig, writes: int) -> None:
        super().__init__(config)
        self._left = writes
        self.dead = asyncio.Event()

    async def _request(
        self, method: str, target: str, body: bytes | None = None, media_type: str = ""
    ) -> bytes:
        if self.dead.is_set():
            await asyncio.Event().wait()
        answer = await super()._request(method, target, body, media_type)
        if method != "GET" and "/events" not in target:
            self._left -= 1
            if not self._left:
                self.dead.set()
                await asyncio.Event().wait()
        return answer


def check_history(cluster: OperatorCluster) -> None:
    """Check that no number was used twice and no two nodes were in progress, ever."""
    copies: dict[str, object] = {}
    for change in cluster.simulator._history:
        if change.resource is KUBE_API_SERVERS:
            targets = [one for one in node_statuses(change.object) if one.target_revision]
            assert len(targets) <= 1
        name = name_of(change.object)
        if change.resource is CONFIG_MAPS and name.rpartition("-")[2].isdecimal():
            assert copies.setdefault(name, change.object["data"]) == change.object["data"]


@pytest.mark.parametrize("writes", range(1, 26))
async def test_an_operator_that_is_killed_after_any_write_goes_on(
    cluster: OperatorCluster, writes: int
) -> None:
    await cluster.kill_operator()
    living, mortal = cluster.client, _MortalClient(cluster.client.config, writes)
    async with mortal:
        cluster.client = mortal
        cluster.start_operator()
        cluster.edit_issuer(ISSUER)
        await until(lambda: mortal.dead.is_set() or cluster.currents == [2, 2, 2])
        await cluster.kill_operator()
    cluster.client = living
    cluster.start_operator()
    await cluster.rolled_out(2)
    assert issuers(cluster, 2) == [ISSUER]
    check_history(cluster)


async def test_a_second_operator_that_wakes_up_does_no_harm(cluster: OperatorCluster) -> None:
    first = cluster.operator_task
    cluster.start_operator()
    cluster.edit_issuer(ISSUER)
    await cluster.rolled_out(2)
    await came_to_rest(cluster)
    assert cluster.currents == [2, 2, 2]
    check_history(cluster)
    assert first is not None
    first.cancel()
    await asyncio.wait([first])


async def test_missing_objects_stop_the_rollout_and_are_named(cluster: OperatorCluster) -> None:
    cluster.nodes.runs = lambda _: False
    cluster.edit_issuer(ISSUER)
    await until(lambda: pods_of(cluster, "installer"))
    cluster.simulator.remove(SECRETS, OPERAND, names.SERVING_CERT)
    await until(lambda: cluster.condition("InstallerControllerDegraded").get("status") == "True")
    assert cluster.condition("InstallerControllerDegraded")["message"] == (
        f"missing required resources: secrets: {names.SERVING_CERT}"
    )
    assert cluster.events("RequiredInstallerResourcesMissing")
    found = {"metadata": {"name": names.SERVING_CERT, "namespace": OPERAND}, "data": {}}
    cluster.simulator.put(SECRETS, found)
    cluster.nodes.runs = lambda _: True
    await cluster.rolled_out(2)
    await until(lambda: cluster.condition("InstallerControllerDegraded")["status"] == "False")


async def test_a_missing_input_is_named_and_makes_no_revision(cluster: OperatorCluster) -> None:
    await came_to_rest(cluster)
    cluster.simulator.remove(CONFIG_MAPS, OPERAND, names.KUBELET_SERVING_CA)
    await until(lambda: cluster.condition("RevisionControllerDegraded").get("status") == "True")
    found = cluster.condition("RevisionControllerDegraded")
    assert (found["reason"], found["message"]) == (
        "SyncError",
        f'configmaps "{names.KUBELET_SERVING_CA}" not found',
    )
    assert cluster.config_map("revision-status-2") is None


async def test_revocation_by_deleting_the_public_keys(cluster: OperatorCluster) -> None:
    await came_to_rest(cluster)
    cluster.simulator.put(
        CONFIG_MAPS,
        {
            "metadata": {"name": names.SIGNING_CERTS, "namespace": OPERAND},
            "data": {"service-account-001.pub": "other", "service-account-002.pub": "third"},
        },
    )
    await cluster.rolled_out(cluster.operator["status"]["latestAvailableRevision"])
    cluster.simulator.remove(CONFIG_MAPS, OPERAND, names.SIGNING_CERTS)
    await until(lambda: (cluster.config_map(names.SIGNING_CERTS) or {}).get("data"))
    found = cluster.config_map(names.SIGNING_CERTS)
    assert found is not None
    assert found["data"] == {"service-account-001.pub": "signing public key"}


async def test_only_the_leader_works(cluster: OperatorCluster) -> None:
    await cluster.kill_operator()
    electing = replace(cluster.settings, leader_elect=True, retry_period=0.05)
    standing = [asyncio.create_task(run(electing, cluster.client, cluster.clock)) for _ in range(2)]
    cluster.edit_issuer(ISSUER)
    await cluster.rolled_out(2)
    lease = cluster.simulator.object(LEASES, names.OPERATOR_NAMESPACE, names.OPERATOR_LEASE)
    assert lease is not None
    for task in standing:
        task.cancel()
    await asyncio.gather(*standing, return_exceptions=True)
    check_history(cluster)


async def test_a_certificate_that_changes_reaches_the_nodes_without_a_revision(
    cluster: OperatorCluster,
) -> None:
    await came_to_rest(cluster)
    cluster.nodes.fails = lambda _node, _revision, pod: "no" if "master-1" in pod else ""
    found = cluster.simulator.object(SECRETS, OPERAND, names.SERVING_CERT)
    assert found is not None
    cluster.simulator.put(SECRETS, found | {"data": {"tls.crt": "bmV3", "tls.key": "bmV3"}})
    await until(lambda: len(pods_of(cluster, "cert-sync")) >= 2)
    cluster.nodes.fails = lambda *_: ""
    await until(lambda: len(pods_of(cluster, "cert-sync")) == 3 and _certs_are_noted_down(cluster))
    assert cluster.config_map("revision-status-2") is None
    assert cluster.currents == [1, 1, 1]
