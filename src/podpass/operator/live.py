"""What the operator watches; one informer a collection, shared by all its controllers."""

from __future__ import annotations

import asyncio

from podpass.api.meta import labels_of
from podpass.api.resources import (
    AUTHENTICATIONS,
    CLUSTER_OPERATORS,
    CONFIG_MAPS,
    INFRASTRUCTURES,
    KUBE_API_SERVERS,
    NODES,
    PODS,
    SECRETS,
    Object,
    Resource,
)
from podpass.base.clock import Clock
from podpass.client.informer import Informer
from podpass.client.rest import RestClient
from podpass.operator import names


class Live:
    """The informers.

    Attributes:
        authentications: The field that an administrator edits.
        operators: The KubeAPIServer.
        infrastructures: Addresses of the API.
        cluster_operators: What the cluster shows.
        nodes: Labels, addresses and conditions.
        pods: Of the operand's namespace.
        config_maps: Of the operand's namespace; names only, content is read when it is needed.
        secrets: Likewise.
        operator_secrets: Of the operator's namespace.
        published: ConfigMaps that other consumers read.
    """

    def __init__(self, client: RestClient, clock: Clock) -> None:
        def informer(resource: Resource, namespace: str | None = None) -> Informer:
            keep = None
            if resource in (CONFIG_MAPS, SECRETS):
                keep = _metadata
            elif resource is NODES:
                keep = _node
            return Informer(client, resource, clock=clock, namespace=namespace, keep=keep)

        self.authentications = informer(AUTHENTICATIONS)
        self.operators = informer(KUBE_API_SERVERS)
        self.infrastructures = informer(INFRASTRUCTURES)
        self.cluster_operators = informer(CLUSTER_OPERATORS)
        self.nodes = informer(NODES)
        self.pods = informer(PODS, names.OPERAND_NAMESPACE)
        self.config_maps = informer(CONFIG_MAPS, names.OPERAND_NAMESPACE)
        self.secrets = informer(SECRETS, names.OPERAND_NAMESPACE)
        self.operator_secrets = informer(SECRETS, names.OPERATOR_NAMESPACE)
        self.published = informer(CONFIG_MAPS, names.MACHINE_CONFIG_NAMESPACE)

    @property
    def _all(self) -> tuple[Informer, ...]:
        return (
            self.authentications,
            self.operators,
            self.infrastructures,
            self.cluster_operators,
            self.nodes,
            self.pods,
            self.config_maps,
            self.secrets,
            self.operator_secrets,
            self.published,
        )

    @property
    def operator(self) -> Object:
        """The KubeAPIServer as last seen, or an empty object."""
        return self.operators.get(None, names.CLUSTER) or {}

    async def run(self) -> None:
        """Keep all copies fresh until cancelled."""
        async with asyncio.TaskGroup() as group:
            for one in self._all:
                group.create_task(one.run())

    async def wait_synced(self) -> None:
        """Wait until everything was listed once."""
        for one in self._all:
            await one.wait_synced()


def _metadata(obj: Object) -> Object:
    return {"metadata": obj.get("metadata", {})}


def _node(obj: Object) -> Object:
    status = obj.get("status") or {}
    return {
        "metadata": {
            key: value
            for key, value in obj["metadata"].items()
            if key in ("name", "uid", "resourceVersion", "creationTimestamp")
        }
        | {"labels": labels_of(obj)},
        "status": {
            "addresses": status.get("addresses") or [],
            "conditions": [
                # Heartbeats are no change.
                {key: value for key, value in one.items() if key != "lastHeartbeatTime"}
                for one in status.get("conditions") or ()
                if one.get("type") == "Ready"
            ],
        },
    }
