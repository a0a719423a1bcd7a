"""When to ask an issuer for its keys again: a state without I/O; times are monotonic seconds.

1. Keys are fresh for as long as the issuer's headers say, within bounds of our own.
2. A token that names an unknown key, or an issuer that was learned and no longer fits, is a reason
   to ask at once, but only every `unknown_key_interval`: strangers must not be able to make us
   ask.
3. After a failure the next attempt waits, twice as long each time.
4. Keys that are no longer fresh go on being used while the issuer is away, for `maximum_stale`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from podpass.workload.check import Trust

_MAXIMUM_DOUBLINGS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheRules:
    """Bounds, all in seconds.

    Attributes:
        minimum_fresh: Keys are kept at least so long, even with `no-store`.
        default_fresh: Where the headers say nothing.
        maximum_fresh: Keys are kept at most so long.
        maximum_stale: How long keys outlive their freshness while the issuer is away.
        unknown_key_interval: Least time between two questions for unknown keys.
        first_retry: Wait after the first failure.
        maximum_retry: Longest wait after a failure.
    """

    minimum_fresh: float = 10.0
    default_fresh: float = 300.0
    maximum_fresh: float = 86400.0
    maximum_stale: float = 86400.0
    unknown_key_interval: float = 10.0
    first_retry: float = 1.0
    maximum_retry: float = 60.0


@dataclass(frozen=True, slots=True)
class KeyCache:
    """What is known of one issuer.

    Attributes:
        rules: The bounds.
        trust: Issuers and keys of the last success, if there was one.
        fresh_until: Rule 1.
        next_unknown: No question for an unknown key before (rule 2).
        next_try: No question at all before (rule 3).
        failures: Since the last success.
    """

    rules: CacheRules
    trust: Trust | None = None
    fresh_until: float = 0.0
    next_unknown: float = 0.0
    next_try: float = float("-inf")
    failures: int = 0

    def usable(self, at: float) -> Trust | None:
        """Return what may be used, fresh or not (rule 4)."""
        if self.trust is None or at >= self.fresh_until + self.rules.maximum_stale:
            return None
        return self.trust

    def should_fetch(self, at: float, *, known: bool) -> bool:
        """Tell whether to ask the issuer now.

        Args:
            at: Now.
            known: Whether what is cached has the token's key and issuer.
        """
        if at < self.next_try:
            return False
        if self.trust is None or at >= self.fresh_until:
            return True
        return not known and at >= self.next_unknown

    def succeeded(self, at: float, trust: Trust, fresh_seconds: float | None) -> KeyCache:
        """Return the state after an answer.

        Args:
            at: When it came.
            trust: What it says.
            fresh_seconds: From `cache_control.fresh_seconds`.
        """
        rules = self.rules
        fresh = rules.default_fresh if fresh_seconds is None else fresh_seconds
        fresh = max(rules.minimum_fresh, min(rules.maximum_fresh, fresh))
        return KeyCache(rules, trust, at + fresh, at + rules.unknown_key_interval)

    def failed(self, at: float) -> KeyCache:
        """Return the state after an attempt without an answer that could be used."""
        doublings = min(self.failures, _MAXIMUM_DOUBLINGS)
        wait = min(self.rules.maximum_retry, self.rules.first_retry * 2**doublings)
        return replace(self, next_try=at + wait, failures=self.failures + 1)
