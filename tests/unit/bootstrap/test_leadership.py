"""`bootstrap.leadership`: the leaders of a backup are gone, leases of others are theirs."""

from __future__ import annotations

import orjson
import pytest

from podpass.bootstrap.leadership import without_leader
from podpass.controllers.settings import ControllerManagerSettings
from podpass.operator import names
from podpass.storage.interface import KeyValue, StoreRevision

LEASE = {
    "apiVersion": "coordination.k8s.io/v1",
    "kind": "Lease",
    "spec": {"holderIdentity": "master-0_x", "leaseDurationSeconds": 15, "leaseTransitions": 2},
}
SETTINGS = ControllerManagerSettings()
MANAGER = f"{SETTINGS.leader_elect_resource_namespace}/{SETTINGS.leader_elect_resource_name}"


def entry(place: str, value: bytes) -> KeyValue:
    key = f"/registry/coordination.k8s.io/leases/{place}"
    return KeyValue(key, value, StoreRevision(3), StoreRevision(4))


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(MANAGER, id="of the controller manager"),
        pytest.param(f"{names.OPERATOR_NAMESPACE}/{names.OPERATOR_LEASE}", id="of the operator"),
    ],
)
def test_a_lease_of_the_control_plane_names_nobody(place: str) -> None:
    found = without_leader(entry(place, orjson.dumps(LEASE)))
    spec = orjson.loads(found.value)["spec"]
    assert spec == {"holderIdentity": "", "leaseDurationSeconds": 1, "leaseTransitions": 2}
    assert (found.create_revision, found.mod_revision) == (3, 4)


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(entry("kube-node-lease/master-0", orjson.dumps(LEASE)), id="of a node"),
        pytest.param(entry("default/mine", orjson.dumps(LEASE)), id="of a user"),
        pytest.param(entry(MANAGER, b"\xff"), id="that cannot be read"),
        pytest.param(entry(MANAGER, b"{}"), id="that was never held"),
        pytest.param(entry(MANAGER, b'{"spec": null}'), id="without content"),
    ],
)
def test_another_lease_is_as_it_was(one: KeyValue) -> None:
    assert without_leader(one) is one
