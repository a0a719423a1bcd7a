"""The messages of `v1.ExternalJWTSigner`, to and from protobuf.

Five messages of a few fields: written out here rather than generated, see docs/adr/0015. Unknown
fields are skipped; of a field that is given twice the last counts. Both ends use this module: the
API server, and the reference signer.
Source: `k8s.io/externaljwt`, `apis/v1/api.proto`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from podpass.api.json_codec import MalformedBody
from podpass.api.protobuf_wire import VARINT, WORD, encode_varint, read_records, write_bytes
from podpass.apiserver.external_jwt.failures import BadAnswer

SERVICE = "v1.ExternalJWTSigner"
SIGN = f"/{SERVICE}/Sign"
FETCH_KEYS = f"/{SERVICE}/FetchKeys"
METADATA = f"/{SERVICE}/Metadata"


@dataclass(frozen=True, slots=True)
class Timestamp:
    """`google.protobuf.Timestamp`.

    Attributes:
        seconds: Since 1970.
        nanos: And so many nanoseconds.
    """

    seconds: int = 0
    nanos: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WireKey:
    """`Key`.

    Attributes:
        key_id: What `kid` of a token says.
        key: DER SubjectPublicKeyInfo.
        exclude_from_oidc_discovery: Verifies, but is not shown.
    """

    key_id: str = ""
    key: bytes = b""
    exclude_from_oidc_discovery: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchKeysResponse:
    """The keys.

    Attributes:
        keys: All that verify.
        data_timestamp: When they were read where they are kept.
        refresh_hint_seconds: When to ask again.
    """

    keys: tuple[WireKey, ...] = ()
    data_timestamp: Timestamp | None = None
    refresh_hint_seconds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SignResponse:
    """`SignJWTResponse`.

    Attributes:
        header: First part of the token.
        signature: Third part.
    """

    header: str = ""
    signature: str = ""


def encode_sign_request(claims: str) -> bytes:
    """Return `SignJWTRequest`; `claims` is the second part of the token."""
    return _fields((1, claims.encode()))


def decode_sign_request(data: bytes) -> str:
    """Return `claims` of a `SignJWTRequest`.

    Raises:
        BadAnswer: The bytes are no such message.
    """
    return _text(_read(data).get(1, b""))


def encode_sign_response(response: SignResponse) -> bytes:
    """Return `SignJWTResponse`."""
    return _fields((1, response.header.encode()), (2, response.signature.encode()))


def decode_sign_response(data: bytes) -> SignResponse:
    """Read `SignJWTResponse`.

    Raises:
        BadAnswer: The bytes are no such message.
    """
    fields = _read(data)
    return SignResponse(header=_text(fields.get(1, b"")), signature=_text(fields.get(2, b"")))


def encode_fetch_keys_response(response: FetchKeysResponse) -> bytes:
    """Return `FetchKeysResponse`."""
    stamp = response.data_timestamp
    return b"".join(
        (
            *(
                _field(1, _fields((1, one.key_id.encode()), (2, one.key),
                                  (3, one.exclude_from_oidc_discovery)))
                for one in response.keys
            ),
            b"" if stamp is None else _field(2, _fields((1, stamp.seconds), (2, stamp.nanos))),
            _fields((3, response.refresh_hint_seconds)),
        )
    )  # fmt: skip


def decode_fetch_keys_response(data: bytes) -> FetchKeysResponse:
    """Read `FetchKeysResponse`.

    Raises:
        BadAnswer: The bytes are no such message.
    """
    fields = _read(data)
    stamp = None if 2 not in fields else _read(_bytes(fields[2]))  # noqa: PLR2004 - field number
    return FetchKeysResponse(
        keys=tuple(_key(_read(_bytes(raw))) for raw in _repeated(data, 1)),
        data_timestamp=None
        if stamp is None
        else Timestamp(_integer(stamp.get(1, 0)), _integer(stamp.get(2, 0))),
        refresh_hint_seconds=_integer(fields.get(3, 0)),
    )


def encode_metadata_response(max_token_expiration_seconds: int) -> bytes:
    """Return `MetadataResponse`."""
    return _fields((1, max_token_expiration_seconds))


def decode_metadata_response(data: bytes) -> int:
    """Return the longest life of a token that the signer signs, in seconds.

    Raises:
        BadAnswer: The bytes are no such message.
    """
    return _integer(_read(data).get(1, 0))


_Raw = int | bytes


def _key(fields: dict[int, _Raw]) -> WireKey:
    return WireKey(
        key_id=_text(fields.get(1, b"")),
        key=_bytes(fields.get(2, b"")),
        exclude_from_oidc_discovery=bool(_integer(fields.get(3, 0))),
    )


def _records(data: bytes) -> Iterable[tuple[int, _Raw]]:
    try:
        for number, _, raw in read_records(memoryview(data)):
            yield number, raw if isinstance(raw, int) else bytes(raw)
    except MalformedBody as error:
        raise BadAnswer(str(error)) from None


def _read(data: bytes) -> dict[int, _Raw]:
    return dict(_records(data))


def _repeated(data: bytes, wanted: int) -> list[_Raw]:
    return [raw for number, raw in _records(data) if number == wanted]


def _bytes(raw: _Raw) -> bytes:
    if isinstance(raw, int):
        raise BadAnswer("proto: a field has the wrong wire type")
    return raw


def _text(raw: _Raw) -> str:
    try:
        return _bytes(raw).decode()
    except UnicodeDecodeError:
        raise BadAnswer("proto: string field contains invalid UTF-8") from None


def _integer(raw: _Raw) -> int:
    if not isinstance(raw, int):
        raise BadAnswer("proto: a field has the wrong wire type")
    return raw - WORD if raw >= WORD // 2 else raw


def _fields(*fields: tuple[int, bytes | int]) -> bytes:
    """Return the fields that are not empty, as proto3 has it."""
    return b"".join(_field(number, value) for number, value in fields if value)


def _field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return encode_varint(number << 3 | VARINT) + encode_varint(value % WORD)
    out = bytearray()
    write_bytes(out, number, value)
    return bytes(out)
