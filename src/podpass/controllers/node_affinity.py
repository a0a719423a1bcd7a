"""Whether a node has the labels that a pod asks for. Pure.

1. `spec.nodeSelector` and the required node affinity must both match.
2. Terms of the affinity are alternatives, the expressions in a term must all hold; a term without
   expressions matches no node.

Source: Kubernetes, `component-helpers/scheduling/corev1/nodeaffinity`.
"""

from __future__ import annotations

from collections.abc import Mapping

from podpass.api.meta import labels_of, name_of
from podpass.api.resources import Object


def matches_required(pod: Object, node: Object) -> bool:
    """Tell whether the node is one that the pod insists on."""
    spec = pod.get("spec") or {}
    labels = labels_of(node)
    selector = spec.get("nodeSelector") or {}
    if any(labels.get(key) != value for key, value in selector.items()):
        return False
    required = _node_affinity(pod).get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    return any(_matches_term(term, node) for term in required.get("nodeSelectorTerms") or ())


def preference(pod: Object, node: Object) -> int:
    """Return the sum of the weights of the preferred terms that the node matches."""
    preferred = _node_affinity(pod).get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    return sum(
        int(one.get("weight") or 0)
        for one in preferred
        if _matches_term(one.get("preference") or {}, node)
    )


def _node_affinity(pod: Object) -> Object:
    affinity = (pod.get("spec") or {}).get("affinity") or {}
    return affinity.get("nodeAffinity") or {}


def _matches_term(term: Object, node: Object) -> bool:
    expressions = term.get("matchExpressions") or []
    fields = term.get("matchFields") or []
    if not expressions and not fields:
        return False
    return all(_holds(one, labels_of(node)) for one in expressions) and all(
        _holds(one, {"metadata.name": name_of(node)}) for one in fields
    )


def _holds(requirement: Object, values: Mapping[str, str]) -> bool:
    value = values.get(requirement.get("key", ""))
    wanted = requirement.get("values") or []
    match requirement.get("operator"):
        case "In":
            return value in wanted
        case "NotIn":
            return value not in wanted
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt":
            return _compare(value, wanted, 1)
        case "Lt":
            return _compare(value, wanted, -1)
        case _:
            return False


def _compare(value: str | None, wanted: list[str], sign: int) -> bool:
    try:
        return sign * (int(value or "") - int(wanted[0])) > 0
    except (ValueError, IndexError):
        return False
