"""Image names as users write them, and what they stand for.

1. A first part with a dot, a colon or `localhost` is a registry; without one it is docker.io.
2. On docker.io a name of one part is in `library/`; the default tag is `latest`.

Source: distribution/reference, "Grammar" and the familiar names of the docker command line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

DEFAULT_REGISTRY = "docker.io"
DEFAULT_TAG = "latest"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_PART}(?:/{_PART})*")
_REGISTRY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]+)?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ImageReference:
    """A complete image name.

    Attributes:
        registry: Host name, `docker.io` by default.
        repository: Path in the registry, e.g. `library/nginx`.
        tag: Tag, `latest` by default; empty with a digest alone.
        digest: `sha256:...` or empty.
    """

    registry: str
    repository: str
    tag: str
    digest: str = ""

    @property
    def library_name(self) -> str:
        """The short name of an image of docker.io/library, else empty."""
        head, _, name = self.repository.partition("/")
        official = self.registry == DEFAULT_REGISTRY and head == "library" and "/" not in name
        return name if official else ""

    @property
    def familiar_name(self) -> str:
        """The name without its tag, as docker's tables show it."""
        if self.registry != DEFAULT_REGISTRY:
            return f"{self.registry}/{self.repository}"
        return self.library_name or self.repository

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.registry}/{self.repository}{tag}{digest}"


def parse_reference(name: str) -> ImageReference:
    """Complete an image name.

    Raises:
        ValueError: `name` is no image name.
    """
    rest, has_digest, digest = name.partition("@")
    registry, slash, path = rest.partition("/")
    if not slash or not ("." in registry or ":" in registry or registry == "localhost"):
        registry, path = DEFAULT_REGISTRY, rest
    if registry == "index.docker.io":
        registry = DEFAULT_REGISTRY
    path, has_tag, tag = path.partition(":")
    if registry == DEFAULT_REGISTRY and "/" not in path:
        path = f"library/{path}"
    good = (
        _REGISTRY.fullmatch(registry)
        and _PATH.fullmatch(path)
        and (not has_tag or _TAG.fullmatch(tag))
        and (not has_digest or _DIGEST.fullmatch(digest))
    )
    if not good:
        raise ValueError(f'invalid image name "{name}": invalid reference format')
    return ImageReference(registry, path, tag or ("" if digest else DEFAULT_TAG), digest)
