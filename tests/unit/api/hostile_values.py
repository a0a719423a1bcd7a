"""Values and objects as nobody means them, for properties of what reads them."""

from __future__ import annotations

import copy
from typing import Any

import orjson
from hypothesis import strategies as st

from podpass.api.errors import StatusError
from podpass.api.resources import Object

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 70), 1 << 70)
    | st.floats(allow_nan=False)
    | st.text(max_size=12)
    | st.sampled_from(
        ["", "0", "-1", "1Gi", "/", "..", "a/b", "a=b", "*", "\x00", "2026-01-01T00:00:00Z", "é"]
    )
)
KEYS = st.text(max_size=8) | st.sampled_from(
    ["name", "metadata", "spec", "$patch", "key", "labels", "items", "uid", "/", ""]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)

POD: Object = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "p",
        "namespace": "default",
        "labels": {"a": "b"},
        "annotations": {"a": "b"},
        "finalizers": ["a/b"],
        "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "o", "uid": "u"}],
    },
    "spec": {
        "serviceAccountName": "default",
        "terminationGracePeriodSeconds": 30,
        "nodeSelector": {"a": "b"},
        "tolerations": [{"key": "a", "operator": "Exists", "effect": "NoExecute"}],
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [
                        {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}
                    ]
                }
            }
        },
        "securityContext": {"runAsUser": 1, "fsGroup": 2},
        "containers": [
            {
                "name": "c",
                "image": "nginx",
                "command": ["a"],
                "env": [
                    {"name": "A", "value": "b"},
                    {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                ],
                "ports": [{"containerPort": 80, "protocol": "TCP"}],
                "resources": {"limits": {"cpu": "1"}, "requests": {"memory": "1Mi"}},
                "livenessProbe": {"httpGet": {"port": 80, "path": "/"}, "periodSeconds": 3},
                "volumeMounts": [{"name": "v", "mountPath": "/v"}],
            }
        ],
        "volumes": [
            {"name": "s", "secret": {"secretName": "s", "items": [{"key": "k", "path": "p"}]}},
            {
                "name": "v",
                "projected": {
                    "defaultMode": 420,
                    "sources": [
                        {"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}},
                        {"downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "x"}}]}},
                    ],
                },
            },
        ],
    },
    "status": {"phase": "Pending", "conditions": [{"type": "Ready", "status": "False"}]},
}


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the path of every value inside of `value`."""
    inner: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [one for key, item in inner for one in [(*path, key), *places(item, (*path, key))]]


def replaced(value: Any, path: tuple[str | int, ...], by: Any) -> Any:
    """Return a copy of `value` that has `by` at `path`."""
    out = copy.deepcopy(value)
    at = out
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = by
    return out


SPOILED_PODS = st.builds(
    replaced, st.just(POD), st.sampled_from([one for one in places(POD) if len(one) > 1]), VALUES
)
"""A good pod with a value of any type in one place."""


def refusable(error: StatusError) -> None:
    """Check that a refusal blames the client and can be sent."""
    assert error.code in {400, 413, 422}
    orjson.dumps(error.to_status())
