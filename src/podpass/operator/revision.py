"""When a new revision is made, and under which number.

1. The counter lives in the ConfigMaps `revision-status-N`; the status of the KubeAPIServer follows
   the highest one that is ready, so that it survives the loss of that object. It never goes back.
2. What counts is `data`: a change of labels or annotations makes no revision.
3. While a required input is missing there is no new revision.
4. A number is never used twice. One that was begun and not finished is finished if its copies
   are what would be copied now; else it is left alone and the next number is taken.
5. All that has changed by the time of a look goes into one revision.

Source: openshift/library-go, `staticpod/controller/revision`; the wording of reasons is that of
4.13 (`legacy`) and 4.14.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from podpass.operator.profiles import Profile

Content: TypeAlias = Mapping[str, str]
"""`data` (and `binaryData`) of a ConfigMap or Secret."""


@dataclass(frozen=True, slots=True)
class Input:
    """One revisioned object.

    Attributes:
        kind: `secret` or `configmap`, as reasons call it.
        name: Its name.
        required: Whether a revision can do without it.
    """

    kind: Literal["configmap", "secret"]
    name: str
    required: bool


@dataclass(frozen=True, slots=True)
class RevisionRecord:
    """One ConfigMap `revision-status-N`.

    Attributes:
        number: N.
        ready: Whether all copies were made.
    """

    number: int
    ready: bool


@dataclass(frozen=True, slots=True)
class UpToDate:
    """The latest revision is what would be copied now."""


@dataclass(frozen=True, slots=True)
class CorrectStatus:
    """`latestAvailableRevision` is behind what is there (rule 1)."""

    latest: int


@dataclass(frozen=True, slots=True)
class Incomplete:
    """Required inputs are missing (rule 3)."""

    missing: tuple[Input, ...]

    @property
    def error(self) -> str:
        """What the condition says."""
        return ", ".join(f'{one.kind}s "{one.name}" not found' for one in self.missing)


@dataclass(frozen=True, slots=True)
class NewRevision:
    """Copy all inputs under this number."""

    number: int
    reason: str


Decision: TypeAlias = UpToDate | CorrectStatus | Incomplete | NewRevision


def decide_revision(
    latest: int,
    records: Iterable[RevisionRecord],
    inputs: Sequence[Input],
    live: Mapping[Input, Content | None],
    copies: Mapping[int, Mapping[Input, Content | None]],
    profile: Profile,
) -> Decision:
    """Return what to do now.

    Args:
        latest: `latestAvailableRevision`.
        records: All `revision-status-N`.
        inputs: The revisioned objects.
        live: What is there of them.
        copies: What is there of their copies, for the latest number and unfinished ones.
        profile: For the wording of the reason.
    """
    known = list(records)
    highest_ready = max((one.number for one in known if one.ready), default=0)
    if highest_ready > latest:  # 1
        return CorrectStatus(highest_ready)
    missing = tuple(one for one in inputs if one.required and live.get(one) is None)
    if missing:  # 3
        return Incomplete(missing)
    reason = _reason(latest, inputs, live, copies.get(latest, {}), profile)
    if not reason:
        return UpToDate()
    return NewRevision(_next_number(latest, known, inputs, live, copies), reason)


def _next_number(
    latest: int,
    records: Iterable[RevisionRecord],
    inputs: Sequence[Input],
    live: Mapping[Input, Content | None],
    copies: Mapping[int, Mapping[Input, Content | None]],
) -> int:
    """Return the number to use (rule 4)."""
    highest = max((one.number for one in records), default=0)
    if highest <= latest:
        return latest + 1
    made = copies.get(highest, {})
    consistent = all(made.get(one) in (None, live.get(one)) for one in inputs)
    return highest if consistent else highest + 1


def _reason(
    latest: int,
    inputs: Sequence[Input],
    live: Mapping[Input, Content | None],
    copies: Mapping[Input, Content | None],
    profile: Profile,
) -> str:
    """Return why the latest revision is not current; empty if it is."""
    for one in inputs:
        if one.required and copies.get(one) is None:
            return f'{one.kind}s "{one.name}-{latest}" not found'
    changes = []
    for one in sorted(inputs, key=lambda one: one.kind != "secret"):
        now, then = live.get(one) or {}, copies.get(one) or {}
        if now != then:  # 2
            word = "changed" if then else "been created"
            if not profile.says_required:
                changes.append(f"{one.kind}/{one.name} has changed")
            else:
                necessity = "required" if one.required else "optional"
                changes.append(f"{necessity} {one.kind}/{one.name} has {word}")
    return ",".join(changes)
