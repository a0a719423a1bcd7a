"""Label and field selectors: from a query parameter or an object to a yes or no.

1. A label selector is a list of requirements; all must hold. The empty one selects everything.
2. `!=` and `notin` also hold for objects without the label.
3. A field selector knows the fields of its kind and refuses others, so that a typing error does
   not select nothing in silence.

Source: apimachinery `labels/selector.go`, `fields/selector.go`; core `v1/conversion.go`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from podpass.api import resources
from podpass.api.errors import StatusError, bad_request
from podpass.api.names import label_key_problems, label_value_problems
from podpass.api.resources import Object, Resource

Operator: TypeAlias = Literal["in", "notin", "exists", "!", "gt", "lt"]

_TOKEN: Final = re.compile(r"\s*(==|!=|=|!|,|\(|\)|<|>|[^\s=!,()<>]+|$)")
_SYMBOLS: Final = frozenset({"==", "!=", "=", "!", ",", "(", ")", "<", ">", ""})
_OBJECT_OPERATORS: Final[Mapping[str, Operator]] = {
    "In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!", "Gt": "gt", "Lt": "lt",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label.

    Attributes:
        key: Name of the label.
        operator: What is asked of it.
        values: Of `in`, `notin`, and the one number of `gt` and `lt`.
    """

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether the labels meet this condition."""
        if self.key not in labels:
            return self.operator in {"!", "notin"}
        value = labels[self.key]
        if self.operator in {"gt", "lt"}:
            return _compare(value, self.operator, next(iter(self.values), ""))
        if self.operator in {"in", "notin"}:
            return (value in self.values) == (self.operator == "in")
        return self.operator == "exists"


def _compare(value: str, operator: Operator, bound: str) -> bool:
    try:
        left, right = int(value), int(bound)
    except ValueError:
        return False
    return left > right if operator == "gt" else left < right


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """Requirements on labels that must all hold."""

    requirements: tuple[Requirement, ...] = ()

    @classmethod
    def parse(cls, text: str) -> LabelSelector:
        """Read the form of a query parameter, e.g. `app=web,tier in (a, b),!old`.

        Raises:
            StatusError: 400, with what is wrong.
        """
        return cls(tuple(_LabelParser(text).requirements()))

    @classmethod
    def from_object(cls, selector: Object | None) -> LabelSelector:
        """Read a `metav1.LabelSelector` or a node selector term's `matchExpressions`.

        Raises:
            StatusError: 400 for an unknown operator.
        """
        selector = selector or {}
        found = [
            Requirement(key, "in", frozenset({value}))
            for key, value in (selector.get("matchLabels") or {}).items()
        ]
        for expression in selector.get("matchExpressions") or ():
            operator = _OBJECT_OPERATORS.get(expression.get("operator", ""))
            if operator is None:
                raise bad_request(
                    f"{expression.get('operator')!r} is not a valid selector operator"
                )
            values = frozenset(expression.get("values") or ())
            found.append(Requirement(expression.get("key", ""), operator, values))
        return cls(tuple(found))

    @property
    def is_empty(self) -> bool:
        """Whether it selects everything."""
        return not self.requirements

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether these labels are selected."""
        return all(one.matches(labels) for one in self.requirements)


def label_selector_text(selector: Object | None) -> str:
    """Return a `metav1.LabelSelector` in the form of a query parameter, as tables show it.

    Raises:
        StatusError: 400 for an unknown operator.
    """
    parts = []
    for one in LabelSelector.from_object(selector).requirements:
        values = sorted(one.values)
        match one.operator:
            case "exists":
                parts.append(one.key)
            case "!":
                parts.append(f"!{one.key}")
            case "in" if len(values) == 1:
                parts.append(f"{one.key}={values[0]}")
            case _:
                parts.append(f"{one.key} {one.operator} ({','.join(values)})")
    return ",".join(sorted(parts))


def matches_label_selector(selector: Object | None, labels: Mapping[str, str]) -> bool:
    """Tell whether a `metav1.LabelSelector` selects the labels; None selects nothing.

    Raises:
        StatusError: 400 for an unknown operator.
    """
    return selector is not None and LabelSelector.from_object(selector).matches(labels)


