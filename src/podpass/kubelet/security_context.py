"""Users and groups of a pod: who runs, and who may read its volumes.

Source: Kubernetes v1.36, `pkg/securitycontext` and `pkg/kubelet/volume_host.go`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from podpass.api.resources import Object
from podpass.base.atomic_writer import give_to
from podpass.kubelet.pod_spec import all_containers, spec_of

_FILE_BITS = 0o440
_DIRECTORY_BITS = 0o550 | stat.S_ISGID


def pod_security(pod: Object) -> Object:
    """Return the pod's `securityContext`, or an empty dict."""
    return spec_of(pod).get("securityContext") or {}


def effective(pod: Object, container: Object, field: str) -> int | bool | None:
    """Return a field of the container's security context, else the pod's."""
    own = (container.get("securityContext") or {}).get(field)
    value: int | bool | None = own if own is not None else pod_security(pod).get(field)
    return value


def common_run_as_user(pod: Object) -> int | None:
    """Return the UID that every container asks for, or None if they differ or do not all ask."""
    containers = [*all_containers(pod), *(spec_of(pod).get("ephemeralContainers") or [])]
    users = {effective(pod, container, "runAsUser") for container in containers}
    user = users.pop() if len(users) == 1 else None
    return None if user is None else int(user)


def fs_group(pod: Object) -> int | None:
    """Return the group that owns the pod's volumes, or None."""
    group = pod_security(pod).get("fsGroup")
    return None if group is None else int(group)


def supplemental_groups(pod: Object) -> tuple[int, ...]:
    """Return the further groups of every container, fsGroup among them."""
    groups = [int(group) for group in pod_security(pod).get("supplementalGroups") or []]
    group = fs_group(pod)
    return tuple(groups) if group is None else (*groups, group)


def token_mode(pod: Object, default_mode: int) -> int:
    """Return the mode of a token file: private as soon as it is known who must read it."""
    if fs_group(pod) is not None or common_run_as_user(pod) is not None:
        return 0o600
    return default_mode


def share_with_group(group: int | None) -> Callable[[Path], None] | None:
    """Return what makes a new volume directory readable for `group`, or None for no group.

    Everything gets the group and the bits to read; directories also pass the group on. Links get
    the group only.
    """
    if group is None:
        return None

    def share(root: Path) -> None:
        for directory, _, names in os.walk(root):
            _share_one(Path(directory), group, _DIRECTORY_BITS)
            for name in names:
                _share_one(Path(directory) / name, group, _FILE_BITS)

    return share


def _share_one(path: Path, group: int, bits: int) -> None:
    give_to(path, -1, group)
    mode = path.lstat().st_mode
    if not stat.S_ISLNK(mode):
        path.chmod(stat.S_IMODE(mode) | bits)
