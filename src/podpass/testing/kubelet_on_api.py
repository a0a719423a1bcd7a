"""A kubelet with a container runtime in memory, at a real API server over a store in memory."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from podpass.api.errors import StatusError
from podpass.api.resources import (
    CONFIG_MAPS,
    EVENTS,
    NODES,
    PODS,
    SERVICE_ACCOUNTS,
    Object,
    Resource,
)
from podpass.base.clock import Clock, SystemClock
from podpass.client.config import ClientConfig
from podpass.client.rest import RestClient
from podpass.kubelet.app import Kubelet
from podpass.kubelet.settings import KubeletSettings
from podpass.testing.api_server import RunningApiServer
from podpass.testing.fake_runtime import FakeRuntime

NODE = "master-0"
PATIENCE = 30.0
"""Seconds of real time after which something that was waited for has not happened."""


def client_config(api: RunningApiServer, user: str, *, group: str) -> ClientConfig:
    """Return how a user of the test's CA reaches the API server."""
    certificate, key = api.pki.client(user, organizations=[group])
    return ClientConfig(
        api.url,
        ca_file=api.pki.directory / "ca.crt",
        client_certificate_file=certificate,
        client_key_file=key,
    )


@dataclass
class NodeUnderTest:
    """One node: its directories, its runtime, and its kubelet, which can be started anew.

    Attributes:
        root: Directory of all its files.
        admin: A client that may do everything.
        client: The kubelet's own client.
        runtime: Outlives the kubelet.
        options: Settings that differ from the test's defaults.
        clock: The kubelet's.
        kubelet: The kubelet, while it runs.
    """

    root: Path
    admin: RestClient
    client: RestClient
    runtime: FakeRuntime = field(default_factory=FakeRuntime)
    options: dict[str, Any] = field(default_factory=dict)
    clock: Clock = field(default_factory=SystemClock)
    kubelet: Kubelet | None = None

    @property
    def manifests(self) -> Path:
        """Where static pod manifests go."""
        return self.root / "manifests"

    def settings(self) -> KubeletSettings:
        """Return the kubelet's settings: short waits, so that tests are quick."""
        defaults: dict[str, Any] = {
            "manifest_dir": self.manifests,
            "manifest_poll": 0.02,
            "restart_backoff": 0.2,
            "image_backoff": 0.1,
            "image_backoff_maximum": 0.2,
            "mount_retry": 0.02,
            "mount_retry_maximum": 0.1,
        }
        return KubeletSettings(
            node_name=NODE,
            node_ip="127.0.0.1",
            root_dir=self.root / "kubelet",
            kubeconfig=self.root / "unused",
            runtime_dir=self.root / "runtime",
            images_dir=self.root / "images",
            pod_logs_dir=self.root / "logs",
            **(defaults | self.options),
        )

    async def start(self) -> None:
        """Start the kubelet."""
        self.manifests.mkdir(parents=True, exist_ok=True)
        self.kubelet = Kubelet(self.settings(), self.runtime, self.client, self.clock)
        await self.kubelet.start()

    async def stop(self) -> None:
        """End the kubelet; its pods run on."""
        if self.kubelet is not None:
            await self.kubelet.close()
            self.kubelet = None

    def write_manifest(self, name: str, pod: Object) -> Path:
        """Put a static pod into the manifest directory."""
        path = self.manifests / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(orjson.dumps(pod))
        return path

    async def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """Return an object of the API, or None."""
        try:
            return await self.admin.get(resource, namespace, name)
        except StatusError as error:
            if error.code == 404:  # noqa: PLR2004 - not found
                return None
            raise

    async def pod(self, name: str, namespace: str = "default") -> Object | None:
        """Return a pod of the API, or None."""
        return await self.get(PODS, namespace, name)

    async def wait_phase(self, name: str, phase: str, namespace: str = "default") -> Object:
        """Return the pod once it is in that phase."""

        async def reached() -> Object | None:
            found = await self.pod(name, namespace)
            return found if found and found["status"].get("phase") == phase else None

        pod: Object = await eventually(reached)
        return pod

    async def wait_ready(self, name: str, namespace: str = "default") -> Object:
        """Return the pod once it is Ready."""

        async def reached() -> Object | None:
            found = await self.pod(name, namespace)
            conditions = (found or {}).get("status", {}).get("conditions") or []
            ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
            return found if ready else None

        pod: Object = await eventually(reached)
        return pod

    async def wait_gone(self, name: str, namespace: str = "default") -> None:
        """Return once the pod is not in the API any more."""

        async def gone() -> bool:
            return await self.pod(name, namespace) is None

        await eventually(gone)

    async def node(self) -> Object | None:
        """Return the Node object, or None."""
        try:
            return await self.admin.get(NODES, None, NODE)
        except StatusError:
            return None

    async def event_texts(self) -> list[str]:
        """Return `reason: message` of all events."""
        found = await self.admin.list(EVENTS)
        return [f"{one['reason']}: {one['message']}" for one in found["items"]]

    async def wait_event(self, text: str) -> None:
        """Return once an event holds that text."""

        async def told() -> bool:
            return any(text in one for one in await self.event_texts())

        await eventually(told)


async def eventually(probe: Callable[[], Any], *, seconds: float = PATIENCE) -> Any:
    """Return the first true value of `probe`, which may be a coroutine function.

    Raises:
        AssertionError: There was none in time.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        value = probe()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"not within {seconds} seconds")
        await asyncio.sleep(0.01)


@asynccontextmanager
async def node_at(
    api: RunningApiServer, root: Path, **options: Any
) -> AsyncIterator[NodeUnderTest]:
    """Prepare a node with what its pods need in the API; the test starts its kubelet."""
    own = client_config(api, f"system:node:{NODE}", group="system:nodes")
    master = client_config(api, "admin", group="system:masters")
    async with RestClient(own) as client, RestClient(master) as admin:
        for name in ("default", "robot"):
            account = {"metadata": {"name": name, "namespace": "default"}}
            await admin.create(SERVICE_ACCOUNTS, _typed(SERVICE_ACCOUNTS, account))
        bundle = {"metadata": {"name": "kube-root-ca.crt", "namespace": "default"}}
        await admin.create(CONFIG_MAPS, _typed(CONFIG_MAPS, bundle | {"data": {"ca.crt": "CA"}}))
        node = NodeUnderTest(root, admin, client, options=options)
        try:
            yield node
        finally:
            await node.stop()


def _typed(resource: Resource, obj: Object) -> Object:
    return {"apiVersion": resource.api_version, "kind": resource.kind} | obj
