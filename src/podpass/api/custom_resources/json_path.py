r"""The JSON paths of printer columns: `.spec.list[0].name`, `[*]`, `['a.b']`, `[?(@.x=="y")].z`.

Source: kubernetes.io "JSONPath Support".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, Final, TypeAlias

import orjson

Step: TypeAlias = Callable[[Any], Iterable[Any]]

_NAME: Final = re.compile(r"\.((?:\\.|[^.\[\]\\'\"\s])+)")
_QUOTED: Final = re.compile(r"\[\s*(?:'((?:\\.|[^'\\])*)'|\"((?:\\.|[^\"\\])*)\")\s*\]")
_INDEX: Final = re.compile(r"\[\s*(-?\d+)\s*\]")
_EVERY: Final = re.compile(r"\[\s*\*\s*\]|\.\*")
_FILTER: Final = re.compile(
    r"\[\?\(\s*@((?:\.[^\s=!<>()\[\]]+)+)\s*(?:(==|!=|<=|>=|<|>)\s*"
    r"('[^']*'|\"[^\"]*\"|[^\s()'\"]+)\s*)?\)\s*\]"
)


class BadPath(ValueError):
    """Text that is no JSON path of this kind."""


@lru_cache(maxsize=512)
def parse(text: str) -> tuple[Step, ...]:
    """Return the steps of a path.

    Raises:
        BadPath: The text is none.
    """
    body = text.strip()
    if body.startswith("{") and body.endswith("}"):
        body = body[1:-1]
    if not body.startswith((".", "[", "$")):
        raise BadPath(f"{text!r} does not start with a dot")
    body = body.removeprefix("$")
    steps: list[Step] = []
    at = 0
    while at < len(body):
        for pattern, make in _FORMS:
            match = pattern.match(body, at)
            if match is not None:
                steps.append(make(match))
                at = match.end()
                break
        else:
            if body[at:] == "." and not steps:
                break
            raise BadPath(f"{text!r} cannot be read from character {at + 1}")
    return tuple(steps)


def first(obj: Any, text: str) -> Any:
    """Return the first value at the path, or None.

    Raises:
        BadPath: The text is no path.
    """
    found = [obj]
    for step in parse(text):
        found = [value for one in found for value in step(one)]
    return found[0] if found else None


def _child(name: str) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]

    return step


def _index(index: int) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, list) and -len(value) <= index < len(value):
            yield value[index]

    return step


def _every(value: Any) -> Iterable[Any]:
    if isinstance(value, list):
        return value
    return value.values() if isinstance(value, dict) else ()


def _filter(match: re.Match[str]) -> Step:
    names = match.group(1)[1:].split(".")
    operator, literal = match.group(2), match.group(3)
    wanted = None if literal is None else _literal(literal)

    def holds(value: Any) -> bool:
        for name in names:
            if not isinstance(value, dict) or name not in value:
                return False
            value = value[name]
        if operator is None:
            return True
        try:
            return bool(_COMPARE[operator](value, wanted))
        except TypeError:
            return False

    return lambda value: [one for one in _every(value) if holds(one)]


_COMPARE: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


def _literal(text: str) -> Any:
    if text[0] in "'\"":
        return text[1:-1]
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadPath(f"{text!r} is no value") from error


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


_FORMS: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Step]], ...]] = (
    (_EVERY, lambda _: _every),
    (_NAME, lambda match: _child(_plain(match.group(1)))),
    (_QUOTED, lambda match: _child(_plain(match.group(1) or match.group(2) or ""))),
    (_INDEX, lambda match: _index(int(match.group(1)))),
    (_FILTER, _filter),
)
