"""A client that asks on many connections at once and heeds no Retry-After.

Started as a program, so that it shares no event loop with what is measured: URL, a file with the
bytes of a request, CA file, certificate, key, and number of connections. It says `flooding` when
all are connected, goes on until its input ends, and prints how often each status was the answer.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import uvloop


async def ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes, seen: Counter[str]
) -> None:
    """Send the request again and again."""
    while True:
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = head.lower().partition("content-length: ")[2].partition("\r")[0]
        await reader.readexactly(int(length or 0))
        status = head.split(" ", 2)[1]
        if status == "429":
            assert "\r\nRetry-After: 1\r\n" in head
        seen[status] += 1


async def flood(
    url: str, request_file: str, ca: str, certificate: str, key: str, connections: str
) -> None:
    """Ask until standard input ends."""
    target = urlsplit(url)
    context = ssl.create_default_context(cafile=ca)
    context.load_cert_chain(certificate, key)
    request = await asyncio.to_thread(Path(request_file).read_bytes)
    seen: Counter[str] = Counter()
    pairs = [
        await asyncio.open_connection(target.hostname, target.port, ssl=context)
        for _ in range(int(connections))
    ]
    asking = [asyncio.create_task(ask(*pair, request, seen)) for pair in pairs]
    sys.stdout.write("flooding\n")
    sys.stdout.flush()
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    await asyncio.wait([ended, *asking], return_when=asyncio.FIRST_COMPLETED)
    broken = [str(one.exception()) for one in asking if one.done()]
    for one in asking:
        one.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    sys.stdout.buffer.write(orjson.dumps({"answers": seen, "broken": broken}))


if __name__ == "__main__":
    uvloop.run(flood(*sys.argv[1:]))
