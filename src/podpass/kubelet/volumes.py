"""All volumes of one pod on this node: where they are, and what brings them up to date.

A volume that no container mounts is not set up. Directories are made once and stay until the pod is
gone: they may be mounted in running containers at any time. The pod's directory is closed to other
users of the machine, the volumes in it are open to whatever user a container runs as.
"""

from __future__ import annotations

import stat
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from podpass.api.resources import Object
from podpass.base.atomic_writer import give_to
from podpass.base.clock import Clock
from podpass.kubelet.downward_api import NodeFacts
from podpass.kubelet.host_path import HostPathRefused, prepare_host_path
from podpass.kubelet.metrics import KubeletMetrics
from podpass.kubelet.object_source import ObjectSource
from podpass.kubelet.pod_spec import all_containers, spec_of
from podpass.kubelet.projected_volume import VOLUME_TYPES, ProjectedVolume, Projection
from podpass.kubelet.runtime.removal import remove_tree
from podpass.kubelet.security_context import fs_group

_DIRECTORY_NAMES = {
    "projected": "kubernetes.io~projected",
    "configMap": "kubernetes.io~configmap",
    "secret": "kubernetes.io~secret",
    "downwardAPI": "kubernetes.io~downward-api",
    "emptyDir": "kubernetes.io~empty-dir",
}
_POD_MODE = 0o750
_VOLUME_MODE = 0o777


@dataclass(slots=True)
class SetUp:
    """What one pass over a pod's volumes did.

    Attributes:
        failures: Volume name to why it is not, or not wholly, up to date.
        missing: Names of volumes that containers cannot be started without yet.
        written: Names of volumes whose files were changed.
    """

    failures: dict[str, str] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)


def volume_type(volume: Object) -> str:
    """Return the key that says what a volume is made of, e.g. `projected`."""
    return next((key for key in volume if key != "name"), "emptyDir")


def mounted_volumes(pod: Object) -> list[Object]:
    """Return the volumes that a container mounts."""
    wanted = {
        mount["name"]
        for container in all_containers(pod)
        for mount in container.get("volumeMounts") or []
    }
    return [one for one in spec_of(pod).get("volumes") or [] if one["name"] in wanted]


class PodVolumes:
    """The volumes of one pod."""

    def __init__(
        self,
        directory: Path,
        source: ObjectSource,
        node: NodeFacts,
        clock: Clock,
        metrics: KubeletMetrics | None = None,
    ) -> None:
        """Prepare.

        Args:
            directory: The pod's own directory below the kubelet's root.
            source: ConfigMaps, Secrets and tokens.
            node: For downward API items.
            clock: Names what is written.
            metrics: Counts passes.
        """
        self.directory = directory
        self._source = source
        self._node = node
        self._clock = clock
        self._metrics = metrics or KubeletMetrics()

    def path(self, volume: Object) -> Path:
        """Return where the volume is on this node."""
        kind = volume_type(volume)
        if kind == "hostPath":
            return Path(volume["hostPath"]["path"])
        plugin = _DIRECTORY_NAMES.get(kind, f"kubernetes.io~{kind}")
        return self.directory / "volumes" / plugin / str(volume["name"])

    async def set_up(self, pod: Object, volumes: Iterable[Object] | None = None) -> SetUp:
        """Make what is missing and bring up to date what changed.

        Args:
            pod: The pod.
            volumes: Look at these only; None: at all that are mounted.
        """
        done = SetUp()
        self._make_pod_directory()
        for volume in mounted_volumes(pod) if volumes is None else volumes:
            name = str(volume["name"])
            kind = volume_type(volume)
            started = self._clock.monotonic()
            try:
                if kind in VOLUME_TYPES:
                    await self._project(pod, volume, done)
                elif kind == "emptyDir":
                    self._make_empty(pod, self.path(volume))
                elif kind == "hostPath":
                    prepare_host_path(self.path(volume), str(volume["hostPath"].get("type") or ""))
                else:
                    done.failures[name] = f"volumes of type {kind} are not supported"
                    done.missing.add(name)
            except (HostPathRefused, OSError) as error:
                done.failures[name] = str(error)
                if kind not in VOLUME_TYPES or not self.projected(volume).published:
                    done.missing.add(name)
            seconds = self._clock.monotonic() - started
            self._metrics.mounted(kind, seconds, failed=name in done.failures)
        return done

    def projected(self, volume: Object, directory: Path | None = None) -> ProjectedVolume:
        """Return the writer of a volume made of API objects.

        Args:
            volume: The volume.
            directory: Write here instead, where a container sees another directory than ours.
        """
        return ProjectedVolume(
            directory or self.path(volume), self._source, self._node, self._clock
        )

    def prune(self, pod: Object, names: Collection[str]) -> None:
        """Remove what former writes of these volumes superseded."""
        for volume in mounted_volumes(pod):
            if str(volume["name"]) in names and self.path(volume).is_dir():
                self.projected(volume).prune()

    def tear_down(self) -> None:
        """Remove the volumes; none of the pod's containers may run any more.

        Raises:
            OSError: Something cannot be removed.
        """
        remove_tree(self.directory / "volumes")

    async def _project(self, pod: Object, volume: Object, done: SetUp) -> Projection:
        name = str(volume["name"])
        self._make_volume(self.path(volume))
        writer = self.projected(volume)
        projection = await writer.project(pod, volume)
        if projection.failures:
            done.failures[name] = projection.message
        if not writer.published:
            done.missing.add(name)
        if projection.written:
            done.written.add(name)
        return projection

    def _make_pod_directory(self) -> None:
        if not self.directory.is_dir():
            self.directory.mkdir(parents=True, exist_ok=True)
            self.directory.chmod(_POD_MODE)

    def _make_volume(self, path: Path) -> None:
        if not path.is_dir():
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(_VOLUME_MODE)

    def _make_empty(self, pod: Object, path: Path) -> None:
        if path.is_dir():
            return
        self._make_volume(path)
        group = fs_group(pod)
        if group is not None:
            give_to(path, -1, group)
            path.chmod(_VOLUME_MODE | stat.S_ISGID)
