import orjson
import pytest

from podpass.api.resources import Object
from podpass.storage.interface import KeyValue, StoreRevision
from podpass.storage.stored_object import at_revision, encode_value, load, load_value

OBJECT: Object = {
    "data": {"text": '"metadata":{"resourceVersion":"1"'},
    "metadata": {
        "name": "é",
        "resourceVersion": "999",
        "annotations": {"a": '"metadata":{', "metadata": "x"},
    },
    "kind": "ConfigMap",
    "apiVersion": "v1",
    "metadata2": {"metadata": {"resourceVersion": "5"}},
}


def test_stored_bytes_start_with_what_they_are_and_have_no_version() -> None:
    before = orjson.dumps(OBJECT)
    value = encode_value(OBJECT)
    assert value.startswith(b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"\xc3\xa9"')
    assert "resourceVersion" not in orjson.loads(value)["metadata"]
    assert orjson.dumps(OBJECT) == before


@pytest.mark.parametrize("revision", [1, 999, 2**62])
def test_sent_bytes_carry_the_revision_and_nothing_else_changes(revision: int) -> None:
    stored = load_value("/k", StoreRevision(revision), encode_value(OBJECT))
    expected = OBJECT | {"metadata": OBJECT["metadata"] | {"resourceVersion": str(revision)}}
    assert stored.object == orjson.loads(stored.raw) == expected
    assert (stored.key, stored.revision) == ("/k", revision)


def test_empty_metadata_stays_valid() -> None:
    value = encode_value({"apiVersion": "v1", "kind": "X", "metadata": {}, "spec": {}})
    stored = load_value("/k", StoreRevision(7), value)
    assert stored.object["metadata"] == {"resourceVersion": "7"}


def test_object_is_decoded_once() -> None:
    entry = KeyValue("/k", encode_value(OBJECT), StoreRevision(3), StoreRevision(4))
    stored = load(entry)
    assert stored.revision == 4
    assert stored.object is stored.object


def test_another_revision_of_the_same_object() -> None:
    stored = load_value("/k", StoreRevision(12), encode_value(OBJECT))
    later = at_revision(stored, StoreRevision(345))
    assert later.revision == 345
    assert later.object["metadata"]["resourceVersion"] == "345"
    assert later.object["data"] == stored.object["data"]
    assert stored.object["metadata"]["resourceVersion"] == "12"


def test_repr_shows_no_content() -> None:
    assert repr(load_value("/k", StoreRevision(1), encode_value(OBJECT))) == "StoredObject(/k at 1)"
