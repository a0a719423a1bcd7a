"""One real kubelet over a container runtime in memory: all of a node but its containers.

`python -m benchmarks.hollow_node SERVER PKI NODE ROOT PODS`; ends with SIGTERM.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from podpass.base.clock import SystemClock
from podpass.base.logs import configure_logging
from podpass.client.config import ClientConfig
from podpass.client.rest import RestClient
from podpass.kubelet.app import Kubelet
from podpass.kubelet.settings import KubeletSettings
from podpass.testing.fake_runtime import FakeRuntime


async def run(server: str, pki: Path, node: str, root: Path, pods: int) -> None:
    config = ClientConfig(
        server,
        ca_file=pki / "ca.crt",
        client_certificate_file=root / "node.crt",
        client_key_file=root / "node.key",
    )
    settings = KubeletSettings(
        node_name=node,
        node_ip="127.0.0.1",
        root_dir=root / "kubelet",
        kubeconfig=root / "unused",
        runtime_dir=root / "runtime",
        images_dir=root / "images",
        pod_logs_dir=root / "logs",
        pod_cidr="10.200.0.0/22",
        max_pods=pods,
    )
    clock = SystemClock()
    async with RestClient(config, user_agent="podpass-kubelet") as client:
        kubelet = Kubelet(settings, FakeRuntime(), client, clock)
        ended = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
        await kubelet.start()
        await ended.wait()
        await kubelet.close()


if __name__ == "__main__":
    configure_logging()
    asyncio.run(
        run(sys.argv[1], Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]), int(sys.argv[5]))
    )
