"""Gathers the rules of ClusterRoles that aggregate others by their labels.

1. The rules are those of all other ClusterRoles that a selector chooses, by name, each once.
2. Nothing is written when only the order differs.

So a kind's own roles, labelled `rbac.authorization.k8s.io/aggregate-to-edit` and the like, reach
the people who have `edit`. Source: Kubernetes `pkg/controller/clusterroleaggregation`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from podpass.api.errors import StatusError
from podpass.api.meta import labels_of, name_of
from podpass.api.resources import CLUSTER_ROLES, Object
from podpass.api.selectors import LabelSelector
from podpass.base.clock import Clock
from podpass.client.controller import Controller
from podpass.client.rest import RestClient
from podpass.controllers.refusals import is_conflict, is_not_found
from podpass.controllers.shared_informers import SharedInformers

_ALL = "all"


class ClusterRoleAggregation:
    """Looks at all ClusterRoles when one of them has changed."""

    def __init__(self, client: RestClient, informers: SharedInformers, clock: Clock) -> None:
        self._client = client
        self._informers = informers
        self._controller = Controller("clusterrole-aggregation", self.reconcile, clock=clock)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._informers.wait_synced(CLUSTER_ROLES)
        self._informers[CLUSTER_ROLES].on_change(self._changed)
        await self._controller.run()

    async def reconcile(self, _: str) -> None:
        """Write the rules of each aggregating role that lacks some or has others.

        Raises:
            StatusError: The API server refused.
            ConnectionFailed: The API server was not reached.
        """
        roles = (await self._client.list(CLUSTER_ROLES))["items"]
        for role in roles:
            wanted = aggregated_rules(role, roles)
            if wanted is None or _same(wanted, role.get("rules") or []):
                continue
            try:
                await self._client.update(CLUSTER_ROLES, role | {"rules": wanted})
            except StatusError as error:
                # A conflict means that the role changed: the informer brings it back here.
                if not (is_not_found(error) or is_conflict(error)):
                    raise

    def _changed(self, *_: Object | None) -> None:
        self._controller.enqueue(_ALL)


def aggregated_rules(role: Object, roles: Iterable[Object]) -> list[Object] | None:
    """Return the rules that an aggregating role should have, None for other roles (rule 1)."""
    aggregation: Any = role.get("aggregationRule")
    if not aggregation:
        return None
    selectors = [
        LabelSelector.from_object(one) for one in aggregation.get("clusterRoleSelectors") or ()
    ]
    rules: list[Object] = []
    for other in sorted(roles, key=name_of):
        if name_of(other) != name_of(role) and any(
            one.matches(labels_of(other)) for one in selectors
        ):
            rules += [rule for rule in other.get("rules") or () if rule not in rules]
    return rules


def _same(left: list[Object], right: list[Object]) -> bool:
    return len(left) == len(right) and all(rule in right for rule in left)
