"""Pods and workloads for tests."""

from __future__ import annotations

from typing import Any

from podpass.api.resources import Object, Resource

LABELS = {"app": "web"}


def owner_reference(resource: Resource, name: str, uid: str) -> Object:
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def pod(
    name: str = "p",
    phase: str = "Running",
    *,
    ready: str | None = None,
    node: str = "n",
    owner: Object | None = None,
    labels: dict[str, str] | None = None,
    spec: Object | None = None,
    status: Object | None = None,
    **metadata: Any,
) -> Object:
    """Return a pod; `ready` is since when it is."""
    conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": ready}] if ready else []
    made: Object = {
        "metadata": {
            "name": name,
            "namespace": "ns",
            "uid": f"uid-of-{name}",
            "labels": LABELS if labels is None else labels,
            "ownerReferences": [owner] if owner else [],
        }
        | metadata,
        "spec": ({"nodeName": node} if node else {}) | (spec or {}),
        "status": {"phase": phase, "conditions": conditions} | (status or {}),
    }
    return made


def workload(
    resource: Resource, name: str = "web", *, status: Object | None = None, **spec: Any
) -> Object:
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": name, "namespace": "ns", "uid": f"uid-of-{name}", "generation": 1},
        "spec": {
            "selector": {"matchLabels": dict(LABELS)},
            "template": {
                "metadata": {"labels": dict(LABELS)},
                "spec": {"containers": [{"name": "c", "image": "nginx"}]},
            },
        }
        | spec,
        "status": status or {},
    }


def names(objects: list[Object]) -> list[str]:
    return [one["metadata"]["name"] for one in objects]
