"""Events of a watch are encoded once, however many watch."""

from __future__ import annotations

import orjson

from podpass.apiserver.event_lines import MOST_BYTES, MOST_LINES, EventLines
from podpass.storage.interface import StoreRevision
from podpass.storage.stored_object import StoredObject

RAW = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":"v"}}'


def stored(raw: bytes = RAW) -> StoredObject:
    return StoredObject("/registry/core/configmaps/ns1/a", StoreRevision(5), raw)


def test_all_watchers_of_an_event_get_the_same_bytes() -> None:
    lines, one = EventLines(), stored()
    first = lines.line("object", "ADDED", one)
    assert lines.line("object", "ADDED", one) is first
    assert first == b'{"type":"ADDED","object":' + RAW + b"}\n"


def test_type_form_and_object_make_a_line_of_their_own() -> None:
    lines, one = EventLines(), stored()
    lines.line("object", "ADDED", one)
    assert lines.line("object", "MODIFIED", one).startswith(b'{"type":"MODIFIED"')
    shown = orjson.loads(lines.line("metadata", "ADDED", one))["object"]
    assert (shown["kind"], "data" in shown) == ("PartialObjectMetadata", False)
    another = stored(RAW.replace(b'"v"', b'"w"'))
    assert b'"w"' in lines.line("object", "ADDED", another)


def test_large_lines_do_not_pile_up() -> None:
    lines = EventLines()
    large = [stored(RAW.replace(b"v1", b"x" * (MOST_BYTES // 2))) for _ in range(4)]
    made = [lines.line("object", "ADDED", one) for one in large]
    assert lines.line("object", "ADDED", large[-1]) is made[-1]
    assert lines.line("object", "ADDED", large[0]) is not made[0]


def test_old_lines_are_forgotten_and_made_again() -> None:
    lines, one = EventLines(), stored()
    first = lines.line("object", "ADDED", one)
    for _ in range(MOST_LINES):
        lines.line("object", "ADDED", stored())
    again = lines.line("object", "ADDED", one)
    assert again == first
    assert again is not first
