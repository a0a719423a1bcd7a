"""Can a concurrent history be put in an order that one register could have had?

The algorithm is that of Wing and Gong with memoisation (G. Lowe, "Testing for linearizability",
2017): take any operation that no other had ended before, see whether the register agrees, go on;
go back when none fits. Operations done and the state they led to are looked at once.

A register holds the revision of its value; 0 is "no value". An operation whose answer never came
may have been carried out at any time after it was asked for, or never: it need not find a place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

NEVER = math.inf
"""The end of an operation whose answer never came."""
ABSENT = 0


@dataclass(frozen=True, slots=True)
class Is:
    """Who looked saw this revision."""

    revision: int

    def after(self, state: int) -> int | None:
        """Return the state after this operation, or None if it cannot happen in `state`."""
        return state if state == self.revision else None


@dataclass(frozen=True, slots=True)
class IsNot:
    """Who looked saw another revision, or was refused because of one."""

    revision: int

    def after(self, state: int) -> int | None:
        return state if state != self.revision else None


@dataclass(frozen=True, slots=True)
class Swap:
    """A write: `expected` became `new`."""

    expected: int
    new: int

    def after(self, state: int) -> int | None:
        return self.new if state == self.expected else None


Effect = Is | IsNot | Swap


@dataclass(frozen=True, slots=True)
class Operation:
    """What one client did to one register.

    Attributes:
        called: When it was asked for.
        ended: When the answer came; NEVER if none did.
        effect: What it did or saw.
        what: For people.
    """

    called: float
    ended: float
    effect: Effect
    what: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the checker found.

    Attributes:
        linearizable: Whether there is an order.
        stuck: Without one: the operation that had to come next where the search came furthest.
    """

    linearizable: bool
    stuck: Operation | None = None


class _Node:
    """An operation's begin or end in the list of what is not yet ordered."""

    __slots__ = ("end", "index", "next", "operation", "previous")

    def __init__(self, index: int, operation: Operation) -> None:
        self.index = index
        self.operation = operation
        self.end: _Node | None = None
        """For a begin: its end."""
        self.previous: _Node
        self.next: _Node | None = None


def _linked(operations: Sequence[Operation]) -> _Node:
    """Return the head of the list of begins and ends, by time; at equal times begins first."""
    moments = []
    for index, one in enumerate(operations):
        begin, end = _Node(index, one), _Node(index, one)
        begin.end = end
        moments += [((one.called, 0, index), begin), ((one.ended, 1, index), end)]
    head = last = _Node(-1, Operation(0, 0, Is(ABSENT)))
    for _, node in sorted(moments, key=lambda moment: moment[0]):
        last.next, node.previous = node, last
        last = node
    return head


def _unlink(node: _Node) -> None:
    node.previous.next = node.next
    if node.next is not None:
        node.next.previous = node.previous


def _link(node: _Node) -> None:
    node.previous.next = node
    if node.next is not None:
        node.next.previous = node


def check_register(operations: Sequence[Operation], *, initial: int = ABSENT) -> Verdict:
    """Tell whether these operations on one register are linearizable.

    Args:
        operations: In any order.
        initial: What the register holds at first.
    """
    head = _linked(operations)
    open_ones = sum(one.ended != NEVER for one in operations)
    state, done = initial, 0
    seen: set[tuple[int, int]] = set()
    trail: list[tuple[_Node, int]] = []
    furthest, stuck = -1, None
    node = head.next
    while open_ones:
        assert node is not None  # an end that is still listed stands behind every begin
        if node.end is not None:
            after = node.operation.effect.after(state)
            bit = done | 1 << node.index
            if after is not None and (bit, after) not in seen:
                seen.add((bit, after))
                trail.append((node, state))
                state, done = after, bit
                open_ones -= node.operation.ended != NEVER
                _unlink(node)
                _unlink(node.end)
                node = head.next
            else:
                node = node.next
            continue
        # An operation has ended and was not put in order: go back.
        if len(trail) > furthest:
            furthest, stuck = len(trail), node.operation
        if not trail:
            return Verdict(False, stuck)
        node, state = trail.pop()
        done &= ~(1 << node.index)
        open_ones += node.operation.ended != NEVER
        assert node.end is not None
        _link(node.end)
        _link(node)
        node = node.next
    return Verdict(True)
