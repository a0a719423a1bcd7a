"""The process: where it finds its server, when it leads, how it ends."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import orjson
import pytest

from podpass.api.resources import LEASES, NAMESPACES, SERVICE_ACCOUNTS
from podpass.client.config import ConfigError
from podpass.client.process import own_config
from podpass.client.rest import RestClient
from podpass.controllers.app import main, run
from podpass.controllers.settings import ControllerManagerSettings
from podpass.testing.api_simulator import ApiSimulator
from podpass.testing.background import Background
from podpass.testing.fake_clock import FakeClock, until


def kubeconfig(directory: Path, server: str) -> Path:
    path = directory / "kubeconfig"
    path.write_bytes(
        orjson.dumps(
            {
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "c"}}],
                "clusters": [{"name": "c", "cluster": {"server": server}}],
            }
        )
    )
    return path


def test_the_kubeconfig_counts_if_there_is_one(tmp_path: Path) -> None:
    settings = ControllerManagerSettings(kubeconfig=kubeconfig(tmp_path, "http://h:1"))
    assert own_config(settings.kubeconfig).server == "http://h:1"


def test_otherwise_this_must_be_a_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ConfigError, match="not inside a pod"):
        own_config(None)


def lease_of(simulator: ApiSimulator) -> Any:
    return simulator.object(LEASES, "kube-system", "kube-controller-manager")


async def test_without_election_it_leads_at_once(
    simulator: ApiSimulator, client: RestClient, clock: FakeClock, background: Background
) -> None:
    simulator.put(NAMESPACES, {"metadata": {"name": "ns"}, "status": {"phase": "Active"}})
    background.start(run(ControllerManagerSettings(leader_elect=False), client, clock))
    await until(lambda: simulator.object(SERVICE_ACCOUNTS, "ns", "default"))
    assert lease_of(simulator) is None


async def test_a_standby_asks_only_for_the_lease(
    simulator: ApiSimulator, client: RestClient, clock: FakeClock, background: Background
) -> None:
    simulator.put(
        LEASES,
        {
            "metadata": {"name": "kube-controller-manager", "namespace": "kube-system"},
            "spec": {"holderIdentity": "other", "leaseDurationSeconds": 15},
        },
    )
    background.start(run(ControllerManagerSettings(), client, clock))
    await until(lambda: clock.sleeping)
    await clock.advance(3)
    await until(lambda: len(simulator.requests) == 2)
    assert {path for _, path, _ in simulator.requests} == {
        "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-controller-manager"
    }


async def test_a_signal_ends_it_and_frees_the_lease(
    simulator: ApiSimulator, tmp_path: Path
) -> None:
    settings = ControllerManagerSettings(kubeconfig=kubeconfig(tmp_path, simulator.url))
    task = asyncio.create_task(main(settings))
    await until(lambda: lease_of(simulator))
    assert lease_of(simulator)["spec"]["holderIdentity"]
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(task, 5)
    assert lease_of(simulator)["spec"]["holderIdentity"] == ""
