"""Processes that sign under load: they come, they may die, they go."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from podpass.apiserver.signing_keys import BUSY, Signer
from podpass.apiserver.signing_processes import ProcessesGone, SigningProcesses
from podpass.apiserver.signing_worker import frame, serve, take_frames
from podpass.jose import jws
from podpass.jose.key_set import KeySet
from podpass.jose.keys import ES256, SigningKey, generate_signing_key

from .conftest import KEY

PATIENCE = 30.0


async def holds(condition: Callable[[], bool]) -> None:
    """Return when the condition holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - processes tell nobody
            await asyncio.sleep(0.01)


@pytest.fixture
async def processes() -> AsyncIterator[SigningProcesses]:
    made = SigningProcesses(KEY, count=2)
    yield made
    ids = made.process_ids
    made.close()
    await holds(lambda: not made.ready)
    await holds(lambda: not any(Path(f"/proc/{one}").exists() for one in ids))


async def call_up(processes: SigningProcesses, count: int = 2) -> None:
    processes.call_up()
    await holds(lambda: len(processes.process_ids) == count)


async def test_there_are_none_until_they_are_called_up(processes: SigningProcesses) -> None:
    with pytest.raises(ProcessesGone):
        await processes.sign(b"data")
    assert not processes.ready


async def test_all_processes_sign_at_the_same_time(processes: SigningProcesses) -> None:
    await call_up(processes)
    data = [b"%d" % index for index in range(20)]
    signatures = await asyncio.gather(*(processes.sign(one) for one in data))
    assert all(KEY.public.verify(*pair) for pair in zip(data, signatures, strict=True))


async def test_a_process_that_is_killed_is_replaced_by_the_next_call(
    processes: SigningProcesses,
) -> None:
    await call_up(processes)
    before = processes.process_ids
    for one in before:
        os.kill(one, signal.SIGSTOP)
    asked = [asyncio.ensure_future(processes.sign(b"data")) for _ in range(4)]
    await asyncio.sleep(0)
    for one in before:
        os.kill(one, signal.SIGKILL)
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(one) for one in outcomes] == [ProcessesGone] * 4
    await holds(lambda: not processes.ready)
    await call_up(processes)
    assert not set(before) & set(processes.process_ids)
    assert KEY.public.verify(b"data", await processes.sign(b"data"))


async def test_a_process_that_hangs_is_replaced_and_its_tokens_are_signed() -> None:
    processes = SigningProcesses(KEY, count=1, answer_seconds=1)
    signer = Signer(KEY, processes=processes)
    await call_up(processes, 1)
    (stopped,) = processes.process_ids
    os.kill(stopped, signal.SIGSTOP)
    async with asyncio.timeout(PATIENCE):
        tokens = await asyncio.gather(*(signer.sign(b"{}") for _ in range(20)))
    keys = KeySet([KEY.public])
    assert [jws.verify(jws.parse_unverified(one), keys) for one in tokens] == [b"{}"] * 20
    await holds(lambda: not Path(f"/proc/{stopped}").exists())
    await holds(lambda: processes.process_ids not in ([], [stopped]))
    (replaced,) = processes.process_ids
    signer.close()
    await holds(lambda: not Path(f"/proc/{replaced}").exists())


async def test_they_go_when_nobody_wants_a_signature() -> None:
    processes = SigningProcesses(KEY, count=1, quiet_seconds=0.5)
    await call_up(processes, 1)
    (process,) = processes.process_ids
    await holds(lambda: not processes.ready)
    await holds(lambda: not Path(f"/proc/{process}").exists())
    processes.close()


async def test_none_come_after_the_end(processes: SigningProcesses) -> None:
    processes.close()
    processes.call_up()
    await asyncio.sleep(0)
    assert not processes.ready


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(KEY, id="RSA"),
        pytest.param(generate_signing_key(ES256), id="an elliptic curve"),
    ],
)
async def test_a_signer_calls_them_up_under_load(key: SigningKey) -> None:
    processes = SigningProcesses(key, count=1)
    signer = Signer(key, processes=processes)
    keys = KeySet([key.public])
    payloads = [f'{{"n":{index}}}'.encode() for index in range(BUSY)]

    async def sign_all() -> list[bytes]:
        tokens = await asyncio.gather(*(signer.sign(payload) for payload in payloads))
        return [jws.verify(jws.parse_unverified(token), keys) for token in tokens]

    for few in payloads[:-1]:
        await signer.sign(few)
    assert not processes.ready
    assert processes.process_ids == []
    assert await sign_all() == payloads
    await holds(lambda: processes.ready)
    assert await sign_all() == payloads
    for one in processes.process_ids:
        os.kill(one, signal.SIGKILL)
    assert await sign_all() == payloads
    signer.close()
    await holds(lambda: not processes.ready)


async def test_a_quick_client_alone_calls_them_up() -> None:
    key = generate_signing_key(ES256)
    processes = SigningProcesses(key, count=1)
    signer = Signer(key, processes=processes)
    async with asyncio.timeout(PATIENCE):
        while not processes.ready:
            await signer.sign(b"{}")
    signer.close()
    await holds(lambda: not processes.ready)


@pytest.mark.parametrize("size", [1, 3, 4, 7, 1000], ids=lambda size: f"in pieces of {size}")
def test_frames_are_read_however_they_are_cut(size: int) -> None:
    sent = frame(b"") + frame(b"a") + frame(b"b" * 300) + frame(b"half")[:-1]
    received = bytearray()
    found = []
    for start in range(0, len(sent), size):
        received += sent[start : start + size]
        found += take_frames(received)
    assert found == [b"", b"a", b"b" * 300]
    assert received == frame(b"half")[:-1]


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(frame(KEY.to_pem()), id="a key"),
        pytest.param(frame(KEY.to_pem()) + frame(b"data")[:-1], id="half of a request"),
    ],
)
def test_a_worker_ends_with_its_socket(sent: bytes) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        worker = threading.Thread(target=serve, args=(theirs,))
        worker.start()
        with ours:
            ours.sendall(sent)
        worker.join(PATIENCE)
        assert not worker.is_alive()


def test_a_worker_whose_answers_nobody_takes_ends() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        with ours:
            ours.sendall(frame(KEY.to_pem()) + frame(b"data"))
        serve(theirs)
