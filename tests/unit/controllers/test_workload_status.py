"""A status is written when it changed."""

import pytest
from controllers.workload_samples import workload

from podpass.api.errors import StatusError, internal, not_found
from podpass.api.resources import REPLICA_SETS, Object
from podpass.client.rest import RestClient
from podpass.controllers.workload_status import significant, write_status
from podpass.testing.api_simulator import ApiSimulator


def test_zeros_and_empty_lists_are_what_the_api_leaves_out() -> None:
    status: Object = {"a": 0, "b": None, "c": "", "d": [], "e": {}, "f": 1, "g": "x", "h": [0]}
    assert significant(status) == {"f": 1, "g": "x", "h": [0]}


def writes(simulator: ApiSimulator) -> list[str]:
    return [path for method, path, _ in simulator.requests if method == "PUT"]


async def test_a_change_is_written(simulator: ApiSimulator, client: RestClient) -> None:
    obj = simulator.put(REPLICA_SETS, workload(REPLICA_SETS))
    new = await write_status(client, REPLICA_SETS, obj, {"replicas": 2, "readyReplicas": 0})
    assert new["status"] == {"replicas": 2}
    assert new["metadata"]["resourceVersion"] != obj["metadata"]["resourceVersion"]
    assert writes(simulator) == ["/apis/apps/v1/namespaces/ns/replicasets/web/status"]


async def test_nothing_new_is_not_written(simulator: ApiSimulator, client: RestClient) -> None:
    obj = simulator.put(REPLICA_SETS, workload(REPLICA_SETS, status={"replicas": 2}))
    status = {"replicas": 2, "readyReplicas": 0, "conditions": []}
    assert await write_status(client, REPLICA_SETS, obj, status) is obj
    assert writes(simulator) == []


async def test_what_is_gone_has_no_status(simulator: ApiSimulator, client: RestClient) -> None:
    simulator.answers = [not_found("replicasets", "web"), internal("not now")]
    obj = workload(REPLICA_SETS)
    assert (await write_status(client, REPLICA_SETS, obj, {"replicas": 2}))["status"]
    with pytest.raises(StatusError, match="not now"):
        await write_status(client, REPLICA_SETS, obj, {"replicas": 2})
