"""Rules of jobs.

Source: Kubernetes `pkg/apis/batch/validation`.
"""

from __future__ import annotations

from typing import Final

from podpass.api.field_errors import FieldError, forbidden, invalid, not_supported, required
from podpass.api.meta import labels_of
from podpass.api.resources import Object
from podpass.api.selectors import matches_label_selector
from podpass.api.validation.metadata import IMMUTABLE
from podpass.api.validation.pod_templates import (
    TEMPLATE,
    count_errors,
    selector_errors,
    spec_of,
    template_errors,
)

_UNSERVED: Final = (
    "podFailurePolicy", "successPolicy", "backoffLimitPerIndex", "maxFailedIndexes", "managedBy",
)  # fmt: skip


def job_errors(obj: Object, minimum_seconds: int) -> list[FieldError]:
    """Return what is wrong with a Job."""
    spec = spec_of(obj)
    counts = ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit")
    errors = count_errors(spec, *counts, "ttlSecondsAfterFinished")
    if spec.get("completionMode") != "NonIndexed":
        errors.append(not_supported("spec.completionMode", spec["completionMode"], ["NonIndexed"]))
    errors += [
        forbidden(f"spec.{key}", "not supported by this cluster")
        for key in _UNSERVED
        if spec.get(key) is not None
    ]
    errors += selector_errors(spec, "")
    template = spec.get("template") or {}
    errors += template_errors(template, minimum_seconds)
    if not errors and not matches_label_selector(spec["selector"], labels_of(template)):
        text = "`selector` does not match template `labels`"
        errors.append(invalid(f"{TEMPLATE}.metadata.labels", labels_of(template), text))
    if (template.get("spec") or {}).get("restartPolicy") not in {"OnFailure", "Never"}:
        text = 'valid values: "OnFailure", "Never"'
        errors.append(required(f"{TEMPLATE}.spec.restartPolicy", text))
    return errors


def job_update_errors(new: Object, old: Object, minimum_seconds: int) -> list[FieldError]:
    """Return what is wrong with a changed Job."""
    errors = job_errors(new, minimum_seconds)
    after, before = spec_of(new), spec_of(old)
    for key in ("completions", "selector", "template", "completionMode"):
        if after.get(key) != before.get(key):
            errors.append(invalid(f"spec.{key}", after.get(key), IMMUTABLE))
    return errors
