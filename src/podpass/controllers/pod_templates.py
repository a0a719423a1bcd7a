"""Pods made from the template of a workload, and names that follow from its content. Pure.

Source: Kubernetes, `pkg/controller/controller_utils.go` (`GetPodFromTemplate`, `ComputeHash`).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import orjson

from podpass.api.resources import PODS, Object
from podpass.api.strategy import MAX_GENERATED_BASE
from podpass.base.tasks import NAME_ALPHABET

TEMPLATE_HASH_LABEL = "pod-template-hash"
_FNV_OFFSET, _FNV_PRIME, _FNV_MASK = 0x811C9DC5, 0x01000193, 0xFFFFFFFF


def pod_from_template(
    template: Object,
    *,
    namespace: str,
    base: str,
    suffix: str,
    owner: Object,
    labels: Mapping[str, str] | None = None,
) -> Object:
    """Return a new pod.

    Args:
        template: The workload's pod template; not changed.
        namespace: Where.
        base: What the name starts with, e.g. `web-`.
        suffix: What follows; with `base` it is the name.
        owner: The owner reference of the controller.
        labels: More labels than the template has.
    """
    given = template.get("metadata") or {}
    metadata: Object = {
        "name": base[:MAX_GENERATED_BASE] + suffix,
        "namespace": namespace,
        "labels": {**(given.get("labels") or {}), **(labels or {})},
        "ownerReferences": [owner],
    }
    if base.endswith("-"):
        metadata["generateName"] = base
    for key in ("annotations", "finalizers"):
        if given.get(key):
            metadata[key] = copy.copy(given[key])
    return {
        "apiVersion": PODS.api_version,
        "kind": PODS.kind,
        "metadata": metadata,
        "spec": copy.deepcopy(template.get("spec") or {}),
    }


def without_hash(template: Object) -> Object:
    """Return a template without the label that tells versions of a deployment apart."""
    metadata = dict(template.get("metadata") or {})
    labels = dict(metadata.get("labels") or {})
    labels.pop(TEMPLATE_HASH_LABEL, None)
    metadata["labels"] = labels
    return template | {"metadata": metadata}


def same_template(one: Object, other: Object) -> bool:
    """Tell whether pods of both templates would be the same, but for the hash label."""
    return without_hash(one) == without_hash(other)


def content_hash(content: object, collisions: int = 0) -> str:
    """Return a short name for JSON content that is fit for a label.

    Args:
        content: What is named.
        collisions: How often the name was found taken by other content.
    """
    data = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    if collisions:
        data += str(collisions).encode()
    return safe_name(fnv32a(data))


def fnv32a(data: bytes) -> int:
    """Return the 32 bit FNV-1a hash."""
    value = _FNV_OFFSET
    for byte in data:
        value = ((value ^ byte) * _FNV_PRIME) & _FNV_MASK
    return value


def safe_name(number: int) -> str:
    """Return the digits of a number in the alphabet of generated names."""
    return "".join(NAME_ALPHABET[ord(digit) % len(NAME_ALPHABET)] for digit in str(number))
