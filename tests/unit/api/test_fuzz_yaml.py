"""Any text is YAML that JSON can show, or malformed; and JSON read as YAML is the same."""

from __future__ import annotations

from typing import Any

import orjson
from api.hostile_values import refusable
from hypothesis import example, given, settings
from hypothesis import strategies as st

from podpass.api import codec
from podpass.api.errors import StatusError
from podpass.api.json_codec import MalformedBody
from podpass.api.yaml_codec import parse_yaml, parse_yaml_documents
from tests.examples import examples

PIECES = st.lists(
    st.sampled_from(
        [
            "a", "b: ", "- ", "? ", "[", "]", "{", "}", ",", "&x ", "*x", "<<: ", "!!int ", "! ",
            "!!binary ", "!!map ", "!!set ", "'", '"', "\\", "|", ">-", "\n", "  ", "\t", "#",
            "---\n", "...\n", "%YAML 9\n", "0x", "0o7", "1_0", "-.inf", ".nan", "~", "yes", "1e999",
            "\u2028", "\x00", "\ufeff", "12:30", "2026-01-01",
        ]
    ),
    max_size=14,
).map("".join)  # fmt: skip


def shown(document: bytes | str) -> Any:
    try:
        value = parse_yaml(document, lambda *_: None)
        parse_yaml_documents(document)
    except MalformedBody as error:
        orjson.dumps(str(error))
        return None
    orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    return value


@given(PIECES)
@settings(max_examples=examples(400))
@example("0x" + "f" * 256)
@example("9" * 5000)
@example("\x85")
def test_any_text_is_a_json_value_or_malformed(text: str) -> None:
    shown(text)


@given(st.binary(max_size=30))
@settings(max_examples=examples(150))
def test_any_bytes_are_a_json_value_or_malformed(body: bytes) -> None:
    shown(body)


@given(PIECES)
@settings(max_examples=examples(100))
def test_any_text_is_an_object_or_a_bad_request(text: str) -> None:
    try:
        decoded = codec.decode_body(
            text.encode(), codec.YAML, field_validation="Strict", default_gvk=("v1", "ConfigMap")
        )
    except StatusError as error:
        refusable(error)
    else:
        orjson.dumps(decoded.object)
