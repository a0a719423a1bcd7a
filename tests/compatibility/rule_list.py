"""The rules that podpass promises to keep, read from the files beside this module."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import Any

import yaml

RULES = Path(__file__).parent / "rules"
_TEXTS = ("rule", "source", "differs", "not_served", "deviates")


class RuleFileError(Exception):
    """A file of rules that cannot be used."""


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """One promise.

    Attributes:
        id: What a test names in its mark.
        rule: What happens, in one sentence.
        source: The public document or flag that says so.
        differs: Where Kubernetes 1.20 to 1.24 behave otherwise.
        not_served: Why podpass does not do it.
        deviates: What Kubernetes 1.36 does instead, where podpass is otherwise on purpose.
        covered_by: Other rules whose tests show this one too.
    """

    id: str
    rule: str
    source: str = ""
    differs: str = ""
    not_served: str = ""
    deviates: str = ""
    covered_by: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Topic:
    """The rules of one file."""

    title: str
    intro: str
    rules: tuple[Rule, ...]


def read_topics(directory: Path = RULES) -> tuple[Topic, ...]:
    """Every topic, in the order of the file names.

    Raises:
        RuleFileError: An entry is malformed, an id stands twice, or one is referred to that does
            not exist.
    """
    topics = tuple(_read_topic(path) for path in sorted(directory.glob("*.yaml")))
    known: set[str] = set()
    for rule in (rule for topic in topics for rule in topic.rules):
        if rule.id in known:
            raise RuleFileError(f"{rule.id} stands twice")
        known.add(rule.id)
    for rule in (rule for topic in topics for rule in topic.rules):
        if unknown := [other for other in rule.covered_by if other not in known]:
            raise RuleFileError(f"{rule.id} refers to unknown rules: {', '.join(unknown)}")
    return topics


@functools.cache
def known_ids() -> frozenset[str]:
    """The ids that a mark may name."""
    return frozenset(rule.id for topic in read_topics() for rule in topic.rules)


def _read_topic(path: Path) -> Topic:
    data = yaml.safe_load(path.read_text())
    if not isinstance(data, dict) or set(data) - {"topic", "intro", "source", "rules"}:
        raise RuleFileError(f"{path.name} is not a topic with its rules")
    source = data.get("source", "")
    rules = tuple(_read_rule(path, entry, source) for entry in data["rules"])
    return Topic(data["topic"], data.get("intro", "").strip(), rules)


def _read_rule(path: Path, entry: dict[str, Any], source: str) -> Rule:
    unknown = set(entry) - {"id", "covered_by", *_TEXTS}
    if unknown or not entry.get("id") or not entry.get("rule"):
        raise RuleFileError(f"{path.name}: {entry.get('id', entry)} is not a rule {unknown or ''}")
    texts = {key: " ".join(str(entry.get(key, "")).split()) for key in _TEXTS}
    texts["source"] = texts["source"] or source
    return Rule(id=entry["id"], covered_by=tuple(entry.get("covered_by", ())), **texts)
