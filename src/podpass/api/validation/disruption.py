"""Rules of disruption budgets.

Source: Kubernetes `pkg/apis/policy/validation`.
"""

from __future__ import annotations

from podpass.api.field_errors import FieldError, invalid, not_supported
from podpass.api.resources import Object
from podpass.api.validation.pod_templates import label_selector_errors, spec_of
from podpass.api.validation.shares import limit_errors, share_errors


def disruption_budget_errors(budget: Object) -> list[FieldError]:
    """Return what is wrong with a PodDisruptionBudget."""
    spec = spec_of(budget)
    minimum, maximum = spec.get("minAvailable"), spec.get("maxUnavailable")
    errors = []
    if minimum is not None and maximum is not None:
        text = "minAvailable and maxUnavailable cannot be both set"
        errors.append(invalid("spec", spec, text))
    for key, value in (("minAvailable", minimum), ("maxUnavailable", maximum)):
        errors += share_errors(value, f"spec.{key}") + limit_errors(value, f"spec.{key}")
    policy = spec.get("unhealthyPodEvictionPolicy")
    allowed = ("AlwaysAllow", "IfHealthyBudget")
    if policy is not None and policy not in allowed:
        errors.append(not_supported("spec.unhealthyPodEvictionPolicy", policy, allowed))
    return errors + label_selector_errors(spec.get("selector") or {}, "spec.selector")
