"""How many examples a property gets: few in unit tests, many in tests/long."""

from __future__ import annotations

import os
from typing import Final

FACTOR: Final = "PODPASS_EXAMPLES"
_FEW: Final = "0.3"


def examples(usual: int) -> int:
    """Return the number of examples of a property that would usually get so many."""
    return max(int(usual * float(os.environ.get(FACTOR, _FEW))), 1)
