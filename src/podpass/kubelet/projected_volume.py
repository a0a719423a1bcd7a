"""Volumes of API objects and tokens: projected, configMap, secret and downwardAPI.

1. Sources are collected in order; the later one wins a path.
2. The first time, every source must be there, or nothing is written.
3. Later, a source that fails keeps the files it had, and the others are written all the same: a
   deleted ConfigMap must not stop the rotation of the token beside it. (The reference stops.)
4. The directory is never re-created, see `base.atomic_writer`.

Source: Kubernetes v1.36, `pkg/volume/projected/projected.go`, `collectData`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from podpass.api.resources import Object
from podpass.base.atomic_writer import AtomicWriter, InvalidPath
from podpass.base.clock import Clock
from podpass.kubelet.downward_api import NodeFacts
from podpass.kubelet.object_source import ObjectSource, SourceFailed
from podpass.kubelet.projected_files import (
    Files,
    config_map_files,
    downward_api_files,
    secret_files,
    token_files,
)
from podpass.kubelet.security_context import fs_group, share_with_group
from podpass.kubelet.token_manager import TokenFetchFailed

DEFAULT_MODE = 0o644
VOLUME_TYPES = ("projected", "configMap", "secret", "downwardAPI")


@dataclass(frozen=True, slots=True)
class Projection:
    """What one pass over a volume did.

    Attributes:
        written: Whether files were changed.
        failures: Why sources failed; empty if all went well.
    """

    written: bool
    failures: tuple[str, ...]

    @property
    def message(self) -> str:
        """The failures as one text, in brackets if there are several."""
        texts = [*dict.fromkeys(self.failures)]
        return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


class ProjectedVolume:
    """One volume of one pod."""

    def __init__(
        self, directory: Path, source: ObjectSource, node: NodeFacts, clock: Clock
    ) -> None:
        """Prepare; `directory` must exist before `project`."""
        self._writer = AtomicWriter(directory)
        self._source = source
        self._node = node
        self._clock = clock

    async def project(self, pod: Object, volume: Object) -> Projection:
        """Bring the files up to date.

        Raises:
            OSError: The disk refused; the former files stay.
        """
        kind = next(kind for kind in VOLUME_TYPES if kind in volume)
        spec = volume[kind]
        given_mode = spec.get("defaultMode")
        mode = DEFAULT_MODE if given_mode is None else int(given_mode)
        sources = spec.get("sources") or [] if kind == "projected" else [{kind: spec}]
        results = await asyncio.gather(*(self._collect(pod, source, mode) for source in sources))
        failures = tuple(one for one in results if isinstance(one, str))
        if failures and not self._writer.published:
            return Projection(written=False, failures=failures)  # rule 2
        files: Files = self._writer.read() if failures else {}  # rule 3
        for result in results:
            if not isinstance(result, str):
                files |= result
        try:
            written = self._writer.write(
                files,
                now=self._clock.now(),
                before_publish=share_with_group(fs_group(pod)),
            )
        except InvalidPath as error:
            return Projection(written=False, failures=(*failures, str(error)))
        return Projection(written, failures)

    @property
    def published(self) -> bool:
        """Whether the files were written once."""
        return self._writer.published

    def prune(self) -> None:
        """Remove what the last write superseded."""
        self._writer.prune()

    async def _collect(self, pod: Object, source: Object, mode: int) -> Files | str:
        """Return the files of one source, or why there are none."""
        try:
            if (reference := source.get("configMap")) is not None:
                return await config_map_files(pod, reference, mode, self._source)
            if (reference := source.get("secret")) is not None:
                return await secret_files(pod, reference, mode, self._source)
            if (reference := source.get("downwardAPI")) is not None:
                items = reference.get("items") or []
                return downward_api_files(pod, items, mode, self._node)
            if (projection := source.get("serviceAccountToken")) is not None:
                return await token_files(pod, projection, mode, self._source)
        except (SourceFailed, TokenFetchFailed) as error:
            return str(error)
        unknown = ", ".join(source) or "empty"
        return {} if not source else f"projected volume source is not supported: {unknown}"
