"""Protobuf: bytes that kubectl sends, round trips of any object, and bytes that are refused."""

import base64
import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podpass.api import protobuf, schema
from podpass.api.json_codec import MAX_DEPTH, MalformedBody
from podpass.api.protobuf import (
    MAGIC,
    UNKNOWN,
    decode_envelope,
    decode_message,
    encode_envelope,
    encode_message,
)
from podpass.api.quantity import Quantity
from podpass.api.schema import CORE, META, Field
from podpass.api.structure import conform

POD = CORE + "Pod"

EMPTY_METADATA = b'\x1a\x00"\x00*\x002\x008\x00B\x00'


@pytest.mark.parametrize(
    ("body", "type_", "fields"),
    [
        pytest.param(
            b"k8s\x00\n\x14\n\x02v1\x12\x0eServiceAccount\x12\x1d\n\x1b\n\x0bbuild-robot\x12\x00"
            + EMPTY_METADATA
            + b'\x1a\x00"\x00',
            ("v1", "ServiceAccount"),
            {"metadata": {"name": "build-robot"}},
            id="create sa",
        ),
        pytest.param(
            b"k8s\x00\n(\n\x18authentication.k8s.io/v1\x12\x0cTokenRequest\x12$\n\x10\n\x00\x12\x00"
            + EMPTY_METADATA
            + b'\x12\n\n\x05vault \xd8\x04\x1a\x04\n\x00\x12\x00\x1a\x00"\x00',
            ("authentication.k8s.io/v1", "TokenRequest"),
            {
                "metadata": {},
                "spec": {"audiences": ["vault"], "expirationSeconds": 600},
                "status": {"token": ""},
            },
            id="create token",
        ),
        pytest.param(
            b"k8s\x00\n\x0c\n\x02v1\x12\x06Secret\x12\x1e\n\x12\n\x02s1\x12\x00"
            + EMPTY_METADATA
            + b'\x12\x06\n\x01a\x12\x01b\x1a\x00\x1a\x00"\x00',
            ("v1", "Secret"),
            {"metadata": {"name": "s1"}, "data": {"a": "Yg=="}},
            id="create secret",
        ),
        pytest.param(
            b"k8s\x00\n$\n\x1crbac.authorization.k8s.io/v1\x12\x04Role\x12#\n\x12\n\x02r1\x12\x00"
            + EMPTY_METADATA
            + b'\x12\r\n\x03get\x12\x00\x1a\x04pods\x1a\x00"\x00',
            ("rbac.authorization.k8s.io/v1", "Role"),
            {
                "metadata": {"name": "r1"},
                "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}],
            },
            id="create role",
        ),
    ],
)
def test_bodies_that_kubectl_1_37_sends(
    body: bytes, type_: tuple[str, str], fields: dict[str, Any]
) -> None:
    api_version, kind, raw = decode_envelope(body)
    assert (api_version, kind) == type_
    message = schema.message_for(api_version, kind)
    assert message is not None
    assert conform(decode_message(raw, message), message) == fields


def values(field: Field, depth: int) -> st.SearchStrategy[Any]:
    simple: dict[str, st.SearchStrategy[Any]] = {
        "string": st.text(max_size=5),
        "bool": st.booleans(),
        "int32": st.integers(-(2**31), 2**31 - 1),
        "int64": st.integers(-(2**63), 2**63 - 1),
        "bytes": st.binary(max_size=6).map(lambda data: base64.b64encode(data).decode()),
        schema.TIME: st.sampled_from(["1969-12-31T23:59:59Z", "2026-01-01T00:00:00Z"]),
        schema.MICRO_TIME: st.just("2026-01-01T00:00:00.123456Z"),
        schema.QUANTITY: st.integers(-(10**9), 10**9).map(lambda nanos: str(Quantity(nanos))),
        schema.INT_OR_STRING: st.integers(-9, 9) | st.text(max_size=3),
        schema.FIELDS_V1: st.just({"f:x": {}}),
        schema.RAW_EXTENSION: st.just({"x": [1]}),
    }
    if field.type in simple:
        return simple[field.type]
    if field.type in schema.STRING_LISTS:
        return st.lists(st.text(max_size=3), max_size=2)
    return messages(field.type, depth + 1)


