"""Frames of SPDY/3.1: what is sent can be read, and what is no SPDY is refused."""

from __future__ import annotations

import struct
import zlib

import pytest

from podpass.kubelet import spdy_frames as frames
from podpass.kubelet.spdy_frames import DICTIONARY, Frame, FrameReader, FrameWriter, SpdyError


def test_the_dictionary_is_the_one_that_all_others_have() -> None:
    assert (len(DICTIONARY), zlib.adler32(DICTIONARY)) == (1423, 0xE3C6A7C2)


def test_frames_can_be_read_in_whatever_pieces_they_come() -> None:
    writer = FrameWriter()
    sent = b"".join(
        (
            writer.syn_stream(1, {"streamType": "error", "port": "80"}),
            writer.syn_stream(3, {"streamType": "data", "port": "80"}, fin=True),
            writer.syn_reply(5),
            writer.data(1, b"hello"),
            writer.data(1, b"", fin=True),
            writer.reset(3, frames.REFUSED_STREAM),
            writer.ping(7),
            writer.goaway(3),
        )
    )
    expected = [
        Frame(frames.SYN_STREAM, 1, headers={"streamtype": "error", "port": "80"}),
        Frame(frames.SYN_STREAM, 3, fin=True, headers={"streamtype": "data", "port": "80"}),
        Frame(frames.SYN_REPLY, 5),
        Frame(frames.DATA, 1, data=b"hello"),
        Frame(frames.DATA, 1, fin=True),
        Frame(frames.RST_STREAM, 3),
        Frame(frames.PING, 7),
        Frame(frames.GOAWAY),
    ]
    assert list(FrameReader().feed(sent)) == expected
    reader = FrameReader()
    assert [f for byte in sent for f in reader.feed(bytes([byte]))] == expected


@pytest.mark.parametrize(
    ("sent", "frame"),
    [
        pytest.param("80030003 00000008 00000005 00000001", Frame(3, 5), id="RST_STREAM"),
        pytest.param("80030006 00000004 00000001", Frame(frames.PING, 1), id="PING"),
        pytest.param("80030007 00000008 00000000 00000000", Frame(frames.GOAWAY), id="GOAWAY"),
    ],
)
def test_the_bytes_that_kubectl_sends(sent: str, frame: Frame) -> None:
    """Kubectl pings every 10 seconds; Go's spdystream writes these (SPDY Protocol, Draft 3.1)."""
    assert list(FrameReader().feed(bytes.fromhex(sent))) == [frame]
    assert FrameWriter().ping(1) == bytes.fromhex("80030006 00000004 00000001")


def control(kind: int, body: bytes, *, version: int = 3) -> bytes:
    return struct.pack(">HHI", 0x8000 | version, kind, len(body)) + body


def headers(plain: bytes) -> bytes:
    packer = zlib.compressobj(zdict=DICTIONARY)
    return packer.compress(plain) + packer.flush(zlib.Z_SYNC_FLUSH)


def test_frames_that_mean_nothing_here_are_left_out() -> None:
    sent = control(frames.SETTINGS, b"\0" * 12) + control(frames.WINDOW_UPDATE, b"\0" * 8)
    assert list(FrameReader().feed(sent + FrameWriter().ping(1))) == [Frame(frames.PING, 1)]


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        pytest.param(control(frames.PING, b"\0" * 4, version=2), "version 2", id="another version"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n"[:0] + control(6, b""), "too short", id="no number"),
        pytest.param(
            struct.pack(">HHI", 0x8003, 1, 1 << 20), "too long", id="a control frame of 1 MiB"
        ),
        pytest.param(
            control(frames.SYN_REPLY, b"\0\0\0\1nonsense"), "cannot be read", id="no zlib"
        ),
        pytest.param(
            control(frames.SYN_REPLY, b"\0\0\0\1" + headers(b"\0\0\0\1\0\0\0\x09ab")),
            "cut off",
            id="a name that is cut off",
        ),
        pytest.param(
            control(frames.SYN_REPLY, b"\0\0\0\1" + headers(b"\0\0\0\1")),
            "cut off",
            id="a header that is missing",
        ),
        pytest.param(
            control(frames.SYN_REPLY, b"\0\0\0\1" + headers(b"\0" * (1 << 20))),
            "too long",
            id="headers that grow beyond measure",
        ),
    ],
)
def test_what_is_no_spdy_is_refused(sent: bytes, words: str) -> None:
    with pytest.raises(SpdyError, match=words):
        list(FrameReader().feed(sent))
