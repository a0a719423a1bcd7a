"""Backoff, jitter and random names for active code.

Randomness lives here, so that everything else stays repeatable. Spans are in seconds.
"""

from __future__ import annotations

import os
import random  # noqa: TID251 - the one place
from collections.abc import Callable
from dataclasses import dataclass, field

NAME_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Characters of generated names: no vowels and nothing that looks alike (Kubernetes `rand`)."""


def jitter(span: float, share: float) -> float:
    """Return `span` lengthened by a random part of up to `share` of it (0.5 is half)."""
    return span * (1 + random.random() * share)  # noqa: S311 - spreads load, guards nothing


def random_suffix(length: int = 5) -> str:
    """Return `length` characters of NAME_ALPHABET, as generated names end with."""
    return "".join(random.choices(NAME_ALPHABET, k=length))  # noqa: S311 - a name, not a secret


def random_index(count: int) -> int:
    """Return an index below `count`, to choose among equals."""
    return random.randrange(count)  # noqa: S311 - spreads load, guards nothing


def repeatable_chance(seed: int) -> Callable[[], float]:
    """Return a source of numbers from 0 to below 1; a seed gives the same ones again."""
    return random.Random(seed).random  # noqa: S311 - for simulations


def new_uid() -> str:
    """Return a random UUID as text, as `metadata.uid` and `jti` carry it."""
    # As uuid.uuid4() makes it, in a third of its time: every request has one.
    text = os.urandom(16).hex()
    variant = "89ab"[int(text[16], 16) & 3]
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"


@dataclass(slots=True)
class Backoff:
    """Exponentially growing delays with a ceiling.

    Attributes:
        initial: First delay in seconds.
        maximum: Ceiling in seconds.
        factor: Growth per step.
        steps: How many delays were handed out since the last reset.
    """

    initial: float
    maximum: float
    factor: float = 2.0
    steps: int = field(default=0)

    def next_delay(self) -> float:
        """Return the delay to wait now, and grow the one after it."""
        delay = min(self.maximum, self.initial * self.factor**self.steps)
        if delay < self.maximum:
            self.steps += 1
        return delay

    def reset(self) -> None:
        """Start again at the initial delay."""
        self.steps = 0
