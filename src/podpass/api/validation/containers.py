"""Rules of the containers of a pod.

Source: Kubernetes `pkg/apis/core/validation/validation.go`, `validateContainers`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from podpass.api import names
from podpass.api.field_errors import (
    FieldError,
    duplicate,
    forbidden,
    invalid,
    not_found,
    not_supported,
    required,
)
from podpass.api.quantity import parse_quantity
from podpass.api.validation.environment import environment_errors
from podpass.api.validation.paths import local_path_errors
from podpass.api.validation.probes import hook_errors, probe_errors
from podpass.api.validation.security import security_context_errors

NOT_NEGATIVE: Final = "must be greater than or equal to 0"
PULL_POLICIES: Final = frozenset({"Always", "IfNotPresent", "Never"})
PROTOCOLS: Final = frozenset({"TCP", "UDP", "SCTP"})
MESSAGE_POLICIES: Final = frozenset({"File", "FallbackToLogsOnError"})
_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
_RESTART_POLICIES: Final = frozenset({"Always", "Never", "OnFailure"})
_PROPAGATIONS: Final = frozenset({"Bidirectional", "HostToContainer", "None"})


@dataclass(frozen=True, slots=True)
class PodFacts:
    """What the rules of a container must know of its pod.

    Attributes:
        volumes: Names of the volumes.
        host_network: Whether the pod uses the network of the node.
        pod_restart_policy: `restartPolicy` of the pod.
    """

    volumes: Collection[str]
    host_network: bool = False
    pod_restart_policy: str = "Always"


def containers_errors(
    containers: Sequence[dict[str, Any]], path: str, facts: PodFacts
) -> list[FieldError]:
    """Return what is wrong with the main containers of a pod."""
    if not containers:
        return [required(path)]
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, container in enumerate(containers):
        at = f"{path}[{index}]"
        errors += _container_errors(container, at, facts)
        name = container.get("name") or ""
        if name in seen:
            errors.append(duplicate(f"{at}.name", name))
        seen.add(name)
        errors += _hook_errors(container, at)
    return errors + _host_port_errors(containers, path)


def init_containers_errors(
    containers: Sequence[dict[str, Any]],
    path: str,
    facts: PodFacts,
    taken: Collection[str],
) -> list[FieldError]:
    """Return what is wrong with the init containers; `taken` are the names of the main ones."""
    errors: list[FieldError] = []
    seen = set(taken)
    for index, container in enumerate(containers):
        at = f"{path}[{index}]"
        errors += _container_errors(container, at, facts)
        name = container.get("name") or ""
        if name and name in seen:
            errors.append(duplicate(f"{at}.name", name))
        seen.add(name)
        if container.get("restartPolicy") == "Always":
            errors += _hook_errors(container, at)
            continue
        errors += [
            forbidden(
                f"{at}.{key}", "may not be set for init containers without restartPolicy=Always"
            )
            for key in ("lifecycle", *_PROBES)
            if container.get(key) is not None
        ]
    return errors


def _container_errors(container: dict[str, Any], at: str, facts: PodFacts) -> list[FieldError]:
    errors: list[FieldError] = []
    name, image = container.get("name") or "", container.get("image") or ""
    if not name:
        errors.append(required(f"{at}.name"))
    else:
        errors += [invalid(f"{at}.name", name, one) for one in names.dns_label_problems(name)]
    if not image:
        errors.append(required(f"{at}.image"))
    elif image != image.strip():
        text = "must not have leading or trailing whitespace"
        errors.append(invalid(f"{at}.image", image, text))
    errors += _choice(container, "terminationMessagePolicy", MESSAGE_POLICIES, at)
    errors += _port_errors(container.get("ports") or (), f"{at}.ports", facts)
    errors += environment_errors(container, at)
    errors += _mount_errors(container.get("volumeMounts") or (), f"{at}.volumeMounts", facts)
    errors += _choice(container, "imagePullPolicy", PULL_POLICIES, at)
    errors += resource_errors(container.get("resources") or {}, f"{at}.resources")
    policy = container.get("restartPolicy")
    if policy is not None and policy not in _RESTART_POLICIES:
        errors.append(not_supported(f"{at}.restartPolicy", policy, _RESTART_POLICIES))
    context = container.get("securityContext") or {}
    return errors + security_context_errors(context, f"{at}.securityContext")


def _choice(
    container: dict[str, Any], key: str, allowed: Collection[str], at: str
) -> list[FieldError]:
    value = container.get(key) or ""
    if not value:
        return [required(f"{at}.{key}")]
    return [] if value in allowed else [not_supported(f"{at}.{key}", value, allowed)]


def _hook_errors(container: dict[str, Any], at: str) -> list[FieldError]:
    errors = hook_errors(container.get("lifecycle") or {}, f"{at}.lifecycle")
    for key in _PROBES:
        if container.get(key) is not None:
            errors += probe_errors(container[key], f"{at}.{key}", key)
    return errors


def _port_errors(ports: Sequence[dict[str, Any]], path: str, facts: PodFacts) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, port in enumerate(ports):
        at = f"{path}[{index}]"
        name = port.get("name") or ""
        if name:
            errors += [invalid(f"{at}.name", name, one) for one in names.port_name_problems(name)]
            if name in seen:
                errors.append(duplicate(f"{at}.name", name))
            seen.add(name)
        number, on_host = port.get("containerPort") or 0, port.get("hostPort") or 0
        if not number:
            errors.append(required(f"{at}.containerPort"))
        elif problems := names.port_number_problems(number):
            errors += [invalid(f"{at}.containerPort", number, one) for one in problems]
        elif facts.host_network and on_host != number:
            text = "must match `hostPort` when `hostNetwork` is true"
            errors.append(invalid(f"{at}.containerPort", number, text))
        if on_host:
            problems = names.port_number_problems(on_host)
            errors += [invalid(f"{at}.hostPort", on_host, one) for one in problems]
        errors += _choice(port, "protocol", PROTOCOLS, at)
    return errors


def _host_port_errors(containers: Sequence[dict[str, Any]], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, container in enumerate(containers):
        for number, port in enumerate(container.get("ports") or ()):
            if not port.get("hostPort"):
                continue
            key = f"{port.get('hostIP', '')}/{port['hostPort']}/{port.get('protocol', '')}"
            if key in seen:
                at = f"{path}[{index}].ports[{number}].hostPort"
                errors.append(duplicate(at, key))
            seen.add(key)
    return errors


def _mount_errors(mounts: Sequence[dict[str, Any]], path: str, facts: PodFacts) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, mount in enumerate(mounts):
        at = f"{path}[{index}]"
        name, target = mount.get("name") or "", mount.get("mountPath") or ""
        if not name:
            errors.append(required(f"{at}.name"))
        if name not in facts.volumes:
            errors.append(not_found(f"{at}.name", name))
        if not target:
            errors.append(required(f"{at}.mountPath"))
        if target in seen:
            errors.append(invalid(f"{at}.mountPath", target, "must be unique"))
        seen.add(target)
        if mount.get("subPath"):
            errors += local_path_errors(mount["subPath"], f"{at}.subPath")
        if mount.get("subPathExpr"):
            if mount.get("subPath"):
                text = "subPathExpr and subPath are mutually exclusive"
                errors.append(invalid(f"{at}.subPathExpr", mount["subPathExpr"], text))
            errors += local_path_errors(mount["subPathExpr"], f"{at}.subPathExpr")
        propagation = mount.get("mountPropagation")
        if propagation is not None and propagation not in _PROPAGATIONS:
            errors.append(not_supported(f"{at}.mountPropagation", propagation, _PROPAGATIONS))
    return errors


def resource_errors(requirements: dict[str, Any], path: str) -> list[FieldError]:
    """Return what is wrong with requests and limits."""
    errors: list[FieldError] = []
    limits, requests = requirements.get("limits") or {}, requirements.get("requests") or {}
    for kind, amounts in (("limits", limits), ("requests", requests)):
        for name, text in amounts.items():
            at = f"{path}.{kind}"
            errors += [invalid(at, name, one) for one in names.qualified_name_problems(name)]
            if parse_quantity(str(text)).nanos < 0:
                errors.append(invalid(f"{at}[{name}]", text, NOT_NEGATIVE))
    for name, text in requests.items():
        if (
            name in limits
            and parse_quantity(str(text)).nanos > parse_quantity(str(limits[name])).nanos
        ):
            detail = f"must be less than or equal to {name} limit of {limits[name]}"
            errors.append(invalid(f"{path}.requests", text, detail))
    return errors