class _LabelParser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = [match.group(1) for match in _TOKEN.finditer(text)]
        self._at = 0

    def requirements(self) -> list[Requirement]:
        found: list[Requirement] = []
        if self._peek() == "":
            return found
        while True:
            found.append(self._requirement())
            end = self._next()
            if end == "":
                return found
            if end != ",":
                raise self._error(f"found '{end}', expected: ',' or 'end of string'")
            if self._peek() == "":
                raise self._error("found '', expected: identifier after ','")

    def _peek(self) -> str:
        return self._tokens[min(self._at, len(self._tokens) - 1)]

    def _next(self) -> str:
        token = self._peek()
        self._at += 1
        return token

    def _requirement(self) -> Requirement:
        if self._peek() == "!":
            self._next()
            return Requirement(self._key(), "!")
        key = self._key()
        operator = self._peek()
        if operator in {"", ","}:
            return Requirement(key, "exists")
        self._next()
        if operator in {"=", "=="}:
            return Requirement(key, "in", frozenset({self._value()}))
        if operator == "!=":
            return Requirement(key, "notin", frozenset({self._value()}))
        if operator in {"<", ">"}:
            bound = self._value()
            if not re.fullmatch(r"-?\d+", bound):
                raise self._error(
                    f"for 'Gt', 'Lt' operators, the value must be an integer: {bound!r}"
                )
            return Requirement(key, "gt" if operator == ">" else "lt", frozenset({bound}))
        if operator in {"in", "notin"}:
            return Requirement(
                key, "in" if operator == "in" else "notin", frozenset(self._values())
            )
        raise self._error(
            f"found '{operator}', expected: in, notin, =, ==, !=, gt, lt or 'end of string'"
        )

    def _key(self) -> str:
        key = self._next()
        if key in _SYMBOLS:
            raise self._error(f"found '{key}', expected: !, identifier, or 'end of string'")
        problems = label_key_problems(key)
        if problems:
            raise self._error(f'key: Invalid value: "{key}": {"; ".join(problems)}')
        return key

    def _value(self) -> str:
        if self._peek() in {"", ","}:
            return ""
        return self._checked_value(self._next())

    def _checked_value(self, value: str) -> str:
        if value in _SYMBOLS:
            raise self._error(f"found '{value}', expected: identifier")
        problems = label_value_problems(value)
        if problems:
            raise self._error(f'values: Invalid value: "{value}": {"; ".join(problems)}')
        return value

    def _values(self) -> list[str]:
        if self._next() != "(":
            raise self._error("found no '(' after 'in' or 'notin'")
        values: list[str] = []
        expecting = True
        while True:
            found = self._next()
            if found == ")":
                return values if not expecting else [*values, ""]
            if not found:
                raise self._error("found '', expected: ',', ')' or identifier")
            if found == ",":
                if expecting:
                    values.append("")
                expecting = True
            elif expecting:
                values.append(self._checked_value(found))
                expecting = False
            else:
                raise self._error(f"found '{found}', expected: ',' or ')'")

    def _error(self, detail: str) -> StatusError:
        return bad_request(f"unable to parse requirement: {detail}")


_COMMON: Final = ("metadata.name", "metadata.namespace")
_BY_KIND: Final[Mapping[Resource, tuple[str, ...]]] = {
    resources.PODS: (
        "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
        "spec.hostNetwork", "status.phase", "status.podIP", "status.nominatedNodeName",
    ),
    resources.EVENTS: (
        "involvedObject.kind", "involvedObject.namespace", "involvedObject.name",
        "involvedObject.uid", "involvedObject.apiVersion", "involvedObject.resourceVersion",
        "involvedObject.fieldPath", "reason", "reportingComponent", "source", "type",
    ),
    resources.SECRETS: ("type",),
    resources.NODES: ("spec.unschedulable",),
    resources.NAMESPACES: ("status.phase",),
    resources.JOBS: ("status.successful",),
    resources.REPLICA_SETS: ("status.replicas",),
}  # fmt: skip
_SPECIAL: Final[Mapping[str, Callable[[Object], Any]]] = {
    "source": lambda event: (
        (event.get("source") or {}).get("component") or event.get("reportingComponent")
    ),
    "spec.unschedulable": lambda node: (node.get("spec") or {}).get("unschedulable", False),
    "status.successful": lambda job: (job.get("status") or {}).get("succeeded", 0),
    "status.replicas": lambda replica_set: (replica_set.get("status") or {}).get("replicas", 0),
    "spec.hostNetwork": lambda pod: (pod.get("spec") or {}).get("hostNetwork", False),
}


def selectable_fields(resource: Resource) -> tuple[str, ...]:
    """Return the fields that a field selector may name."""
    own = _BY_KIND.get(resource, ())
    if resource.custom is not None:
        own = resource.custom.selectable_fields
    return (*(_COMMON if resource.namespaced else _COMMON[:1]), *own)


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """Equalities on fields that must all hold: (field, value, is equal)."""

    terms: tuple[tuple[str, str, bool], ...] = ()

    @classmethod
    def parse(cls, text: str, resource: Resource) -> FieldSelector:
        """Read the form of a query parameter, e.g. `spec.nodeName=n1,status.phase!=Failed`.

        Raises:
            StatusError: 400 for a bad form or a field that the kind cannot be selected by.
        """
        terms = []
        for term in _split_terms(text):
            match = re.match(r"((?:\\.|[^=!\\])*)(==|!=|=)(.*)\Z", term, re.DOTALL)
            if match is None:
                raise bad_request(f"invalid selector: '{text}'; can't understand '{term}'")
            name, operator, value = match.groups()
            if name not in selectable_fields(resource):
                raise bad_request(f"field label not supported: {name}")
            terms.append((name, _unescape(value, text), operator != "!="))
        return cls(tuple(terms))

    @property
    def is_empty(self) -> bool:
        """Whether it selects everything."""
        return not self.terms

    def required_value(self, name: str) -> str | None:
        """Return the one value that the field must have, or None: lets a caller use an index."""
        return next((value for field, value, equal in self.terms if equal and field == name), None)

    def matches(self, obj: Object) -> bool:
        """Tell whether this object is selected."""
        return all((_field_text(obj, name) == value) == equal for name, value, equal in self.terms)


def _field_text(obj: Object, name: str) -> str:
    special = _SPECIAL.get(name)
    value: Any = obj
    if special is not None:
        value = special(obj)
    else:
        for step in name.split("."):
            value = value.get(step) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _split_terms(text: str) -> list[str]:
    return re.findall(r"(?:\\.|[^,\\]|\\\Z)+", text, re.DOTALL)


def _unescape(value: str, text: str) -> str:
    if re.search(r"(?<!\\)(?:\\\\)*\\(?:[^\\,=]|\Z)", value):
        raise bad_request(f"invalid selector: '{text}': invalid escape sequence in field selector")
    return re.sub(r"\\(.)", r"\1", value)
