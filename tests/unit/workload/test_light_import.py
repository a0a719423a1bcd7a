"""Importing the library loads no HTTP client and no server part."""

from __future__ import annotations

import subprocess
import sys

import pytest

import podpass.workload

HEAVY = (
    "aiohttp", "httpx", "requests", "grpc", "watchfiles", "uvloop", "yaml", "click", "orjson"
)  # fmt: skip


def loaded_after(statement: str) -> set[str]:
    """Return the modules of a fresh interpreter after a statement."""
    program = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_the_bare_import_loads_next_to_nothing() -> None:
    loaded = loaded_after("import podpass.workload")
    assert not loaded & {*HEAVY, "cryptography", "ssl", "asyncio"}
    assert {name for name in loaded if name.startswith("podpass")} == {
        "podpass",
        "podpass.workload",
    }


@pytest.mark.parametrize(
    ("statement", "heavy"),
    [
        pytest.param("from podpass.workload import TokenFile", "cryptography", id="a holder"),
        pytest.param("from podpass.workload import Verifier, BearerASGI", "", id="a recipient"),
        pytest.param("from podpass.workload import *", "", id="all names"),
    ],
)
def test_no_http_client_and_no_server_part_is_loaded(statement: str, heavy: str) -> None:
    loaded = loaded_after(statement)
    assert not loaded & {*HEAVY, heavy}
    parts = {name.split(".")[1] for name in loaded if name.startswith("podpass.")}
    assert parts <= {"workload", "jose", "base"}


def test_each_adapter_loads_its_own_client_alone() -> None:
    for module, client in {
        "aiohttp_middleware": "aiohttp",
        "grpc_credentials": "grpc",
        "httpx_auth": "httpx",
        "requests_auth": "requests",
    }.items():
        loaded = loaded_after(f"import podpass.workload.{module}")
        assert loaded & {"aiohttp", "grpc", "httpx", "requests"} == {client}


def test_every_public_name_is_there() -> None:
    for name in podpass.workload.__all__:
        assert getattr(podpass.workload, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        podpass.workload.nothing  # noqa: B018 - must fail
