"""What tests of a rollout ask of a cluster, and what they change in it."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from typing import Any

from harness import ClusterUnderTest, eventually

OPERATOR_NAMESPACE = "openshift-kube-apiserver-operator"
OPERAND_NAMESPACE = "openshift-kube-apiserver"
ROLLOUT_SECONDS = 100.0
"""Far more than a rollout takes; a busy machine must not fail a test."""


def set_issuer(cluster: ClusterUnderTest, issuer: str) -> None:
    patch = {"spec": {"serviceAccountIssuer": issuer}}
    cluster.ok("patch", "authentications", "cluster", "--type=merge", "-p", json.dumps(patch))


def patch_operator(cluster: ClusterUnderTest, spec: Mapping[str, Any]) -> None:
    patch = json.dumps({"spec": spec})
    cluster.ok("patch", "kubeapiserver", "cluster", "--type=merge", "-p", patch)


def operator_object(cluster: ClusterUnderTest) -> dict[str, Any]:
    found: dict[str, Any] = cluster.get("kubeapiserver", "cluster")
    return found


def condition(found: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return a condition of an object, or an empty one."""
    of_kind = [one for one in found["status"].get("conditions", ()) if one["type"] == kind]
    return of_kind[0] if of_kind else {}


def is_true(found: Mapping[str, Any], kind: str) -> bool:
    return condition(found, kind).get("status") == "True"


def latest(found: Mapping[str, Any]) -> int:
    return int(found["status"]["latestAvailableRevision"])


def currents(found: Mapping[str, Any]) -> list[int]:
    return [int(one.get("currentRevision", 0)) for one in found["status"]["nodeStatuses"]]


def targets(found: Mapping[str, Any]) -> dict[str, int]:
    """Return the revision that is being installed, by node."""
    return {
        one["nodeName"]: one["targetRevision"]
        for one in found["status"]["nodeStatuses"]
        if one.get("targetRevision")
    }


def running_issuers(cluster: ClusterUnderTest) -> dict[str, str]:
    """Return the issuer that each node's API server announces; empty where none answers."""
    return {
        node["metadata"]["name"]: _announced(cluster, node["status"]["addresses"][0]["address"])
        for node in cluster.get("nodes")["items"]
    }


def _announced(cluster: ClusterUnderTest, address: str) -> str:
    pki = cluster.home / "pki"
    context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
    connection = http.client.HTTPSConnection(address, cluster.port, context=context, timeout=5)
    try:
        connection.request("GET", "/.well-known/openid-configuration")
        return str(json.loads(connection.getresponse().read()).get("issuer", ""))
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()


def is_accepted(cluster: ClusterUnderTest, token: str) -> bool:
    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token, "audiences": ["vault"]},
    }
    out = cluster.ok("create", "-f", "-", "-o", "json", stdin=json.dumps(review))
    return bool(json.loads(out)["status"].get("authenticated"))


class RevisionLedger:
    """Remembers every numbered object that was seen, to prove that no number meant two things."""

    def __init__(self, cluster: ClusterUnderTest) -> None:
        self._cluster = cluster
        self._seen: dict[str, tuple[str, str]] = {}

    def look(self) -> None:
        """Note what is there now.

        Raises:
            AssertionError: A name that was seen before is another object, or says something else.
        """
        for one in self._cluster.get("-n", OPERAND_NAMESPACE, "configmaps")["items"]:
            name = one["metadata"]["name"]
            if not name.rpartition("-")[2].isdecimal():
                continue
            is_now = (one["metadata"]["uid"], json.dumps(one.get("data"), sort_keys=True))
            assert self._seen.setdefault(name, is_now) == is_now, f"{name} was used twice"

    def numbers(self) -> list[int]:
        """Return the numbers of all revisions that were seen."""
        return sorted(
            int(name.rpartition("-")[2])
            for name in self._seen
            if name.startswith("revision-status-")
        )


def settle(
    cluster: ClusterUnderTest, issuer: str, ledger: RevisionLedger | None = None
) -> dict[str, Any]:
    """Wait until all nodes run this issuer at the latest revision; return the KubeAPIServer."""

    def settled() -> dict[str, Any] | None:
        if ledger is not None:
            ledger.look()
        found = operator_object(cluster)
        at_latest = set(currents(found)) == {latest(found)} and not targets(found)
        if not at_latest or is_true(found, "NodeInstallerProgressing"):
            return None
        return found if set(running_issuers(cluster).values()) == {issuer} else None

    return eventually(settled, within=ROLLOUT_SECONDS, what=f"a rollout to {issuer}")


def operator_runs(cluster: ClusterUnderTest) -> bool:
    pods = cluster.get("-n", OPERATOR_NAMESPACE, "pods")["items"]
    return [pod["status"].get("phase") for pod in pods] == ["Running"]
