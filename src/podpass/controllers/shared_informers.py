"""One informer per kind, shared by all controllers of the leader.

Of kinds whose content no controller reads, only the metadata is kept: secrets do not pile up in a
process that has no need of them. Of token Secrets it is kept what they lack, never the token;
of bootstrap tokens, when they end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from podpass.api.bootstrap_token import SECRET_TYPE as BOOTSTRAP_TYPE
from podpass.api.meta import name_of
from podpass.api.resources import (
    CERTIFICATE_SIGNING_REQUESTS,
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    CUSTOM_RESOURCE_DEFINITIONS,
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
    SECRETS,
    SERVICE_ACCOUNTS,
    STATEFUL_SETS,
    Object,
    Resource,
    find_kind,
    stored_resources,
)
from podpass.base.clock import Clock
from podpass.client.informer import Informer
from podpass.client.rest import RestClient
from podpass.controllers.custom_informers import CustomInformers, without_schemas
from podpass.serviceaccount.token_secret import (
    CA_KEY,
    NAMESPACE_KEY,
    TOKEN_KEY,
    TOKEN_TYPE,
)

ROOT_CA_CONFIG_MAP = "kube-root-ca.crt"
HELD = "held"
"""Stands for a token that a Secret has."""
_KEPT_WHOLE = (
    NAMESPACES, SERVICE_ACCOUNTS, PODS, NODES, LEASES, DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS,
    DAEMON_SETS, CONTROLLER_REVISIONS, JOBS, POD_DISRUPTION_BUDGETS,
    CERTIFICATE_SIGNING_REQUESTS,
)  # fmt: skip


class SharedInformers:
    """The informers of all stored kinds but events.

    Attributes:
        custom: The informers of custom kinds, which come and go.
    """

    def __init__(self, client: RestClient, clock: Clock) -> None:
        """Prepare; `run` starts them."""
        self._informers = {
            resource: Informer(client, resource, clock=clock, keep=_reduction(resource))
            for resource in stored_resources()
            if resource is not EVENTS
        }
        definitions = self._informers[CUSTOM_RESOURCE_DEFINITIONS]
        self.custom = CustomInformers(client, definitions, clock)

    def find(self, resource: Resource) -> Informer | None:
        """Return the informer of a kind, a custom one too, or None."""
        return self._informers.get(resource) or self.custom.get(resource)

    def find_kind(self, api_version: str, kind: str) -> Resource | None:
        """Return the watched kind of an owner reference, a custom one too, or None."""
        found = find_kind(api_version, kind)
        if found is None:
            return self.custom.find_kind(api_version, kind)
        return found if found in self._informers else None

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
            group.create_task(self.custom.run())
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


def _type_and_lacks(secret: Object) -> Object:
    kept = metadata_only(secret) | {"type": secret.get("type") or ""}
    if kept["type"] == BOOTSTRAP_TYPE:
        expiration = (secret.get("data") or {}).get("expiration")
        return kept | {"data": {"expiration": expiration} if expiration else {}}
    if kept["type"] != TOKEN_TYPE:
        return kept
    data = {key: value for key, value in (secret.get("data") or {}).items() if value}
    shown = {key: data[key] for key in (CA_KEY, NAMESPACE_KEY) if key in data}
    if TOKEN_KEY in data:
        shown[TOKEN_KEY] = HELD
    return kept | {"data": shown, "immutable": bool(secret.get("immutable"))}


def _reduction(resource: Resource) -> Callable[[Object], Object] | None:
    if resource in _KEPT_WHOLE:
        return None
    if resource is CUSTOM_RESOURCE_DEFINITIONS:
        return without_schemas
    if resource is SECRETS:
        return _type_and_lacks
    return _root_ca_or_metadata if resource is CONFIG_MAPS else metadata_only
