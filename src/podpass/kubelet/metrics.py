"""What a kubelet counts: its volumes, pods, requests and, under names of ours, its tokens.

Spans are in seconds. Source of the upstream names: Kubernetes `pkg/kubelet/metrics`,
`pkg/volume/util/metrics.go`, client-go `rest_client`. Nothing names a pod or an account.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from podpass.base.metrics import Registry

if TYPE_CHECKING:
    from podpass.kubelet.runtime_cache import RuntimeCache

_STORAGE_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class KubeletMetrics:
    """What is counted in one kubelet.

    Attributes:
        registry: All of it.
        refreshes: Tokens that were asked for, by reason: `new` (none was held), `age` (four
            fifths of its life or a day are over), `clock` (issued in the future).
        refresh_failures: Requests for tokens that failed.
        token_age: Part of its life that is over, of the oldest token in use when asked.
        clock_skew: How far the API server's clock was ahead when the last token was issued.
        requests: Requests to the API by code (`<error>` without an answer), method and host.
    """

    def __init__(self) -> None:
        registry = self.registry = Registry()
        self.refreshes = registry.counter(
            "podpass_token_refresh_total", "Tokens that were asked for, by reason.", "reason"
        )
        self.refresh_failures = registry.counter(
            "podpass_token_refresh_failures_total", "Requests for tokens that failed."
        )
        self.token_age = registry.gauge(
            "podpass_token_age_ratio", "Part of its life that is over, of the oldest token."
        )
        self.clock_skew = registry.gauge(
            "podpass_token_clock_skew_seconds",
            "How far the clock of the API server was ahead at the last token.",
        )
        self.requests = registry.counter(
            "rest_client_requests_total", "Requests to the API.", "code", "host", "method"
        )
        self._storage = registry.histogram(
            "storage_operation_duration_seconds",
            "Time that work on volumes took.",
            "volume_plugin", "operation_name", "status", "migrated",
            buckets=_STORAGE_BUCKETS,
        )  # fmt: skip

    def mounted(self, plugin: str, seconds: float, *, failed: bool) -> None:
        """Count one pass over a volume.

        Args:
            plugin: Type of the volume, e.g. `projected`.
            seconds: How long it took.
            failed: Whether it is not up to date now.
        """
        status = "fail-unknown" if failed else "success"
        name = _PLUGINS.get(plugin)
        if name is not None:
            self._storage.observe(seconds, f"kubernetes.io/{name}", "volume_mount", status, "false")

    def show_process(self) -> None:
        """Show what the kernel says about this process; read when somebody asks."""
        from podpass.base.process_metrics import (  # noqa: PLC0415 - with the server
            add_process_metrics,
        )

        add_process_metrics(self.registry)

    def show_pods(self, cache: RuntimeCache) -> None:
        """Show how many pods and containers the runtime has."""
        pods = self.registry.gauge("kubelet_running_pods", "Pods with a container that runs.")
        containers = self.registry.gauge(
            "kubelet_running_containers", "Containers by state.", "container_state"
        )

        def update() -> None:
            found = [cache.pod(uid) for uid in cache.uids()]
            running = [len(pod.running()) for pod in found]
            pods.set(sum(1 for count in running if count))
            containers.set(sum(running), "running")

        self.registry.before_render(update)


_PLUGINS = {
    "configMap": "configmap",
    "downwardAPI": "downward-api",
    "emptyDir": "empty-dir",
    "hostPath": "host-path",
    "projected": "projected",
    "secret": "secret",
}
"""Served types of volumes and their labels; what a pod names beyond them is not counted."""
