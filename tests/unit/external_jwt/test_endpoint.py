"""What may stand in --service-account-signing-endpoint."""

from __future__ import annotations

import pytest

from podpass.apiserver.external_jwt.endpoint import grpc_target
from podpass.apiserver.external_jwt.failures import SignerUnusable


@pytest.mark.rule("signer.socket")
@pytest.mark.parametrize(
    ("endpoint", "target"),
    [
        pytest.param("signer.sock", "unix:signer.sock", id="a relative path"),
        pytest.param("/run/signer.sock", "unix:/run/signer.sock", id="an absolute path"),
        pytest.param("@abc", "unix-abstract:abc", id="an abstract socket"),
        pytest.param("@a-b_1.c.d", "unix-abstract:a-b_1.c.d", id="an abstract name in parts"),
        pytest.param("a" * 107, "unix:" + "a" * 107, id="107 bytes"),
    ],
)
def test_a_socket_is_named_by(endpoint: str, target: str) -> None:
    assert grpc_target(endpoint) == target


@pytest.mark.rule("signer.socket")
@pytest.mark.parametrize(
    ("endpoint", "why"),
    [
        pytest.param("", "names no socket", id="nothing"),
        pytest.param("a\0b", "names no socket", id="a zero byte"),
        pytest.param("@", "is no abstract socket", id="an abstract socket without a name"),
        pytest.param("@abc@", "is no abstract socket", id="a second @"),
        pytest.param("@abc.abc  .ae", "is no abstract socket", id="spaces in a part"),
        pytest.param("@.abc", "is no abstract socket", id="an empty first part"),
        pytest.param("@abc.", "is no abstract socket", id="an empty last part"),
        pytest.param("@a..b", "is no abstract socket", id="an empty part between"),
        pytest.param("@abc\n", "is no abstract socket", id="a line end"),
        pytest.param("a" * 108, "longer than 107 bytes", id="108 bytes"),
        pytest.param("ä" * 54, "longer than 107 bytes", id="54 characters of 108 bytes"),
    ],
)
def test_a_socket_is_not_named_by(endpoint: str, why: str) -> None:
    with pytest.raises(SignerUnusable, match=why):
        grpc_target(endpoint)
