"""Rules of pods, and what may change in one that runs.

Source: Kubernetes `pkg/apis/core/validation/validation.go`, `ValidatePodSpec`,
`ValidatePodUpdate`.
"""

from __future__ import annotations

import copy
from typing import Any, Final

from podpass.api import names
from podpass.api.field_errors import FieldError, forbidden, invalid, not_supported, required
from podpass.api.resources import Object
from podpass.api.validation.containers import (
    NOT_NEGATIVE,
    PodFacts,
    containers_errors,
    init_containers_errors,
)
from podpass.api.validation.metadata import label_errors
from podpass.api.validation.projected_volumes import token_projection_errors
from podpass.api.validation.security import pod_security_context_errors
from podpass.api.validation.tolerations import toleration_errors
from podpass.api.validation.volumes import volume_errors

RESTART_POLICIES: Final = frozenset({"Always", "OnFailure", "Never"})
DNS_POLICIES: Final = frozenset({"ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"})
_MAX_DEADLINE: Final = (1 << 31) - 1
_UPDATABLE: Final = (
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
    "`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def pod_errors(
    pod: Object, *, minimum_token_expiration_seconds: int, volumes_checked: bool = True
) -> list[FieldError]:
    """Return what is wrong with the spec of a pod with defaults.

    Args:
        pod: The pod.
        minimum_token_expiration_seconds: The shortest life of a token that may be asked for.
        volumes_checked: Whether volumes are checked; those of a stored pod are taken as they are.
    """
    spec = pod.get("spec") or {}
    volumes = spec.get("volumes") or ()
    errors: list[FieldError] = []
    if volumes_checked:
        errors += volume_errors(
            volumes,
            "spec.volumes",
            minimum_token_expiration_seconds=minimum_token_expiration_seconds,
        )
    facts = PodFacts(
        volumes={volume.get("name") or "" for volume in volumes},
        host_network=bool(spec.get("hostNetwork")),
        pod_restart_policy=spec.get("restartPolicy") or "",
    )
    main = spec.get("containers") or ()
    errors += containers_errors(main, "spec.containers", facts)
    errors += init_containers_errors(
        spec.get("initContainers") or (),
        "spec.initContainers",
        facts,
        {container.get("name") or "" for container in main},
    )
    if spec.get("ephemeralContainers") and volumes_checked:
        text = "cannot be set on create"
        errors.append(forbidden("spec.ephemeralContainers", text))
    errors += _choice(spec, "restartPolicy", RESTART_POLICIES)
    errors += _choice(spec, "dnsPolicy", DNS_POLICIES)
    errors += label_errors(spec.get("nodeSelector") or {}, "spec.nodeSelector")
    errors += pod_security_context_errors(spec.get("securityContext") or {}, "spec.securityContext")
    errors += _name_errors(spec)
    errors += _number_errors(spec)
    errors += toleration_errors(spec.get("tolerations") or (), "spec.tolerations")
    if not spec.get("serviceAccountName"):
        errors += token_projection_errors(volumes, "spec.volumes")
    return errors


def pod_update_errors(
    new: Object, old: Object, *, minimum_token_expiration_seconds: int
) -> list[FieldError]:
    """Return what is wrong with a changed pod, and what may not change."""
    after, before = new.get("spec") or {}, old.get("spec") or {}
    errors = pod_errors(
        new,
        minimum_token_expiration_seconds=minimum_token_expiration_seconds,
        volumes_checked=after.get("volumes") != before.get("volumes"),
    )
    for key in ("containers", "initContainers"):
        if len(after.get(key) or ()) != len(before.get(key) or ()):
            text = "pod updates may not add or remove containers"
            return [*errors, forbidden(f"spec.{key}", text)]
    errors += _deadline_errors(
        after.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds")
    )
    errors += _toleration_update_errors(
        after.get("tolerations") or [], before.get("tolerations") or []
    )
    changed = _changed_paths(_without_updatable(after, before), before)
    if changed:
        text = f"pod updates may not change fields other than {_UPDATABLE}"
        errors.append(forbidden("spec", f"{text}\nchanged: {', '.join(changed)}"))
    return errors


def _choice(spec: dict[str, Any], key: str, allowed: frozenset[str]) -> list[FieldError]:
    value = spec.get(key) or ""
    if not value:
        return [required(f"spec.{key}")]
    return [] if value in allowed else [not_supported(f"spec.{key}", value, allowed)]


def _name_errors(spec: dict[str, Any]) -> list[FieldError]:
    rules = {
        "serviceAccountName": names.dns_subdomain_problems,
        "nodeName": names.dns_subdomain_problems,
        "hostname": names.dns_label_problems,
        "subdomain": names.dns_label_problems,
        "priorityClassName": names.dns_subdomain_problems,
        "schedulerName": names.qualified_name_problems,
    }
    return [
        invalid(f"spec.{key}", spec[key], one)
        for key, rule in rules.items()
        if spec.get(key)
        for one in rule(spec[key])
    ]


def _number_errors(spec: dict[str, Any]) -> list[FieldError]:
    errors = []
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= _MAX_DEADLINE:
        text = f"must be between 1 and {_MAX_DEADLINE}, inclusive"
        errors.append(invalid("spec.activeDeadlineSeconds", deadline, text))
    grace = spec.get("terminationGracePeriodSeconds") or 0
    if grace < 0:
        errors.append(invalid("spec.terminationGracePeriodSeconds", grace, NOT_NEGATIVE))
    return errors


def _deadline_errors(after: int | None, before: int | None) -> list[FieldError]:
    path = "spec.activeDeadlineSeconds"
    if before is None or after == before:
        return []
    if after is None:
        return [invalid(path, None, "must not update from a positive integer to nil value")]
    if after > before:
        return [invalid(path, after, "must be less than or equal to previous value")]
    return []


def _toleration_update_errors(
    after: list[dict[str, Any]], before: list[dict[str, Any]]
) -> list[FieldError]:
    def bare(toleration: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in toleration.items() if key != "tolerationSeconds"}

    kept = [bare(one) for one in after]
    if all(bare(one) in kept for one in before):
        return []
    text = "existing toleration can not be modified except its tolerationSeconds"
    return [forbidden("spec.tolerations", text)]


def _without_updatable(after: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """Return the new spec with everything that may change set back to the old."""
    spec = copy.copy(after)
    for key in ("activeDeadlineSeconds", "tolerations"):
        _set_back(spec, before, key)
    if before.get("terminationGracePeriodSeconds", 0) < 0:
        _set_back(spec, before, "terminationGracePeriodSeconds")
    for key in ("containers", "initContainers"):
        if spec.get(key):
            spec[key] = [
                {**new, "image": old.get("image", "")}
                for new, old in zip(spec[key], before[key], strict=True)
            ]
    return spec


def _set_back(spec: dict[str, Any], before: dict[str, Any], key: str) -> None:
    if key in before:
        spec[key] = before[key]
    else:
        spec.pop(key, None)


def _changed_paths(after: dict[str, Any], before: dict[str, Any]) -> list[str]:
    keys = sorted(after.keys() | before.keys())
    return [f"spec.{key}" for key in keys if after.get(key) != before.get(key)]
