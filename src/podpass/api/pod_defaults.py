"""Defaults of pods: containers, probes, volumes, and the fields of the pod itself.

Source: Kubernetes `pkg/apis/core/v1/defaults.go`, `zz_generated.defaults.go`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from podpass.api.resources import Object

TERMINATION_GRACE_PERIOD_SECONDS: Final = 30
VOLUME_MODE: Final = 0o644
TOKEN_EXPIRATION_SECONDS: Final = 3600
CONTAINER_LISTS: Final = ("initContainers", "containers", "ephemeralContainers")


def apply_pod_defaults(pod: Object) -> None:
    """Fill in the defaults of a pod, in place."""
    spec = pod.setdefault("spec", {})
    _service_account_alias(spec)
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", TERMINATION_GRACE_PERIOD_SECONDS)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("schedulerName", "default-scheduler")
    spec.setdefault("enableServiceLinks", True)
    spec.setdefault("securityContext", {})
    for container in _containers(spec):
        _container(container, host_network=bool(spec.get("hostNetwork")))
    for volume in spec.get("volumes") or ():
        _volume(volume)
    for constraint in spec.get("topologySpreadConstraints") or ():
        constraint.setdefault("nodeAffinityPolicy", "Honor")
        constraint.setdefault("nodeTaintsPolicy", "Ignore")


def image_pull_policy(image: str) -> str:
    """Return the policy of an image without one: `latest` and untagged images are asked for."""
    name = image.partition("@")
    tag = name[0].rpartition("/")[2].partition(":")[2]
    return "IfNotPresent" if name[1] or (tag and tag != "latest") else "Always"


def _service_account_alias(spec: dict[str, Any]) -> None:
    """Keep the deprecated `serviceAccount` equal to `serviceAccountName`, which wins."""
    name = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if name:
        spec["serviceAccountName"] = spec["serviceAccount"] = name


def _containers(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for key in CONTAINER_LISTS:
        yield from spec.get(key) or ()


def _container(container: dict[str, Any], *, host_network: bool) -> None:
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    container.setdefault("imagePullPolicy", image_pull_policy(container.get("image", "")))
    container.setdefault("resources", {})
    _requests_from_limits(container["resources"])
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
        if host_network and not port.get("hostPort") and port.get("containerPort"):
            port["hostPort"] = port["containerPort"]
    for variable in container.get("env") or ():
        field = (variable.get("valueFrom") or {}).get("fieldRef")
        if field is not None:
            field.setdefault("apiVersion", "v1")
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(name) is not None:
            _probe(container[name])
    for hook in (container.get("lifecycle") or {}).values():
        if isinstance(hook, dict) and hook.get("httpGet"):
            _http_get(hook["httpGet"])


def _requests_from_limits(requirements: dict[str, Any]) -> None:
    """What may be used at most is also what is asked for."""
    limits = requirements.get("limits")
    if limits:
        requirements["requests"] = {**limits, **(requirements.get("requests") or {})}


def _probe(probe: dict[str, Any]) -> None:
    probe["timeoutSeconds"] = probe.get("timeoutSeconds") or 1
    probe["periodSeconds"] = probe.get("periodSeconds") or 10
    probe["successThreshold"] = probe.get("successThreshold") or 1
    probe["failureThreshold"] = probe.get("failureThreshold") or 3
    if probe.get("httpGet"):
        _http_get(probe["httpGet"])
    if probe.get("grpc"):
        probe["grpc"].setdefault("service", "")


def _http_get(action: dict[str, Any]) -> None:
    action["path"] = action.get("path") or "/"
    action["scheme"] = action.get("scheme") or "HTTP"


def _volume(volume: dict[str, Any]) -> None:
    if volume.keys() == {"name"}:
        volume["emptyDir"] = {}
    for kind in ("secret", "configMap", "downwardAPI", "projected"):
        source = volume.get(kind)
        if source is not None:
            source.setdefault("defaultMode", VOLUME_MODE)
    if volume.get("hostPath") is not None:
        volume["hostPath"].setdefault("type", "")
    for item in (volume.get("downwardAPI") or {}).get("items") or ():
        _field_reference(item)
    for source in (volume.get("projected") or {}).get("sources") or ():
        if source.get("serviceAccountToken") is not None:
            source["serviceAccountToken"].setdefault("expirationSeconds", TOKEN_EXPIRATION_SECONDS)
        for item in (source.get("downwardAPI") or {}).get("items") or ():
            _field_reference(item)


def _field_reference(item: dict[str, Any]) -> None:
    if item.get("fieldRef") is not None:
        item["fieldRef"].setdefault("apiVersion", "v1")
