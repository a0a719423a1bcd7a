"""Request bodies: media types, strictness, and the words of a refusal."""

import orjson
import pytest

from podpass.api.codec import (
    JSON,
    PROTOBUF,
    YAML,
    FieldValidation,
    decode_body,
    decode_protobuf,
    decode_value,
    encode_protobuf,
)
from podpass.api.errors import StatusError
from podpass.api.protobuf import encode_envelope
from podpass.api.resources import Object

POD = ("v1", "Pod")
NGINX: Object = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "nginx"},
    "spec": {"containers": [{"name": "nginx", "image": "nginx"}]},
}
UNREADABLE = (
    "the object provided is unrecognized (must be of type Pod): couldn't get version/kind; "
)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param(orjson.dumps(NGINX), JSON, id="json"),
        pytest.param(orjson.dumps(NGINX), "", id="no media type is json"),
        pytest.param(orjson.dumps(NGINX), "Application/JSON; charset=utf-8", id="parameters"),
        pytest.param(
            b"metadata: {name: nginx}\nspec:\n  containers: [{name: nginx, image: nginx}]\n",
            YAML,
            id="yaml without a type",
        ),
        pytest.param(encode_protobuf(NGINX), PROTOBUF, id="protobuf"),
    ],
)
def test_all_formats_give_the_same_object(body: bytes, content_type: str) -> None:
    decoded = decode_body(body, content_type, field_validation="Strict", default_gvk=POD)
    assert decoded.object == NGINX
    assert list(decoded.object)[:3] == ["apiVersion", "kind", "metadata"]
    assert decoded.warnings == []


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        pytest.param(b"{", JSON, UNREADABLE + "json parse error: ", id="no json"),
        pytest.param(b"a: b: c", YAML, UNREADABLE + "yaml: line 1", id="no yaml"),
        pytest.param(
            b"{}",
            PROTOBUF,
            UNREADABLE + "provided data does not appear to be a protobuf message",
            id="no protobuf",
        ),
        pytest.param(
            b'{"apiVersion":1}',
            JSON,
            UNREADABLE + "json parse error: apiVersion and kind must be strings",
            id="a number as version",
        ),
        pytest.param(
            b"[]",
            JSON,
            'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal array into '
            "Go value of type v1.Pod",
            id="a list",
        ),
        pytest.param(
            b'{"spec":{"containers":3}}',
            JSON,
            'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal number into '
            "Go struct field PodSpec.spec.containers of type []v1.Container",
            id="a wrong type",
        ),
        pytest.param(
            b'{"apiVersion":"v2"}',
            JSON,
            "the API version in the data (v2) does not match the expected API version (v1)",
            id="another version",
        ),
        pytest.param(
            b'{"kind":"Role","apiVersion":"rbac.authorization.k8s.io/v1"}',
            JSON,
            "the API version in the data (rbac.authorization.k8s.io/v1) does not match the "
            "expected API version (v1)",
            id="another kind of another group",
        ),
        pytest.param(
            b'{"kind":"Secret"}',
            JSON,
            'Secret in version "v1" cannot be handled as a Pod: converting a Secret to a Pod: '
            "not possible",
            id="another kind",
        ),
        pytest.param(
            b'{"kind":"Nothing","apiVersion":"x.io/v3"}',
            JSON,
            'Nothing in version "v3" cannot be handled as a Pod: no kind "Nothing" is registered '
            'for version "x.io/v3"',
            id="an unknown kind",
        ),
        pytest.param(
            encode_envelope("v1", "Secret", b""), PROTOBUF, "converting a Secret", id="in protobuf"
        ),
    ],
)
def test_what_cannot_be_read_is_400(body: bytes, content_type: str, message: str) -> None:
    with pytest.raises(StatusError) as caught:
        decode_body(body, content_type, field_validation="Ignore", default_gvk=POD)
    assert (caught.value.code, caught.value.reason) == (400, "BadRequest")
    assert message in caught.value.message


def test_an_endpoint_of_a_kind_without_schema_is_400() -> None:
    with pytest.raises(StatusError, match='no kind "Nothing" is registered for version "v1"'):
        decode_value({}, field_validation="Ignore", default_gvk=("v1", "Nothing"))


def test_other_media_types_are_415() -> None:
    with pytest.raises(StatusError) as caught:
        decode_body(b"", "text/plain", field_validation="Ignore", default_gvk=POD)
    assert (caught.value.code, caught.value.reason) == (415, "UnsupportedMediaType")
    assert JSON in caught.value.message


BOTH = b'{"spec":{"foo":1,"containers":[{"name":"a","name":"b"}]}}'


def test_strict_refuses_unknown_and_repeated_fields() -> None:
    with pytest.raises(StatusError) as caught:
        decode_body(BOTH, JSON, field_validation="Strict", default_gvk=POD)
    assert caught.value.code == 400
    assert caught.value.message == (
        'Pod in version "v1" cannot be handled as a Pod: strict decoding error: '
        'duplicate field "spec.containers[0].name", unknown field "spec.foo"'
    )


@pytest.mark.parametrize(
    ("validation", "warnings"),
    [
        pytest.param(
            "Warn",
            ['duplicate field "spec.containers[0].name"', 'unknown field "spec.foo"'],
            id="warn reports them",
        ),
        pytest.param("Ignore", [], id="ignore says nothing"),
    ],
)
def test_lenient_drops_them(validation: FieldValidation, warnings: list[str]) -> None:
    decoded = decode_body(BOTH, JSON, field_validation=validation, default_gvk=POD)
    assert decoded.object["spec"] == {"containers": [{"name": "b"}]}
    assert decoded.warnings == warnings


def test_repeated_keys_of_yaml() -> None:
    with pytest.raises(StatusError, match='line 2: key "spec" already set in map'):
        decode_body(b"spec: {}\nspec: {}\n", YAML, field_validation="Strict", default_gvk=POD)


@pytest.mark.parametrize("api_version", ["v1", "meta.k8s.io/v1", "batch/v1", ""])
def test_delete_options_come_in_any_version(api_version: str) -> None:
    body = orjson.dumps(
        {"kind": "DeleteOptions", "apiVersion": api_version, "gracePeriodSeconds": 0}
    )
    gvk = ("v1", "DeleteOptions")
    assert decode_body(body, JSON, field_validation="Strict", default_gvk=gvk).object == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "gracePeriodSeconds": 0,
    }


def test_protobuf_without_a_type_is_of_the_endpoint() -> None:
    assert decode_protobuf(encode_envelope("", "", b"\x0a\x03\x0a\x01x"), default_gvk=POD) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "x"},
    }


def test_an_unknown_kind_has_no_protobuf_form() -> None:
    with pytest.raises(KeyError, match="no schema for v1 Nothing"):
        encode_protobuf({"apiVersion": "v1", "kind": "Nothing"})


def test_the_text_of_a_refusal_quotes_no_value_of_a_secret() -> None:
    body = b'{"data":{"password":"hunter2!"}}'
    with pytest.raises(StatusError, match="illegal base64 data at input byte 7") as caught:
        decode_body(body, JSON, field_validation="Strict", default_gvk=("v1", "Secret"))
    assert "hunter2" not in caught.value.message
