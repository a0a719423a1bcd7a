"""The sandboxes of one pod: made, stopped and removed, with their addresses."""

from __future__ import annotations

import asyncio
import shutil

from podpass.api.resources import Object
from podpass.kubelet.container_config import log_directory, sandbox_config
from podpass.kubelet.container_environment import EnvironmentContext
from podpass.kubelet.events import PodEvents
from podpass.kubelet.ignored_fields import ignored_fields
from podpass.kubelet.node_services import NodeServices
from podpass.kubelet.pod_ips import NoAddressLeft
from podpass.kubelet.pod_spec import uses_host_network
from podpass.kubelet.pod_worker import PodRuntime
from podpass.kubelet.runtime.interface import RuntimeFailure, SandboxState, SandboxStatus

_KEPT = 1
"""Former sandboxes that are kept, for the logs and the last state of their containers."""


class PodSandboxes:
    """Looks after the sandboxes of one pod."""

    def __init__(self, services: NodeServices) -> None:
        self._services = services

    async def make(self, pod: Object, runtime: PodRuntime, events: PodEvents) -> None:
        """Make a new sandbox in the place of those that are not ready.

        Raises:
            RuntimeFailure: It cannot be made; said in an event already.
        """
        services = self._services
        former = runtime.sandbox
        address = None
        try:
            if not uses_host_network(pod):
                self._release(runtime)
                address = services.addresses.take()
            attempt = 0
            if former is not None:
                attempt = former.config.attempt + 1
                events.normal(
                    "SandboxChanged", "Pod sandbox changed, it will be killed and re-created."
                )
            config = sandbox_config(pod, attempt, address, services.settings)
            await services.runtime.run_pod_sandbox(config)
            if former is None and (ignored := ignored_fields(pod)):
                text = f"These fields have no effect here: {', '.join(ignored)}"
                events.warning("FieldsIgnored", text)
        except (RuntimeFailure, NoAddressLeft) as error:
            if address is not None:
                services.addresses.release(address)
            events.warning("FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}")
            raise RuntimeFailure(str(error)) from error
        for one in runtime.sandboxes[_KEPT:]:
            await services.runtime.remove_pod_sandbox(one.id)

    async def stop(self, runtime: PodRuntime) -> None:
        """Stop what is still ready."""
        await asyncio.gather(
            *(
                self._services.runtime.stop_pod_sandbox(one.id)
                for one in runtime.sandboxes
                if one.state is SandboxState.READY
            )
        )

    async def remove(self, pod: Object, runtime: PodRuntime) -> None:
        """Forget all sandboxes of a pod that is gone, and its logs."""
        self._release(runtime)
        for one in runtime.sandboxes:
            await self._services.runtime.remove_pod_sandbox(one.id)
        shutil.rmtree(log_directory(pod, self._services.settings), ignore_errors=True)

    def environment_context(self, pod: Object, sandbox: SandboxStatus) -> EnvironmentContext:
        """Return what the environment of the pod's containers depends on."""
        settings = self._services.settings
        if uses_host_network(pod):
            host, port = settings.service_host_for_host_network, settings.service_port
            address = settings.node_ip
        else:
            host, port = settings.cluster_service_address
            address = sandbox.config.pod_ip or ""
        return EnvironmentContext(self._services.node, address, host, port)

    def _release(self, runtime: PodRuntime) -> None:
        for one in runtime.sandboxes:
            if one.config.pod_ip is not None:
                self._services.addresses.release(one.config.pod_ip)
