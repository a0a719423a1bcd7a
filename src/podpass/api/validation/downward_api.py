"""References from a pod to its own fields and resources.

Source: Kubernetes `pkg/apis/core/validation/validation.go`, `pkg/apis/core/pods/helpers.go`.
"""

from __future__ import annotations

import re
from typing import Any, Final

from podpass.api import names
from podpass.api.field_errors import FieldError, invalid, not_supported, required
from podpass.api.quantity import parse_quantity

ENVIRONMENT_FIELDS: Final = frozenset(
    {
        "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName",
        "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP",
        "status.podIPs",
    }
)  # fmt: skip
VOLUME_FIELDS: Final = frozenset(
    {"metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace",
     "metadata.uid"}
)  # fmt: skip
_RESOURCES: Final = frozenset(
    {
        "limits.cpu", "limits.memory", "limits.ephemeral-storage",
        "requests.cpu", "requests.memory", "requests.ephemeral-storage",
    }
)  # fmt: skip
_SUBSCRIPTED: Final = re.compile(r"(metadata\.(?:labels|annotations))\['(.*)'\]\Z")
_CPU_DIVISORS: Final = frozenset({"0", "1", "1m"})
_BYTE_DIVISORS: Final = frozenset(
    "0 1 1k 1M 1G 1T 1P 1E 1Ki 1Mi 1Gi 1Ti 1Pi 1Ei".split()  # noqa: SIM905 - reads better
)


def field_reference_errors(
    reference: dict[str, Any], path: str, *, in_volume: bool
) -> list[FieldError]:
    """Return what is wrong with a `fieldRef`, in a volume or in an environment variable."""
    if not reference.get("apiVersion"):
        return [required(f"{path}.apiVersion")]
    field = reference.get("fieldPath") or ""
    at = f"{path}.fieldPath"
    if not field:
        return [required(at)]
    subscripted = _SUBSCRIPTED.match(field)
    if subscripted is not None:
        problems = names.qualified_name_problems(subscripted[2])
        return [invalid(at, subscripted[2], one) for one in problems]
    known = VOLUME_FIELDS | ENVIRONMENT_FIELDS
    if field not in known:
        text = f"error converting fieldPath: field label not supported: {field}"
        return [invalid(at, field, text)]
    allowed = VOLUME_FIELDS if in_volume else ENVIRONMENT_FIELDS
    return [] if field in allowed else [not_supported(at, field, allowed)]


def resource_reference_errors(
    reference: dict[str, Any], path: str, *, in_volume: bool
) -> list[FieldError]:
    """Return what is wrong with a `resourceFieldRef`."""
    if in_volume and not reference.get("containerName"):
        return [required(f"{path}.containerName")]
    resource = reference.get("resource") or ""
    if not resource:
        return [required(f"{path}.resource")]
    huge_pages = re.match(r"(limits|requests)\.hugepages-", resource)
    if resource not in _RESOURCES and not huge_pages:
        return [not_supported(f"{path}.resource", resource, _RESOURCES)]
    divisor = str(reference.get("divisor") or "0")
    allowed = _CPU_DIVISORS if resource.endswith(".cpu") else _BYTE_DIVISORS
    if str(parse_quantity(divisor)) in allowed:
        return []
    which = "cpu" if resource.endswith(".cpu") else resource.partition(".")[2]
    shown = ", ".join(sorted(allowed - {"0"}))
    return [invalid(f"{path}.divisor", which, f"only divisor's values {shown} are supported")]
