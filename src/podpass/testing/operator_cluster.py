"""A cluster for tests of the operator: an API simulator, simulated nodes, the real controllers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from podpass.api.meta import find_condition
from podpass.api.resources import (
    AUTHENTICATIONS,
    CONFIG_MAPS,
    EVENTS,
    KUBE_API_SERVERS,
    Object,
    find_kind,
)
from podpass.base.clock import Clock, SystemClock
from podpass.client.config import ClientConfig
from podpass.client.rest import RestClient
from podpass.operator import names
from podpass.operator.app import run_controllers
from podpass.operator.node_status import node_statuses
from podpass.operator.pod_manifests import NodeAddress
from podpass.operator.profiles import LEGACY, Profile
from podpass.operator.seed import Seed, initial_objects
from podpass.operator.settings import SHORT, ControlPlane, OperatorSettings
from podpass.testing.api_simulator import ApiSimulator
from podpass.testing.fake_clock import until
from podpass.testing.simulated_nodes import SimulatedNodes

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NODE_NAMES = ("master-0", "master-1", "master-2")
ISSUER = "https://test.default.svc"
FAST = replace(
    SHORT,
    min_ready=timedelta(0),
    installer_retry=timedelta(milliseconds=5),
    installer_retry_limit=timedelta(milliseconds=20),
)
PLANE = ControlPlane(
    node_directory="/home/cluster/nodes/NODE_NAME",
    store_directory="/home/cluster/store",
    run_directory="/home/cluster/run",
    signing_algorithm="ES256",
)


def make_seed(issuer: str = "") -> Seed:
    """Return a seed whose certificates and keys are mere words."""
    return Seed(
        nodes=[NodeAddress(name, f"127.0.0.{11 + i}") for i, name in enumerate(NODE_NAMES)],
        server_url="https://127.0.0.1:6443",
        issuer=issuer,
        ca_certificate=b"ca",
        serving_certificate=b"serving",
        serving_key=b"serving key",
        kubelet_client_certificate=b"client",
        kubelet_client_key=b"client key",
        signing_key=b"signing key",
        signing_public_key=b"signing public key",
        operator_kubeconfig=b"operator",
        installer_kubeconfig=b"installer",
    )


def make_settings(profile: Profile = LEGACY) -> OperatorSettings:
    """Return settings with the shortest waits."""
    return OperatorSettings(control_plane=PLANE, profile=profile, timing=FAST, leader_elect=False)


@dataclass
class OperatorCluster:
    """A cluster in an API simulator with an operator that can be started and killed.

    Attributes:
        simulator: The API.
        client: Of the operator.
        nodes: What runs the pods.
        settings: Of the operator.
        clock: Of the operator.
        operator_task: The operator, while it runs.
    """

    simulator: ApiSimulator
    client: RestClient
    nodes: SimulatedNodes
    settings: OperatorSettings
    clock: Clock
    operator_task: asyncio.Task[None] | None = None

    def start_operator(self) -> None:
        """Start it, on the state that is there."""
        self.operator_task = asyncio.create_task(
            run_controllers(self.settings, self.client, self.clock)
        )

    async def kill_operator(self) -> None:
        """End it wherever it is."""
        if self.operator_task is not None:
            self.operator_task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.operator_task
            self.operator_task = None

    @property
    def operator(self) -> Object:
        """The KubeAPIServer."""
        found = self.simulator.object(KUBE_API_SERVERS, "", "cluster")
        assert found is not None  # noqa: S101 - seeded
        return found

    @property
    def currents(self) -> list[int]:
        """`currentRevision` of every node."""
        return [one.current_revision for one in node_statuses(self.operator)]

    def condition(self, type_: str) -> Object:
        """Return a condition of the KubeAPIServer, or an empty object."""
        return find_condition(self.operator["status"].get("conditions") or (), type_) or {}

    def config_map(self, name: str, namespace: str = names.OPERAND_NAMESPACE) -> Object | None:
        """Return a ConfigMap."""
        return self.simulator.object(CONFIG_MAPS, namespace, name)

    def edit_issuer(self, issuer: str) -> None:
        """Do what `oc edit authentications cluster` does."""
        found = self.simulator.object(AUTHENTICATIONS, "", "cluster")
        assert found is not None  # noqa: S101 - seeded
        spec = found["spec"] | {"serviceAccountIssuer": issuer}
        self.simulator.put(AUTHENTICATIONS, found | {"spec": spec})

    def edit_operator(self, **spec: object) -> None:
        """Change fields of the KubeAPIServer's spec."""
        found = self.operator
        self.simulator.put(KUBE_API_SERVERS, found | {"spec": found["spec"] | spec})

    def events(self, reason: str) -> list[str]:
        """Return the messages of the events with a reason."""
        return [
            str(one["message"]) for one in self.simulator.objects(EVENTS) if one["reason"] == reason
        ]

    async def rolled_out(self, revision: int) -> None:
        """Wait until all nodes run a revision, and the conditions say so."""
        await until(
            lambda: (
                self.currents == [revision] * len(self.nodes.names)
                and self.condition("NodeInstallerProgressing").get("status") == "False"
            ),
            seconds=30,
        )


def seed_simulator(simulator: ApiSimulator, settings: OperatorSettings) -> None:
    """Store all objects of revision 1."""
    for obj in initial_objects(make_seed(), settings, now=NOW):
        resource = find_kind(obj["apiVersion"], obj["kind"])
        if resource is not None and resource.stored:
            simulator.put(resource, obj)


@contextlib.asynccontextmanager
async def running_cluster(profile: Profile = LEGACY) -> AsyncIterator[OperatorCluster]:
    """Run a cluster of three nodes at revision 1, with its operator."""
    settings = make_settings(profile)
    clock = SystemClock()
    async with ApiSimulator() as simulator:
        seed_simulator(simulator, settings)
        nodes = SimulatedNodes(simulator, clock, NODE_NAMES)
        nodes.start()
        running = asyncio.create_task(nodes.run())
        async with RestClient(ClientConfig(simulator.url)) as client:
            cluster = OperatorCluster(simulator, client, nodes, settings, clock)
            cluster.start_operator()
            yield cluster
            await cluster.kill_operator()
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
