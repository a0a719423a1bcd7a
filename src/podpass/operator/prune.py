"""Which revisions may go, from the API and from the disks of the nodes.

Kept are: while a node is behind, the newest ones; for each node the ones up to what it runs, what
it is to run and what failed there last. Limits of 0 mean 5, negative ones keep everything.
Source: openshift/library-go, `staticpod/controller/prune`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from podpass.api.resources import Object
from podpass.operator.node_status import NodeStatus

DEFAULT_LIMIT = 5


@dataclass(frozen=True, slots=True)
class Limits:
    """How many revisions stay.

    Attributes:
        failed: Up to the last failed one of a node.
        succeeded: Up to the one that a node runs.
    """

    failed: int = DEFAULT_LIMIT
    succeeded: int = DEFAULT_LIMIT

    @property
    def unlimited(self) -> bool:
        """Whether everything stays."""
        return self.failed < 0 or self.succeeded < 0


def read_limits(spec: Object) -> Limits:
    """Return the limits in the spec of a KubeAPIServer."""
    return Limits(
        int(spec.get("failedRevisionLimit") or DEFAULT_LIMIT),
        int(spec.get("succeededRevisionLimit") or DEFAULT_LIMIT),
    )


def protected_revisions(nodes: Sequence[NodeStatus], latest: int, limits: Limits) -> set[int]:
    """Return the revisions that must stay, out of 1 to `latest`."""
    if limits.unlimited:
        return set(range(1, latest + 1))
    larger = max(limits.failed, limits.succeeded)
    kept: set[int] = set()
    if any(node.current_revision < latest for node in nodes) or not nodes:
        kept |= _up_to(latest, larger)
    for node in nodes:
        kept |= _up_to(node.current_revision, limits.succeeded)
        kept |= _up_to(node.target_revision, larger)
        kept |= _up_to(node.last_failed_revision, limits.failed)
    return {one for one in kept if one <= latest}


def prunable_revisions(existing: Iterable[int], protected: set[int], latest: int) -> list[int]:
    """Return which of the existing revisions may be deleted; never one beyond `latest`."""
    return sorted(one for one in existing if one <= latest and one not in protected)


def _up_to(revision: int, count: int) -> set[int]:
    return set(range(max(1, revision - count + 1), revision + 1))
