"""What `kubectl explain` says about the kinds and fields that podpass is about."""

from __future__ import annotations

from functools import cache
from importlib import resources

import orjson


@cache
def _descriptions() -> dict[str, str]:
    data = resources.files("podpass.api").joinpath("data", "descriptions.json").read_bytes()
    return dict(orjson.loads(data))


def describe(name: str) -> str:
    """Return the description of a message or field, or an empty string.

    Args:
        name: A full message name, with `.field` behind it for a field.
    """
    short = name.removeprefix("k8s.io.api.").removeprefix("k8s.io.apimachinery.pkg.apis.")
    return _descriptions().get(short, "")
