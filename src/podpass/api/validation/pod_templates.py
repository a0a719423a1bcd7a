"""Rules that workloads share: the selector, and the template of their pods.

Source: Kubernetes `pkg/apis/core/validation` (`ValidatePodTemplateSpec`), apimachinery
`meta/v1/validation` (`ValidateLabelSelector`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from podpass.api import names
from podpass.api.field_errors import FieldError, forbidden, invalid, not_supported, required
from podpass.api.meta import labels_of
from podpass.api.resources import Object
from podpass.api.selectors import matches_label_selector
from podpass.api.validation.metadata import annotation_errors, label_errors
from podpass.api.validation.pods import pod_errors

NOT_NEGATIVE: Final = "must be greater than or equal to 0"
TEMPLATE: Final = "spec.template"
_WITH_VALUES: Final = frozenset({"In", "NotIn"})
_WITHOUT_VALUES: Final = frozenset({"Exists", "DoesNotExist"})


def spec_of(obj: Object) -> dict[str, Any]:
    """Return the spec; not to be changed."""
    return obj.get("spec") or {}


def count_errors(spec: dict[str, Any], *keys: str) -> list[FieldError]:
    """Return complaints about numbers in the spec that are negative."""
    return [
        invalid(f"spec.{key}", spec[key], NOT_NEGATIVE)
        for key in keys
        if spec.get(key) is not None and spec[key] < 0
    ]


def selector_errors(spec: dict[str, Any], kind: str) -> list[FieldError]:
    """Return what is wrong with a selector; one that selects all is refused for a `kind`."""
    selector = spec.get("selector")
    if selector is None or (not kind and not selector):
        return [required("spec.selector")]
    errors = label_selector_errors(selector, "spec.selector")
    if not any(selector.values()):
        text = f"empty selector is invalid for {kind}"
        errors.append(invalid("spec.selector", selector, text))
    return errors


def running_pods_errors(
    spec: dict[str, Any], kind: str, selector_kind: str, minimum_seconds: int
) -> list[FieldError]:
    """Return what is wrong with selector and template of a kind whose pods run for ever."""
    errors = selector_errors(spec, selector_kind)
    template = spec.get("template") or {}
    if not errors and not matches_label_selector(spec["selector"], labels_of(template)):
        text = "`selector` does not match template `labels`"
        errors.append(invalid(f"{TEMPLATE}.metadata.labels", labels_of(template), text))
    errors += template_errors(template, minimum_seconds)
    pod = template.get("spec") or {}
    if pod.get("restartPolicy") != "Always":
        at = f"{TEMPLATE}.spec.restartPolicy"
        errors.append(not_supported(at, pod.get("restartPolicy"), ["Always"]))
    if pod.get("activeDeadlineSeconds") is not None:
        text = f"activeDeadlineSeconds in {kind} is not Supported"
        errors.append(forbidden(f"{TEMPLATE}.spec.activeDeadlineSeconds", text))
    return errors


def template_errors(template: Object, minimum_seconds: int) -> list[FieldError]:
    """Return what is wrong with a pod template."""
    metadata = template.get("metadata") or {}
    at = f"{TEMPLATE}.metadata"
    errors = label_errors(metadata.get("labels") or {}, f"{at}.labels")
    errors += annotation_errors(metadata.get("annotations") or {}, f"{at}.annotations")
    # Admission gives each pod its account; a template may leave that open.
    spec = {"serviceAccountName": "default"} | (template.get("spec") or {})
    found = pod_errors({"spec": spec}, minimum_token_expiration_seconds=minimum_seconds)
    return errors + [replace(one, path=f"{TEMPLATE}.{one.path}") for one in found]


def label_selector_errors(selector: Object, path: str) -> list[FieldError]:
    """Return what is wrong with a `metav1.LabelSelector`."""
    errors = label_errors(selector.get("matchLabels") or {}, f"{path}.matchLabels")
    for index, one in enumerate(selector.get("matchExpressions") or ()):
        at = f"{path}.matchExpressions[{index}]"
        operator, values = one.get("operator"), one.get("values") or ()
        if operator in _WITH_VALUES and not values:
            text = "must be specified when `operator` is 'In' or 'NotIn'"
            errors.append(required(f"{at}.values", text))
        elif operator in _WITHOUT_VALUES and values:
            text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            errors.append(forbidden(f"{at}.values", text))
        elif operator not in _WITH_VALUES | _WITHOUT_VALUES:
            errors.append(invalid(f"{at}.operator", operator, "not a valid selector operator"))
        key = one.get("key") or ""
        errors += [invalid(f"{at}.key", key, text) for text in names.label_key_problems(key)]
    return errors
