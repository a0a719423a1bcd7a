from __future__ import annotations

import pytest

from podpass.api.meta import UserInfo
from podpass.apiserver.overload.flow_schemas import FLOW_SCHEMAS, SHARES, flow_schema
from podpass.apiserver.request_info import parse_request

LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1"
TOKEN = "/api/v1/namespaces/ns/serviceaccounts/sa/token"
ACCOUNT = ("system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated")


@pytest.mark.parametrize(
    ("user", "groups", "path", "schema", "lane"),
    [
        pytest.param(
            "kubernetes-admin", ("system:masters",), TOKEN, "exempt", "exempt",
            id="administrators never wait",
        ),
        pytest.param(
            "system:kube-controller-manager", (), TOKEN, "system-controllers", "system",
            id="the controller manager keeps the cluster going",
        ),
        pytest.param(
            "system:kube-apiserver-operator", (), TOKEN, "system-controllers", "system",
            id="so does the operator",
        ),
        pytest.param(
            "system:node:n1", ("system:nodes",), LEASE, "system-leader-election", "system",
            id="the lease of a node says that it is alive",
        ),
        pytest.param(
            "system:node:n1", ("system:nodes",), TOKEN, "system-nodes", "node",
            id="renewals of a kubelet have a lane of their own",
        ),
        pytest.param(
            "system:serviceaccount:kube-system:c", (*ACCOUNT, "system:serviceaccounts:kube-system"),
            LEASE, "system-leader-election", "system",
            id="leader election in kube-system is urgent",
        ),
        pytest.param(
            "system:serviceaccount:ns:sa", ACCOUNT, LEASE, "service-accounts", "workload",
            id="leases of a workload are its own affair",
        ),
        pytest.param(
            "system:serviceaccount:ns:sa", ACCOUNT, TOKEN, "service-accounts", "workload",
            id="service accounts are workloads",
        ),
        pytest.param(
            "alice", ("system:authenticated",), TOKEN, "global-default", "workload",
            id="so are people",
        ),
        pytest.param(
            "system:anonymous", ("system:unauthenticated",), TOKEN, "catch-all", "workload",
            id="and whoever nobody knows",
        ),
    ],
)  # fmt: skip
def test_lanes(user: str, groups: tuple[str, ...], path: str, schema: str, lane: str) -> None:
    found = flow_schema(UserInfo(user, groups=groups), parse_request("POST", path, {}))
    assert (found, FLOW_SCHEMAS[found]) == (schema, lane)


def test_every_lane_that_queues_has_seats() -> None:
    assert set(FLOW_SCHEMAS.values()) == {"exempt", *SHARES}
