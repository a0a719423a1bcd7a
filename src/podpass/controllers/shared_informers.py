"""One informer per kind, shared by all controllers of the leader.

Of kinds whose content no controller reads, only the metadata is kept: secrets do not pile up in a
process that has no need of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from podpass.api.meta import name_of
from podpass.api.resources import (
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    DAEMON_SETS,
    DEPLOYMENTS,
    EVENTS,
    JOBS,
    LEASES,
    NAMESPACES,
    NODES,
    POD_DISRUPTION_BUDGETS,
    PODS,
    REPLICA_SETS,
    SERVICE_ACCOUNTS,
    STATEFUL_SETS,
    Object,
    Resource,
    stored_resources,
)
from podpass.base.clock import Clock
from podpass.client.informer import Informer
from podpass.client.rest import RestClient

ROOT_CA_CONFIG_MAP = "kube-root-ca.crt"
_KEPT_WHOLE = (
    NAMESPACES, SERVICE_ACCOUNTS, PODS, NODES, LEASES, DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS,
    DAEMON_SETS, CONTROLLER_REVISIONS, JOBS, POD_DISRUPTION_BUDGETS,
)  # fmt: skip


class SharedInformers:
    """The informers of all stored kinds but events."""

    def __init__(self, client: RestClient, clock: Clock) -> None:
        """Prepare; `run` starts them."""
        self._informers = {
            resource: Informer(client, resource, clock=clock, keep=_reduction(resource))
            for resource in stored_resources()
            if resource is not EVENTS
        }

    def __getitem__(self, resource: Resource) -> Informer:
        """Return the informer of a stored kind."""
        return self._informers[resource]

    def __contains__(self, resource: Resource) -> bool:
        """Tell whether the kind is watched."""
        return resource in self._informers

    def __iter__(self) -> Iterator[Resource]:
        """Iterate over the watched kinds."""
        return iter(self._informers)

    async def run(self) -> None:
        """Keep all copies fresh until cancelled."""
        async with asyncio.TaskGroup() as group:
            for informer in self._informers.values():
                group.create_task(informer.run())

    async def wait_synced(self, *resources: Resource) -> None:
        """Wait until these kinds, or all, were listed once."""
        for resource in resources or self._informers:
            await self._informers[resource].wait_synced()


def metadata_only(obj: Object) -> Object:
    """Return an object without its content."""
    return {key: obj[key] for key in ("apiVersion", "kind", "metadata") if key in obj}


def _root_ca_or_metadata(obj: Object) -> Object:
    return obj if name_of(obj) == ROOT_CA_CONFIG_MAP else metadata_only(obj)


def _reduction(resource: Resource) -> Callable[[Object], Object] | None:
    if resource in _KEPT_WHOLE:
        return None
    return _root_ca_or_metadata if resource is CONFIG_MAPS else metadata_only