def messages(message: str, depth: int = 0) -> st.SearchStrategy[Any]:
    if depth > 3:
        return st.just({})

    @st.composite
    def build(draw: st.DrawFn) -> dict[str, Any]:
        known = schema.fields(message)
        out: dict[str, Any] = {}
        for name in draw(st.lists(st.sampled_from(sorted(known)), max_size=4)) if known else ():
            one = values(known[name], depth)
            if known[name].label == "repeated":
                one = st.lists(one, min_size=1, max_size=2)
            elif known[name].label == "map":
                one = st.dictionaries(st.text(max_size=3), one, min_size=1, max_size=2)
            out[name] = draw(one)
        return out

    return build()


KINDS = [
    *(CORE + kind for kind in ("Pod", "Secret", "ConfigMap", "Node", "Event", "ServiceAccount")),
    CORE + "List",
    "k8s.io.api.authentication.v1.TokenReview",
    "k8s.io.api.coordination.v1.Lease",
    "k8s.io.api.policy.v1.PodDisruptionBudget",
    "k8s.io.api.rbac.v1.ClusterRole",
]


@settings(max_examples=150)
@given(st.sampled_from(KINDS).flatmap(lambda one: st.tuples(st.just(one), messages(one))))
def test_what_is_encoded_is_decoded(drawn: tuple[str, dict[str, Any]]) -> None:
    message, value = drawn
    shaped = conform(value, message)
    assert conform(decode_message(encode_message(shaped, message), message), message) == shaped


def test_every_form_of_a_value_round_trips() -> None:
    pod: dict[str, Any] = {
        "metadata": {
            "name": "x",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"a": "b"},
            "managedFields": [{"fieldsV1": {"f:spec": {}}}],
        },
        "spec": {
            "volumes": [
                {"name": "v", "emptyDir": {"sizeLimit": "1Gi"}},
                {"name": "w", "projected": {"sources": [{"secret": {"name": "s"}}]}},
                {"name": "nothing"},
            ],
            "containers": [
                {
                    "name": "c",
                    "livenessProbe": {"httpGet": {"port": "web"}},
                    "readinessProbe": {"tcpSocket": {"port": 80}},
                    "resources": {"limits": {"cpu": "500m"}},
                    "tty": True,
                }
            ],
            "priority": -1,
        },
    }
    assert decode_message(encode_message(pod, POD), POD) == pod
    user = {"username": "u", "extra": {"k": ["v", "w"]}}
    message = "k8s.io.api.authentication.v1.UserInfo"
    assert decode_message(encode_message(user, message), message) == user


@given(st.binary(max_size=60))
def test_no_bytes_break_the_decoder(data: bytes) -> None:
    with contextlib.suppress(MalformedBody):
        assert isinstance(decode_message(data, POD), dict)


def test_envelope_round_trip() -> None:
    assert decode_envelope(encode_envelope("v1", "Pod", b"\x01\x02")) == ("v1", "Pod", b"\x01\x02")
    assert decode_envelope(MAGIC) == ("", "", b"")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"\x0a\x05ab", "unexpected EOF", id="shorter than it says"),
        pytest.param(b"\x0a", "unexpected EOF", id="no length"),
        pytest.param(b"\x0a\x80", "unexpected EOF", id="half a number"),
        pytest.param(b"\x02\x00", "illegal tag 0", id="field zero"),
        pytest.param(b"\x0b\x0c", "illegal wireType 3", id="a group"),
        pytest.param(b"\x08\x01", "wrong wireType = 0 for field name", id="number for a text"),
        pytest.param(
            b"\x3a\x00", "wrong wireType = 2 for field generation", id="text for a number"
        ),
        pytest.param(b"\x0a\x01\xff", "invalid UTF-8", id="no text"),
        pytest.param(b"\x38" + b"\xff" * 10 + b"\x01", "integer overflow", id="endless number"),
        pytest.param(b"\x42\x0a\x08" + b"\xff" * 8 + b"\x7f", "ObjectMeta", id="year 10^11"),
    ],
)
def test_what_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(MalformedBody, match=message):
        decode_message(data, META + "ObjectMeta")


