"""Decides how a container runs: program, environment, user, files of the pod.

1. `command` replaces the image's entrypoint and drops its arguments; `args` replaces those alone.
2. The environment is the image's, then HOSTNAME, then the container's own; PATH and HOME have
   defaults.
3. A user id of the container replaces the image's user; the group follows /etc/passwd, else 0.

Source: CRI v1 ContainerConfig; containerd's defaults where CRI leaves it open.
"""

from __future__ import annotations

import signal
from pathlib import Path

from podpass.kubelet.image import DEFAULT_PATH, Account, Image
from podpass.kubelet.runtime.interface import ContainerConfig, RuntimeFailure, SandboxConfig


def program_arguments(image: Image, config: ContainerConfig) -> list[str]:
    """Return program and arguments (rule 1).

    Raises:
        RuntimeFailure: Neither the container nor the image names a program.
    """
    if config.command:
        arguments = [*config.command, *config.args]
    else:
        arguments = [*image.entrypoint, *(config.args or image.command)]
    if not arguments:
        raise RuntimeFailure(f"no command specified: image {image.name} has none of its own")
    return arguments


def program_environment(
    image: Image, config: ContainerConfig, home: str, hostname: str
) -> dict[str, str]:
    """Return the whole environment (rule 2)."""
    environment = {"PATH": DEFAULT_PATH, **image.environment, "HOSTNAME": hostname}
    if config.tty:
        environment.setdefault("TERM", "xterm")
    environment |= config.env
    environment.setdefault("HOME", home)
    return environment


def stop_signal(image: Image, config: ContainerConfig) -> int:
    """Return the number of the signal that asks the program to end.

    Raises:
        RuntimeFailure: There is no such signal here.
    """
    if not config.stop_signal:
        return image.stop_signal
    base, plus, offset = config.stop_signal.replace("-", "+-").partition("+")
    try:
        return signal.Signals[base] + (int(offset) if plus else 0)
    except (KeyError, ValueError):
        raise RuntimeFailure(f'unknown stop signal "{config.stop_signal}"') from None


def account(image: Image, uid: int | None, gid: int | None) -> Account:
    """Return user, group and home (rule 3).

    Args:
        image: The image.
        uid: The container's user id, or None.
        gid: The container's group id, or None.

    Raises:
        RuntimeFailure: The image names a user that it does not have.
    """
    try:
        return image.account(uid, gid)
    except LookupError as error:
        raise RuntimeFailure(f"image {image.name}: {error.args[0]}") from error


def pod_files(config: SandboxConfig) -> dict[str, bytes]:
    """Return the files that the pod, not the image, decides."""
    hosts = ["# Managed by podpass.", "127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost"]
    if config.pod_ip and config.pod_ip not in config.hosts:
        hosts.append(f"{config.pod_ip}\t{config.hostname}")
    hosts += [f"{address}\t{' '.join(names)}" for address, names in config.hosts.items()]
    resolver = "# This pod has no name server.\n"
    if config.host_network:
        try:
            resolver = Path("/etc/resolv.conf").read_text()
        except OSError:
            resolver = "# The node has no name server.\n"
    return {
        "/etc/hosts": ("\n".join(hosts) + "\n").encode(),
        "/etc/hostname": f"{config.hostname}\n".encode(),
        "/etc/resolv.conf": resolver.encode(),
    }
