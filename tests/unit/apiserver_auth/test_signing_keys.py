"""Keys from files, signatures from threads."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from podpass.apiserver.signing_keys import Signer, read_key_set, read_signing_key
from podpass.jose import jws
from podpass.jose.key_set import KeySet
from podpass.jose.keys import ES384, UnusableKey, generate_signing_key

from .conftest import KEY


@pytest.mark.rule("config.key-files", "config.signing-key")
def test_keys_are_read_in_the_order_of_flags_and_files(tmp_path: Path) -> None:
    second = generate_signing_key(ES384)
    (tmp_path / "sa.key").write_bytes(KEY.to_pem())
    (tmp_path / "sa.pub").write_bytes(second.public.to_pem() + KEY.public.to_pem())
    assert read_signing_key(tmp_path / "sa.key").public.key_id == KEY.public.key_id
    keys = read_key_set([tmp_path / "sa.pub", tmp_path / "sa.key"])
    assert [key.key_id for key in keys] == [second.public.key_id, KEY.public.key_id]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param(None, "cannot read .*sa.key: No such file or directory", id="no file"),
        pytest.param(b"junk", "sa.key: data does not contain", id="no key"),
    ],
)
def test_a_file_that_is_no_key_is_named(tmp_path: Path, content: bytes | None, text: str) -> None:
    path = tmp_path / "sa.key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnusableKey, match=text):
        read_signing_key(path)
    with pytest.raises(UnusableKey, match=text):
        read_key_set([path])


async def test_many_signatures_at_once() -> None:
    signer = Signer(KEY)
    payloads = [f'{{"n":{index}}}'.encode() for index in range(20)]
    tokens = await asyncio.gather(*(signer.sign(payload) for payload in payloads))
    signer.close()
    keys = KeySet([KEY.public])
    assert [jws.verify(jws.parse_unverified(token), keys) for token in tokens] == payloads
