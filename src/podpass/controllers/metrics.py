"""What a controller manager counts, under names that dashboards know.

`workqueue_*` are client-go's, `leader_election_master_status` too, `controller_runtime_*` those of
controller-runtime. Counters are those since this process began to lead.
"""

from __future__ import annotations

from podpass.base.metrics import Counter, Registry
from podpass.base.process_metrics import add_process_metrics
from podpass.client.controller import running_controllers
from podpass.client.leader import LeaderElector

_NAME = "kube-controller-manager"


def manager_metrics(elector: LeaderElector | None) -> Registry:
    """Return the metrics of this process; they are read when somebody asks.

    Args:
        elector: Knows whether this process leads; None: it does.
    """
    registry = Registry()
    add_process_metrics(registry)
    leads = registry.gauge(
        "leader_election_master_status", "1 if this process leads, 0 if it stands by.", "name"
    )
    depth = registry.gauge("workqueue_depth", "Keys that wait for a worker.", "name")
    added = registry.counter("workqueue_adds_total", "Keys that were queued.", "name")
    retried = registry.counter(
        "workqueue_retries_total", "Keys that were queued for later.", "name"
    )
    reconciled = registry.counter(
        "controller_runtime_reconcile_total", "Reconciles by result.", "controller", "result"
    )
    seen: set[str] = set()

    def update() -> None:
        leads.set(float(elector is None or elector.leading), _NAME)
        controllers = running_controllers()
        seen.update(one.name for one in controllers)
        for name in seen:
            same = [one for one in controllers if one.name == name]
            depth.set(sum(one.depth for one in same), name)
            total = [one.counts for one in same]
            _become(added, sum(one.added for one in total), name)
            _become(retried, sum(one.retried for one in total), name)
            _become(reconciled, sum(one.succeeded for one in total), name, "success")
            _become(reconciled, sum(one.failed for one in total), name, "error")
            _become(reconciled, sum(one.postponed for one in total), name, "requeue_after")

    registry.before_render(update)
    return registry


def _become(counter: Counter, value: int, *labels: str) -> None:
    counter.inc(*labels, by=value - counter.value(*labels))
