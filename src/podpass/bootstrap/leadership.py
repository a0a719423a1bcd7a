"""Nobody leads in a cluster that was restored.

The leases in a backup name processes that are gone. The first controller manager and the first
operator would wait for them, 15 seconds in which nothing is scheduled.
"""

from __future__ import annotations

from typing import Final

import orjson

from podpass.operator import names
from podpass.storage.interface import KeyValue

_LEASES = "/registry/coordination.k8s.io/leases"
_OURS: Final = (
    f"{_LEASES}/kube-system/kube-controller-manager",
    f"{_LEASES}/{names.OPERATOR_NAMESPACE}/{names.OPERATOR_LEASE}",
)


def without_leader(entry: KeyValue) -> KeyValue:
    """Return a key of the store as its holder would leave it who ends in good order.

    Leases of nodes and of users are as they were.
    """
    if entry.key not in _OURS:
        return entry
    try:
        lease = orjson.loads(entry.value)
        freed = lease["spec"] | {"holderIdentity": "", "leaseDurationSeconds": 1}
        content = orjson.dumps(lease | {"spec": freed})
    except (orjson.JSONDecodeError, LookupError, TypeError):
        return entry
    return KeyValue(entry.key, content, entry.create_revision, entry.mod_revision)
