"""Runs what a container asks for behind its start and before its end: exec, HTTP, TCP or sleep."""

from __future__ import annotations

from podpass.api.resources import Object
from podpass.base.clock import Clock
from podpass.kubelet.pod_probes import probe_target
from podpass.kubelet.probes import ProbeResult, attempt
from podpass.kubelet.runtime.interface import ContainerID, Runtime, SandboxID


class LifecycleHooks:
    """Runs hooks in containers."""

    def __init__(self, runtime: Runtime, clock: Clock, node_ip: str) -> None:
        self._runtime = runtime
        self._clock = clock
        self._node_ip = node_ip

    async def run(
        self,
        name: str,
        pod: Object,
        container: Object,
        sandbox_id: SandboxID,
        container_id: ContainerID,
        *,
        limit: float,
    ) -> ProbeResult | None:
        """Run a hook; returns None if the container has none of that name.

        Args:
            name: `postStart` or `preStop`.
            pod: The pod.
            container: Its container.
            sandbox_id: The sandbox it runs in.
            container_id: The running container.
            limit: Seconds that the hook may take.
        """
        hook = (container.get("lifecycle") or {}).get(name)
        if not hook:
            return None
        if "sleep" in hook:
            await self._clock.sleep(min(limit, float(hook["sleep"].get("seconds") or 0)))
            return ProbeResult(success=True)
        target = probe_target(pod, container, sandbox_id, container_id, self._node_ip)
        return await attempt(self._runtime, target, hook | {"timeoutSeconds": limit})
