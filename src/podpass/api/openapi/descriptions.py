"""What `kubectl explain` says about the kinds and fields that podpass is about."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import orjson

_PACKAGES = ("k8s.io.api.", "k8s.io.apimachinery.pkg.apis.", "com.github.openshift.api.")


@cache
def _descriptions() -> dict[str, str]:
    data = Path(__file__).parent.with_name("data") / "descriptions.json"
    return dict(orjson.loads(data.read_bytes()))


def describe(name: str) -> str:
    """Return the description of a message or field, or an empty string.

    Args:
        name: A full message name, with `.field` behind it for a field.
    """
    for package in _PACKAGES:
        name = name.removeprefix(package)
    return _descriptions().get(name, "")
