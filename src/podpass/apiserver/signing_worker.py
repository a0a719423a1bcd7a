"""A process that signs what comes over a socket, and nothing else (docs/adr/0061).

1. Both ways a frame is a length of four bytes and as many bytes. The first frame is the private key
   in PEM: it is in no argument, environment or file of this process.
2. Signatures come back in the order of the requests, a few together while more are asked for: each
   time that the API server is woken costs it a tenth of a signature.
3. The end of the socket is the end of the process, whatever became of the API server.
"""

from __future__ import annotations

import signal
import socket
import struct
import sys
from collections.abc import Iterator

from podpass.jose.pem import load_signing_key

_LENGTH = struct.Struct(">I")
_READ_BYTES = 256 * 1024
_TOGETHER_BYTES = 1000
"""Four signatures of RSA-2048."""


def frame(data: bytes) -> bytes:
    """Return `data` with its length before it."""
    return _LENGTH.pack(len(data)) + data


def take_frames(received: bytearray) -> list[bytes]:
    """Return what the whole frames in `received` carry, and remove them from it."""
    found: list[bytes] = []
    start = 0
    while len(received) - start >= _LENGTH.size:
        end = start + _LENGTH.size + _LENGTH.unpack_from(received, start)[0]
        if end > len(received):
            break
        found.append(bytes(received[start + _LENGTH.size : end]))
        start = end
    del received[:start]
    return found


def serve(connection: socket.socket) -> None:
    """Sign until the other side ends (rules 1 to 3)."""
    frames = _frames(connection)
    try:
        first = next(frames, None)
        if first is None:
            return
        key = load_signing_key(first[0])
        answers = bytearray()
        for data, more in frames:
            answers += frame(key.sign(data))
            if not more or len(answers) >= _TOGETHER_BYTES:
                connection.sendall(answers)
                answers.clear()
    except ConnectionError:
        return


def _frames(connection: socket.socket) -> Iterator[tuple[bytes, bool]]:
    """Yield what comes, and whether more of it is here already."""
    received = bytearray()
    while data := connection.recv(_READ_BYTES):
        received += data
        whole = take_frames(received)
        for left, one in zip(range(len(whole) - 1, -1, -1), whole, strict=True):
            yield one, left > 0


def main() -> None:
    """Serve the socket whose number is the only argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's ^C is for the API server
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        serve(connection)


if __name__ == "__main__":
    main()
