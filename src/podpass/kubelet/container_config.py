"""Turns a pod into what the runtime is asked for: one sandbox and its containers.

Source: Kubernetes v1.36, `pkg/kubelet/kuberuntime/kuberuntime_{sandbox,container}.go` and
`pkg/kubelet/kubelet_pods.go`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import orjson

from podpass.api.meta import name_of, namespace_of, uid_of
from podpass.api.resources import Object
from podpass.kubelet.container_environment import expand
from podpass.kubelet.pod_spec import full_name, spec_of, uses_host_network
from podpass.kubelet.runtime.interface import (
    ContainerConfig,
    ImageInfo,
    Mount,
    SandboxConfig,
)
from podpass.kubelet.security_context import effective, supplemental_groups
from podpass.kubelet.settings import KubeletSettings

SPEC_HASH = "podpass.io/container-spec"
"""Annotation of a container: what it was made from."""
_LONGEST_HOSTNAME = 63
_API_NAMES = (
    "kubernetes.default.svc",
    "kubernetes.default",
    "kubernetes",
    "kubernetes.default.svc.cluster.local",
)


class ConfigRefused(Exception):
    """The container cannot be made like this (`CreateContainerConfigError`)."""


def spec_hash(container: Object) -> str:
    """Return what changes when a running container no longer is what is wanted."""
    kept = {key: container.get(key) for key in ("name", "image")}
    return hashlib.sha256(orjson.dumps(kept)).hexdigest()[:16]


def log_directory(pod: Object, settings: KubeletSettings) -> Path:
    """Return where the logs of a pod are."""
    name = f"{namespace_of(pod)}_{name_of(pod)}_{uid_of(pod)}"
    return settings.pod_logs_dir / name


def log_path(pod: Object, container: str, attempt: int, settings: KubeletSettings) -> Path:
    """Return the log file of one incarnation of a container."""
    return log_directory(pod, settings) / container / f"{attempt}.log"


def host_name(pod: Object, settings: KubeletSettings) -> str:
    """Return the host name that the pod's containers see."""
    spec = spec_of(pod)
    if spec.get("hostnameOverride"):
        return str(spec["hostnameOverride"])
    if uses_host_network(pod):
        return settings.node_name
    full = full_host_name(pod)
    if full and spec.get("setHostnameAsFQDN"):
        return full
    return _short_host_name(pod)


def full_host_name(pod: Object) -> str:
    """Return the host name with its domain; empty without `subdomain`."""
    subdomain = spec_of(pod).get("subdomain")
    if not subdomain or uses_host_network(pod) or spec_of(pod).get("hostnameOverride"):
        return ""
    domain = f"{subdomain}.{namespace_of(pod)}.svc.cluster.local"
    return f"{_short_host_name(pod)}.{domain}"


def _short_host_name(pod: Object) -> str:
    name = str(spec_of(pod).get("hostname") or name_of(pod))
    return name[:_LONGEST_HOSTNAME].rstrip("-.")


def sandbox_config(
    pod: Object, attempt: int, pod_ip: str | None, settings: KubeletSettings
) -> SandboxConfig:
    """Return the sandbox of a pod.

    Args:
        pod: The pod.
        attempt: Counts its sandboxes.
        pod_ip: Address of its own network; None on the node's.
        settings: Where the API and the logs are.
    """
    host_network = uses_host_network(pod)
    name = host_name(pod, settings)
    hosts: dict[str, tuple[str, ...]] = {"127.0.0.1": ("localhost",)}
    if host_network:
        service_ip = settings.service_host_for_host_network
        hosts[settings.node_ip] = (name,)
    else:
        service_ip = settings.cluster_service_address[0]
        if pod_ip:
            full = full_host_name(pod)
            hosts[pod_ip] = (full, _short_host_name(pod)) if full else (name,)
    hosts[service_ip] = (*hosts.get(service_ip, ()), *_API_NAMES)
    for alias in spec_of(pod).get("hostAliases") or []:
        address = str(alias["ip"])
        hosts[address] = (*hosts.get(address, ()), *(alias.get("hostnames") or []))
    return SandboxConfig(
        namespace=namespace_of(pod),
        name=name_of(pod),
        uid=uid_of(pod),
        attempt=attempt,
        hostname=name,
        host_network=host_network,
        log_directory=log_directory(pod, settings),
        pod_ip=None if host_network else pod_ip,
        hosts=hosts,
        api_endpoints=() if host_network else settings.api_endpoints,
        service_address=None if host_network else settings.cluster_service_address,
    )


