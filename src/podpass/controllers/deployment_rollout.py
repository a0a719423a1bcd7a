"""Which replica set of a deployment gets how many pods next. Pure.

1. After `kubectl scale`: the one active replica set takes the new size; several, in the middle of
   a rolling update, share what is added or taken in proportion to their sizes.
2. Rolling update: the new one grows as far as the surge allows; then old ones shrink, unhealthy
   pods first, as far as enough pods stay available.
3. Recreate: the old ones go first, all at once.

Source: Kubernetes, `pkg/controller/deployment/{rolling,recreate,sync}.go`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from podpass.api.meta import name_of
from podpass.api.resources import Object
from podpass.controllers.deployment_limits import is_rolling, limits_of, replicas_of
from podpass.controllers.deployment_revisions import (
    DESIRED_REPLICAS,
    MAX_REPLICAS,
    by_creation,
    number_in,
)


@dataclass(frozen=True, slots=True)
class Scaling:
    """A replica set and the size it is to have; may be the size it has."""

    replica_set: Object
    replicas: int


def active(replica_sets: Sequence[Object]) -> list[Object]:
    """Return those that shall have pods."""
    return [one for one in replica_sets if replicas_of(one) > 0]


def available(replica_set: Object) -> int:
    """Return how many of its pods are available."""
    return int((replica_set.get("status") or {}).get("availableReplicas") or 0)


def was_scaled(deployment: Object, replica_sets: Sequence[Object]) -> bool:
    """Tell whether the deployment's size changed since its replica sets were sized."""
    return any(
        DESIRED_REPLICAS in (one["metadata"].get("annotations") or {})
        and number_in(one, DESIRED_REPLICAS) != replicas_of(deployment)
        for one in active(replica_sets)
    )


def size_of_new(deployment: Object, others: Sequence[Object], current: int) -> int:
    """Return how many pods the new replica set may have now.

    Args:
        deployment: The deployment.
        others: The old replica sets.
        current: How many it has, 0 before it is created.
    """
    wanted = replicas_of(deployment)
    if not is_rolling(deployment):
        return wanted
    total = current + sum(replicas_of(one) for one in others)
    room = wanted + limits_of(deployment).surge - total
    return current if room <= 0 else current + max(0, min(room, wanted - current))


def resized(deployment: Object, new: Object | None, old: Sequence[Object]) -> list[Scaling]:
    """Return what follows from a new size of the deployment (rule 1)."""
    wanted = replicas_of(deployment)
    everything = [*old, *([new] if new is not None else [])]
    busy = active(everything)
    if len(busy) <= 1:
        newest_first = by_creation(old)[::-1]
        only = busy[0] if busy else (new or next(iter(newest_first), None))
        return [Scaling(only, wanted)] if only is not None else []
    if not is_rolling(deployment) or (new is not None and _is_saturated(deployment, new)):
        return [Scaling(one, 0) for one in active(old)]
    return _proportional(deployment, busy)


def _is_saturated(deployment: Object, new: Object) -> bool:
    wanted = replicas_of(deployment)
    sized = number_in(new, DESIRED_REPLICAS) == wanted
    return sized and replicas_of(new) == wanted and available(new) == wanted


def _proportional(deployment: Object, busy: Sequence[Object]) -> list[Scaling]:
    wanted = replicas_of(deployment)
    allowed = wanted + limits_of(deployment).surge if wanted else 0
    missing = allowed - sum(replicas_of(one) for one in busy)
    ordered = by_creation(busy)
    # Largest first; of equals the newest when pods are added, the oldest when they are taken.
    if missing > 0:
        ordered.reverse()
    ordered.sort(key=replicas_of, reverse=True)
    target: dict[str, int] = {}
    given = 0
    for one in ordered:
        part = 0
        if missing:
            part = _fraction(deployment, one)
            left = missing - given
            part = min(part, left) if missing > 0 else max(part, left)
        target[name_of(one)] = replicas_of(one) + part
        given += part
    if missing:
        first = name_of(ordered[0])
        target[first] = max(0, target[first] + missing - given)
    return [Scaling(one, target[name_of(one)]) for one in ordered]


def _fraction(deployment: Object, replica_set: Object) -> int:
    """Return by how much a replica set changes to keep its share of the deployment."""
    current, wanted = replicas_of(replica_set), replicas_of(deployment)
    if wanted == 0:
        return -current
    before = number_in(replica_set, MAX_REPLICAS)
    before = before or int((deployment.get("status") or {}).get("replicas") or 0) or current
    after = wanted + limits_of(deployment).surge
    return math.floor(current * after / before + 0.5) - current


def rolled(deployment: Object, new: Object, old: Sequence[Object]) -> list[Scaling]:
    """Return the next step of a rolling update (rule 2); nothing while there is none to take."""
    wanted, current = replicas_of(deployment), replicas_of(new)
    target = wanted if current > wanted else size_of_new(deployment, old, current)
    if target != current:
        return [Scaling(new, target)]
    return _shrunk(deployment, new, [one for one in by_creation(old) if replicas_of(one)])


def _shrunk(deployment: Object, new: Object, old: Sequence[Object]) -> list[Scaling]:
    least = replicas_of(deployment) - limits_of(deployment).unavailable
    everything = replicas_of(new) + sum(replicas_of(one) for one in old)
    room = everything - least - max(0, replicas_of(new) - available(new))
    if room <= 0:
        return []
    sizes = {name_of(one): replicas_of(one) for one in old}
    for one in old:  # pods that serve nobody
        taken = min(room, max(0, sizes[name_of(one)] - available(one)))
        sizes[name_of(one)] -= taken
        room -= taken
    spare = available(new) + sum(available(one) for one in old) - least
    for one in old:
        taken = max(0, min(spare, sizes[name_of(one)]))
        sizes[name_of(one)] -= taken
        spare -= taken
    return [
        Scaling(one, sizes[name_of(one)]) for one in old if sizes[name_of(one)] != replicas_of(one)
    ]
