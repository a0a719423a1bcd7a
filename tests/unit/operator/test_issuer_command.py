"""`podpass issuer`, against an API simulator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from podpass.api.resources import AUTHENTICATIONS, CONFIG_MAPS
from podpass.base.clock import SystemClock
from podpass.cli.issuer import command
from podpass.jose.keys import ES256, generate_signing_key
from podpass.operator import names
from podpass.testing.api_simulator import ApiSimulator
from podpass.testing.operator_cluster import (
    ISSUER,
    NODE_NAMES,
    make_settings,
    seed_simulator,
)
from podpass.testing.simulated_nodes import SimulatedNodes


@pytest.fixture
async def simulator() -> AsyncIterator[ApiSimulator]:
    async with ApiSimulator() as simulator:
        seed_simulator(simulator, make_settings())
        SimulatedNodes(simulator, SystemClock(), NODE_NAMES).start()
        yield simulator


async def run(simulator: ApiSimulator, tmp_path: Path, *arguments: str) -> Result:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_bytes(
        orjson.dumps(
            {
                "clusters": [{"name": "c", "cluster": {"server": simulator.url}}],
                "contexts": [{"name": "x", "context": {"cluster": "c"}}],
                "current-context": "x",
            }
        )
    )
    return await asyncio.to_thread(
        CliRunner().invoke, command, [*arguments, f"--kubeconfig={kubeconfig}"]
    )


def edit(simulator: ApiSimulator, issuer: str) -> None:
    found = simulator.object(AUTHENTICATIONS, "", "cluster")
    assert found is not None
    simulator.put(AUTHENTICATIONS, found | {"spec": {"serviceAccountIssuer": issuer}})


async def test_the_gap_right_after_an_edit_is_seen(simulator: ApiSimulator, tmp_path: Path) -> None:
    edit(simulator, ISSUER)
    found = await run(simulator, tmp_path, "status")
    assert found.exit_code == 1
    assert f"Asked for: {ISSUER}" in found.output
    assert "revision 1, which has another issuer" in found.output
    assert found.output.count("waiting for a new revision") == 3


async def test_waiting_ends_at_its_timeout(simulator: ApiSimulator, tmp_path: Path) -> None:
    edit(simulator, ISSUER)
    found = await run(simulator, tmp_path, "status", "--wait", "--timeout=1.2")
    assert found.exit_code == 1
    assert "master-0: waiting for a new revision" in found.stderr


async def test_an_api_that_is_away_is_one_clear_line(
    simulator: ApiSimulator, tmp_path: Path
) -> None:
    await simulator.stop()
    found = await run(simulator, tmp_path, "status")
    assert found.exit_code == 1
    assert found.output.startswith("Error: ")


@pytest.mark.parametrize("given", [True, False], ids=["named", "the wanted one"])
async def test_the_documents_of_an_issuer(
    simulator: ApiSimulator, tmp_path: Path, given: bool
) -> None:
    keys = [generate_signing_key(ES256).public for _ in range(2)]
    simulator.put(
        CONFIG_MAPS,
        {
            "metadata": {
                "name": names.SIGNING_CERTS,
                "namespace": names.MACHINE_CONFIG_NAMESPACE,
            },
            "data": {
                f"service-account-00{i}.pub": key.to_pem().decode() for i, key in enumerate(keys)
            },
        },
    )
    bucket = tmp_path / "bucket"
    arguments = ["--issuer", "https://bucket.example/x/"] if given else []
    if not given:
        edit(simulator, "https://bucket.example/x/")
    found = await run(simulator, tmp_path, "export", str(bucket), *arguments)
    assert found.exit_code == 0, found.output
    document = orjson.loads((bucket / ".well-known/openid-configuration").read_bytes())
    assert document["issuer"] == "https://bucket.example/x/"
    assert document["jwks_uri"] == "https://bucket.example/x/openid/v1/jwks"
    jwks = orjson.loads((bucket / "openid/v1/jwks").read_bytes())
    assert [one["kid"] for one in jwks["keys"]] == [key.key_id for key in keys]
    assert (bucket / "openid/v1/jwks").stat().st_mode & 0o777 == 0o644


async def test_an_issuer_that_cannot_be_announced(simulator: ApiSimulator, tmp_path: Path) -> None:
    found = await run(simulator, tmp_path, "export", str(tmp_path), "--issuer", "http://x")
    assert found.exit_code == 1