def container_config(
    pod: Object,
    container: Object,
    *,
    attempt: int,
    image: ImageInfo,
    environment: Mapping[str, str],
    volume_paths: Mapping[str, Path],
    settings: KubeletSettings,
) -> ContainerConfig:
    """Return a container of a pod.

    Raises:
        ConfigRefused: A mount leads out of its volume, or the user may not be root.
    """
    user = effective(pod, container, "runAsUser")
    group = effective(pod, container, "runAsGroup")
    if effective(pod, container, "runAsNonRoot") and (image.user if user is None else user) == 0:
        by = "image will run as root" if user is None else "its runAsUser is 0"
        raise ConfigRefused(
            f'container has runAsNonRoot and {by} (pod: "{full_name(pod)}", '
            f"container: {container['name']})"
        )
    own = container.get("securityContext") or {}
    capabilities = own.get("capabilities") or {}
    return ContainerConfig(
        name=container["name"],
        attempt=attempt,
        image=container["image"],
        log_path=log_path(pod, container["name"], attempt, settings),
        command=_expanded(container.get("command"), environment),
        args=_expanded(container.get("args"), environment),
        env={"HOSTNAME": host_name(pod, settings), **environment},
        working_dir=str(container.get("workingDir") or ""),
        mounts=tuple(
            _mount(mount, volume_paths, environment)
            for mount in container.get("volumeMounts") or []
        ),
        run_as_user=None if user is None else int(user),
        run_as_group=None if group is None else int(group),
        supplemental_groups=supplemental_groups(pod),
        read_only_root=bool(own.get("readOnlyRootFilesystem")),
        add_capabilities=tuple(capabilities.get("add") or ()),
        drop_capabilities=tuple(capabilities.get("drop") or ()),
        stop_signal=str((container.get("lifecycle") or {}).get("stopSignal") or ""),
        stdin=bool(container.get("stdin")),
        stdin_once=bool(container.get("stdinOnce")),
        tty=bool(container.get("tty")),
        log_bytes=settings.container_log_max_size,
        log_files=settings.container_log_max_files,
        annotations={SPEC_HASH: spec_hash(container)},
    )


def _expanded(words: list[str] | None, environment: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(expand(word, environment) for word in words or [])


def _mount(mount: Object, paths: Mapping[str, Path], environment: Mapping[str, str]) -> Mount:
    name = mount["name"]
    if name not in paths:
        raise ConfigRefused(f'no volume "{name}" is set up')
    path = paths[name]
    inner = mount.get("subPath") or expand(mount.get("subPathExpr") or "", environment)
    if inner:
        path = _inside(path, inner, name)
    return Mount(path, mount["mountPath"], bool(mount.get("readOnly")))


def _inside(volume: Path, inner: str, name: str) -> Path:
    """Return a path in a volume, made as a directory if missing; links may not lead out."""
    root = volume.resolve()
    target = (root / inner).resolve()
    if not target.is_relative_to(root):
        raise ConfigRefused(f'subPath "{inner}" leads out of volume "{name}"')
    if not target.exists():
        try:
            target.mkdir(parents=True)
        except OSError as error:
            raise ConfigRefused(
                f'cannot make subPath "{inner}" of volume "{name}": {error.strerror}'
            ) from error
    return target
