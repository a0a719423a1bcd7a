"""Pods from manifest files in a directory: they run before, and without, any API.

1. A file that changed is read again; a pod whose manifest changed gets another UID, so it is
   stopped and started anew.
2. A file that cannot be read or is no valid pod is reported once; what it held before goes on, and
   so do all others.
3. Of two manifests with one pod name, the first file by name wins.
4. Directories, hidden files and files whose names do not end in .yaml, .yml or .json are ignored:
   what an editor leaves behind must not become a second pod. (The reference ignores hidden ones.)

Source: Kubernetes v1.36, `pkg/kubelet/config/file.go` and `common.go`.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from podpass.api.defaults import apply_defaults
from podpass.api.meta import format_time, name_of
from podpass.api.resources import PODS, Object
from podpass.api.validation import validate_create
from podpass.base.clock import Clock
from podpass.kubelet.pod_spec import (
    CONFIG_HASH,
    CONFIG_SEEN,
    CONFIG_SOURCE,
    all_containers,
    full_name,
    spec_of,
)

_log = logging.getLogger("kubelet.static")

_API_VOLUMES = ("secret", "configMap", "projected", "persistentVolumeClaim")
_SUFFIXES = (".yaml", ".yml", ".json")
_Stamp = tuple[int, int, int]


class InvalidManifest(Exception):
    """A manifest file does not hold a pod that can run."""


@dataclass(slots=True)
class _File:
    stamp: _Stamp
    pod: Object | None = None


class StaticPodSource:
    """Reads a manifest directory again and again."""

    def __init__(
        self,
        directory: Path,
        node_name: str,
        clock: Clock,
        *,
        poll: float,
        on_pods: Callable[[list[Object]], None],
        on_invalid: Callable[[str], None],
    ) -> None:
        """Prepare; `run` starts it.

        Args:
            directory: Where the manifests are; may be missing.
            node_name: Ends the pods' names.
            clock: For waiting.
            poll: Seconds between two looks.
            on_pods: Called with all pods when any of them changed, and after the first look.
            on_invalid: Called with what is wrong with a file.
        """
        self._directory = directory
        self._node_name = node_name
        self._clock = clock
        self._poll = poll
        self._on_pods = on_pods
        self._on_invalid = on_invalid
        self._files: dict[str, _File] = {}
        self._clashes: set[str] = set()

    async def run(self) -> None:
        """Follow the directory until cancelled."""
        first = True
        while True:
            if self.scan() or first:
                self._on_pods(self.pods())
            first = False
            await self._clock.sleep(self._poll)

    def pods(self) -> list[Object]:
        """Return the pods of all files."""
        pods: dict[str, Object] = {}
        clashes = set()
        for path in sorted(self._files):
            pod = self._files[path].pod
            if pod is None:
                continue
            name = full_name(pod)
            if name in pods:
                clashes.add(f"{path}: pod {name} is defined in another manifest already")
            else:
                pods[name] = pod
        for clash in sorted(clashes - self._clashes):
            self._report(clash)
        self._clashes = clashes
        return [*pods.values()]

    def scan(self) -> bool:
        """Look at the directory; tell whether any pod changed."""
        try:
            paths = [str(path) for path in self._directory.iterdir() if _is_manifest(path.name)]
        except FileNotFoundError:
            paths = []
        except OSError as error:
            self._report(f"cannot read {self._directory}: {error.strerror}")
            return False
        stamps = {path: _stamp(Path(path)) for path in paths}
        found = {path: stamp for path, stamp in stamps.items() if stamp is not None}
        changed = False
        for path in self._files.keys() - found.keys():
            changed |= self._files.pop(path).pod is not None
        for path, stamp in found.items():
            changed |= self._look_at(path, stamp)
        return changed

    def _look_at(self, path: str, stamp: _Stamp) -> bool:
        file = self._files.get(path)
        if file is not None and file.stamp == stamp:
            return False
        former = file.pod if file is not None else None
        try:
            pod = self._read(Path(path))
        except (InvalidManifest, OSError) as error:
            self._report(f"manifest {path} is not used: {error}")
            self._files[path] = _File(stamp, former)  # rule 2
            return False
        if former is not None and former["metadata"]["uid"] == pod["metadata"]["uid"]:
            pod = former
        self._files[path] = _File(stamp, pod)
        return pod is not former

    def _read(self, path: Path) -> Object:
        return static_pod(
            path.read_bytes(),
            source=str(path),
            node_name=self._node_name,
            seen=format_time(self._clock.now()),
        )

    def _report(self, message: str) -> None:
        _log.error("%s", message)
        self._on_invalid(message)


def static_pod(content: bytes, *, source: str, node_name: str, seen: str) -> Object:
    """Turn a manifest into the pod to run.

    Args:
        content: YAML or JSON.
        source: Path of the file, part of the pod's identity.
        node_name: Ends the pod's name.
        seen: Time of reading.

    Raises:
        InvalidManifest: It is not a valid pod.
    """
    manifest = _parsed(content)
    if (manifest.get("apiVersion"), manifest.get("kind")) != ("v1", "Pod"):
        raise InvalidManifest("it must be a Pod of apiVersion v1")
    metadata = manifest.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        raise InvalidManifest("metadata.name is missing")
    if not isinstance(manifest.get("spec"), dict):
        raise InvalidManifest("spec is missing")
    identity = orjson.dumps([manifest, node_name, source], option=orjson.OPT_SORT_KEYS)
    uid = hashlib.sha256(identity).hexdigest()[:32]
    pod: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata
        | {
            "name": f"{metadata['name']}-{node_name}",
            "namespace": metadata.get("namespace") or "default",
            "uid": uid,
            "annotations": (metadata.get("annotations") or {})
            | {CONFIG_HASH: uid, CONFIG_SEEN: seen, CONFIG_SOURCE: "file"},
        },
        "spec": manifest["spec"] | {"nodeName": node_name},
    }
    try:
        apply_defaults(PODS, pod)
        errors = validate_create(PODS, pod)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidManifest("its fields are not those of a Pod") from error
    if errors:
        raise InvalidManifest("; ".join(str(error) for error in errors))
    _refuse_api_objects(pod)
    return pod


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        value = _parsed_yaml(content)
    if not isinstance(value, dict):
        raise InvalidManifest("it does not hold an object")
    return value


def _parsed_yaml(content: bytes) -> Any:
    import yaml  # noqa: PLC0415 - manifests that podpass writes are JSON

    try:
        value = yaml.safe_load(content)
        return orjson.loads(orjson.dumps(value))  # no dates and the like
    except (yaml.YAMLError, UnicodeDecodeError, TypeError) as error:
        raise InvalidManifest(f"it is neither JSON nor YAML: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _refuse_api_objects(pod: Object) -> None:
    """A static pod runs without an API: it cannot refer to objects there."""
    for volume in spec_of(pod).get("volumes") or []:
        for kind in _API_VOLUMES:
            if kind in volume:
                raise InvalidManifest(
                    f"volume {volume['name']} of static pod {name_of(pod)} refers to API objects "
                    f"({kind})"
                )
    for container in all_containers(pod):
        sources = [one.get("valueFrom") or {} for one in container.get("env") or []]
        if container.get("envFrom") or any(
            "configMapKeyRef" in one or "secretKeyRef" in one for one in sources
        ):
            raise InvalidManifest(
                f"the environment of container {container['name']} refers to API objects"
            )


def _is_manifest(name: str) -> bool:
    return name.endswith(_SUFFIXES) and not name.startswith((".", "#"))


def _stamp(path: Path) -> _Stamp | None:
    """Return what changes when a file does; None for what is no file (rule 4)."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino) if path.is_file() else None