def test_no_magic() -> None:
    with pytest.raises(MalformedBody, match="does not appear to be a protobuf message"):
        decode_envelope(b"{}")


def test_json_inside_must_be_json() -> None:
    assert decode_message(b"\x12\x04\x0a\x02{}", META + "WatchEvent") == {"object": {}}
    with pytest.raises(MalformedBody, match="WatchEvent"):
        decode_message(b"\x12\x03\x0a\x01{", META + "WatchEvent")


def test_unknown_fields_of_every_wire_type_are_skipped() -> None:
    name = b"\x0a\x01x"
    extra = b"\xf8\x07\x01" + b"\xf9\x07" + b"\0" * 8 + b"\xfa\x07\x01a" + b"\xfd\x07" + b"\0" * 4
    assert decode_message(extra + name + extra, META + "ObjectMeta") == {"name": "x"}


def test_a_message_given_twice_is_merged_and_a_scalar_replaced() -> None:
    data = b"\x0a\x03\x0a\x01x" + b"\x0a\x03\x1a\x01n" + b"\x0a\x03\x0a\x01y"
    assert decode_message(data, POD) == {"metadata": {"name": "y", "namespace": "n"}}


def test_packed_numbers_are_read() -> None:
    packed = b"\x22\x03\x01\x80\x01"
    message = CORE + "PodSecurityContext"
    assert decode_message(packed, message) == {"supplementalGroups": [1, 128]}
    assert decode_message(b"\x20\x01\x20\x02", message) == {"supplementalGroups": [1, 2]}


def test_empty_entries_and_times() -> None:
    labels = decode_message(b"\x5a\x00" + b"\x5a\x03\x0a\x01a" + b"\x42\x00", META + "ObjectMeta")
    assert labels == {"labels": {"": "", "a": ""}}
    unordered = b"\x5a\x06\x12\x01v\x0a\x01k" + b"\x5a\x02\x18\x01"
    assert decode_message(unordered, META + "ObjectMeta") == {"labels": {"k": "v", "": ""}}


def test_empty_json_is_no_value() -> None:
    assert decode_message(b"\x3a\x00", META + "ManagedFieldsEntry") == {}


def test_depth_is_limited() -> None:
    deepest = memoryview(b"")
    assert protobuf._decode(deepest, POD, MAX_DEPTH) == {}
    with pytest.raises(MalformedBody, match=f"max depth of {MAX_DEPTH}"):
        protobuf._decode(deepest, POD, MAX_DEPTH + 1)


def test_unknown_is_the_envelope() -> None:
    assert decode_message(b"\x12\x01x", UNKNOWN) == {"raw": "eA=="}


@pytest.mark.parametrize(
    ("data", "message", "value"),
    [
        pytest.param(
            b"\x0a\x03\x0a\x01a",
            "k8s.io.api.core.v1.ResourceRequirements",
            {"limits": {"a": "0"}},
            id="no quantity is zero",
        ),
        pytest.param(
            b"\x0a\x00",
            "k8s.io.api.core.v1.TCPSocketAction",
            {"port": 0},
            id="no port is zero",
        ),
        pytest.param(
            b"\x22\x03\x0a\x01a",
            "k8s.io.api.authentication.v1.UserInfo",
            {"extra": {"a": []}},
            id="no list is empty",
        ),
    ],
)
def test_values_that_are_not_there(data: bytes, message: str, value: dict[str, Any]) -> None:
    assert decode_message(data, message) == value
