"""The two ways in which OpenShift has handled a change of the issuer, and their words.

1. `legacy` (up to 4.8): the former issuer is dropped as soon as an API server runs the new
   revision; conditions count `1 nodes are`.
2. `trust24h` (newest): the former issuer stays trusted for 24 hours; `1 node is`; an empty reason
   is written as an empty string.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final


@dataclass(frozen=True, slots=True)
class Profile:
    """What differs between releases.

    Attributes:
        name: Value of `--issuer-profile`.
        trust: How long a former issuer stays trusted; None drops it at once.
        singular: Whether one node is written `1 node is`.
        writes_empty_reason: Whether an empty reason is there as `""` or left out.
        says_required: Whether the reason of a revision says `required configmap/...`.
    """

    name: str
    trust: timedelta | None
    singular: bool
    writes_empty_reason: bool
    says_required: bool


LEGACY: Final = Profile(
    "legacy", trust=None, singular=False, writes_empty_reason=False, says_required=False
)
TRUST_24H: Final = Profile(
    "trust24h",
    trust=timedelta(hours=24),
    singular=True,
    writes_empty_reason=True,
    says_required=True,
)
PROFILES: Final = {one.name: one for one in (LEGACY, TRUST_24H)}
