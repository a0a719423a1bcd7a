"""Which requests are taken whole, and which are left to aiohttp."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podpass.apiserver import plain_request
from podpass.apiserver.plain_request import MAX_PLAIN_BYTES, HeaderReader, PlainRequest


def parse_plain(data: bytes) -> tuple[PlainRequest, int] | None:
    return plain_request.parse_plain(data, HeaderReader())


GET = b"GET /api/v1/pods?limit=5 HTTP/1.1\r\nHost: api\r\n\r\n"


def post(*headers: bytes, body: bytes = b"{}", target: bytes = b"/api/v1/namespaces") -> bytes:
    lines = [b"POST %b HTTP/1.1" % target, b"Host: api", b"Content-Length: %d" % len(body)]
    return b"\r\n".join([*lines, *headers]) + b"\r\n\r\n" + body


def test_a_request_without_a_body_is_read() -> None:
    parsed = parse_plain(GET)
    assert parsed is not None
    request, end = parsed
    assert (request.method, request.raw_path) == ("GET", "/api/v1/pods?limit=5")
    assert (request.headers["host"], request.body, end) == ("api", b"", len(GET))
    assert request.keeps_alive


def test_a_body_and_repeated_headers_are_read() -> None:
    data = post(b"Impersonate-Group: a", b"impersonate-group:b", body=b"\xff{}")
    parsed = parse_plain(data + b"GET ")
    assert parsed is not None
    request, end = parsed
    assert request.body == b"\xff{}"
    assert request.headers.getall("Impersonate-Group") == ["a", "b"]
    assert end == len(data)


def test_a_client_may_ask_for_the_end_of_the_connection() -> None:
    parsed = parse_plain(post(b"Connection: Close"))
    assert parsed is not None
    assert not parsed[0].keeps_alive


def test_the_largest_request_is_taken_and_a_byte_more_is_not() -> None:
    room = MAX_PLAIN_BYTES - len(post(body=b"x" * 60_000)) + 60_000
    assert parse_plain(post(body=b"x" * room)) is not None
    assert parse_plain(post(body=b"x" * (room + 1))) is None


def test_a_request_is_taken_only_when_its_last_byte_is_there() -> None:
    whole = post(b"Accept: */*")
    assert [end for end in range(len(whole)) if parse_plain(whole[:end]) is not None] == []
    assert parse_plain(whole) is not None


def get(line: bytes) -> bytes:
    return line + b"\r\nHost: api\r\n\r\n"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(get(b"HEAD /api HTTP/1.1"), id="another method"),
        pytest.param(get(b"GET /api HTTP/1.0"), id="another version"),
        pytest.param(get(b"GET api HTTP/1.1"), id="no path"),
        pytest.param(get(b"GET  /api HTTP/1.1"), id="two spaces in the line"),
        pytest.param(get(b"GET /a%70i HTTP/1.1"), id="an escape"),
        pytest.param(get(b"GET /api/\xc3\xa4 HTTP/1.1"), id="a path beyond ASCII"),
        pytest.param(get(b"GET /api#a HTTP/1.1"), id="a fragment"),
        pytest.param(get(b"GET /api/v1/pods?watch=1 HTTP/1.1"), id="a watch"),
        pytest.param(get(b"GET /api/v1/namespaces/a/pods/b/log HTTP/1.1"), id="a log"),
        pytest.param(get(b"POST /api/v1/namespaces/a/pods/b/exec?x HTTP/1.1"), id="an exec"),
        pytest.param(get(b"GET /" + b"a" * 8192 + b" HTTP/1.1"), id="a long line"),
        pytest.param(b"GET /api HTTP/1.1\r\n\r\n", id="no header at all"),
        pytest.param(b"GET /api HTTP/1.1\r\nAccept: a\r\n\r\n", id="no host"),
        pytest.param(b"GET /api HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", id="two hosts"),
        pytest.param(b"GET /api HTTP/1.1\nHost: a\n\n", id="bare line feeds"),
        pytest.param(post(b"A: b", b" folded: c"), id="a folded line"),
        pytest.param(post(b"A : b"), id="a space before the colon"),
        pytest.param(post(b"A B: c"), id="a space in a name"),
        pytest.param(post(b": c"), id="no name"),
        pytest.param(post(b"no colon"), id="no colon"),
        pytest.param(post(b"A: b\x00c"), id="a control character"),
        pytest.param(post(b"A: b\rB: c"), id="a bare carriage return"),
        pytest.param(post(b"A: b\nB: c"), id="a bare line feed"),
        pytest.param(post(b"A: \xc3\xa4"), id="a value beyond ASCII"),
        pytest.param(post(b"A: b "), id="a value with a space at its end"),
        pytest.param(post(*[b"A: b"] * 70), id="many headers"),
        pytest.param(post(b"Content-Length: 2"), id="two lengths"),
        pytest.param(post(b"Transfer-Encoding: chunked"), id="chunks"),
        pytest.param(post(b"Expect: 100-continue"), id="who asks first"),
        pytest.param(post(b"Upgrade: websocket"), id="an upgrade"),
        pytest.param(post(b"Sec-WebSocket-Protocol: a"), id="a subprotocol"),
        pytest.param(GET.replace(b"\r\n\r\n", b"\r\nContent-Length: -1\r\n\r\n"), id="minus one"),
        pytest.param(GET.replace(b"\r\n\r\n", b"\r\nContent-Length: +0\r\n\r\n"), id="plus zero"),
        pytest.param(GET.replace(b"\r\n\r\n", b"\r\nContent-Length: 0x0\r\n\r\n"), id="base 16"),
        pytest.param(
            GET.replace(b"\r\n\r\n", b"\r\nContent-Length: 9999999\r\n\r\n"), id="a large body"
        ),
        pytest.param(b"\x16\x03\x01\x00\r\n\r\n", id="no HTTP"),
    ],
)
def test_what_is_out_of_the_ordinary_is_left_alone(data: bytes) -> None:
    assert parse_plain(data) is None


def test_the_headers_of_the_last_request_are_read_once() -> None:
    reader = HeaderReader()
    first = plain_request.parse_plain(post(b"Accept: a", body=b"{}"), reader)
    again = plain_request.parse_plain(post(b"Accept: a", body=b"[]", target=b"/apis"), reader)
    other = plain_request.parse_plain(post(b"Accept: b", body=b"[1]"), reader)
    strange = plain_request.parse_plain(post(b"Expect: 100-continue"), reader)
    assert first is not None
    assert again is not None
    assert other is not None
    assert strange is None
    assert again[0].headers is first[0].headers
    assert (again[0].raw_path, again[0].body) == ("/apis", b"[]")
    assert (other[0].headers["Accept"], other[0].body) == ("b", b"[1]")


@given(st.binary(max_size=200))
def test_no_bytes_raise_an_error(data: bytes) -> None:
    parse_plain(data)
    parse_plain(GET[:-2] + data + b"\r\n\r\n")
