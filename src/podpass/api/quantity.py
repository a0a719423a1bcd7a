"""Quantities (`500m`, `1Gi`): read exactly, shown in the one canonical form.

1. A value is kept in billionths; what is finer is rounded away from zero.
2. The canonical form has no fraction and the largest suffix that keeps it exact.
3. The family of the suffix is kept: `1024Mi` is `1Gi`, `1000M` is `1G`, `1000e3` is `1e6`.

Source: apimachinery `api/resource/quantity.go`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

Family: TypeAlias = Literal["decimal", "binary", "exponent"]

PATTERN = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
_SHAPE = re.compile(r"([+-]?)(?=\.?[0-9])([0-9]*)\.?([0-9]*)([a-zA-Z]*)([-+]?[0-9]*)\Z")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL_SUFFIX = {power: suffix for suffix, power in _DECIMAL.items()}
_BINARY = ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_NANO = 10**9
_LARGEST_EXPONENT = 400


@dataclass(frozen=True, slots=True)
class Quantity:
    """An exact amount.

    Attributes:
        nanos: The value in billionths.
        family: How it was written, and so how it is shown.
    """

    nanos: int
    family: Family = "decimal"

    @property
    def value(self) -> int:
        """The value as a whole number, rounded away from zero."""
        whole, rest = divmod(abs(self.nanos), _NANO)
        return (whole + bool(rest)) * (-1 if self.nanos < 0 else 1)

    def __str__(self) -> str:
        if self.family == "binary" and abs(self.nanos) >= 1024 * _NANO:
            return _binary_text(self.value)
        if self.family == "exponent":
            number, power = _strip_thousands(self.nanos, ceiling=_LARGEST_EXPONENT)
            return f"{number}e{power}" if power else str(number)
        number, power = _strip_thousands(self.nanos, ceiling=18)
        return f"{number}{_DECIMAL_SUFFIX[power]}"


def _strip_thousands(nanos: int, *, ceiling: int) -> tuple[int, int]:
    if nanos == 0:
        return 0, 0
    power = -9
    while nanos % 1000 == 0 and power < ceiling:
        nanos //= 1000
        power += 3
    return nanos, power


def _binary_text(value: int) -> str:
    suffix = ""
    for larger in _BINARY:
        if value % 1024:
            break
        value //= 1024
        suffix = larger
    return f"{value}{suffix}"


def parse_quantity(text: str) -> Quantity:
    """Read a quantity.

    Raises:
        ValueError: `text` is not one.
    """
    match = _SHAPE.match(text)
    if match is None:
        raise ValueError(f"quantities must match the regular expression '{PATTERN}'")
    sign, whole, fraction, suffix, exponent = match.groups()
    family: Family = "decimal"
    power, factor = 0, 1
    if suffix in {"e", "E"} and exponent.lstrip("+-"):
        power = int(exponent)
        if abs(power) > _LARGEST_EXPONENT:
            raise ValueError("unable to parse quantity's suffix")
        family = "exponent"
    elif exponent:
        raise ValueError("unable to parse quantity's suffix")
    elif suffix in _BINARY:
        family, factor = "binary", 1024 ** (_BINARY.index(suffix) + 1)
    elif suffix in _DECIMAL:
        power = _DECIMAL[suffix]
    else:
        raise ValueError("unable to parse quantity's suffix")
    amount = int(whole + fraction) * factor
    power += 9 - len(fraction)
    nanos = amount * 10**power if power >= 0 else -(-amount // 10**-power)
    return Quantity(-nanos if sign == "-" else nanos, family)


def canonical_quantity(text: str) -> str:
    """Return `text` in canonical form.

    Raises:
        ValueError: `text` is not a quantity.
    """
    return str(parse_quantity(text))
