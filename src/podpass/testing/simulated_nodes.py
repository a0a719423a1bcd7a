"""Nodes for tests of the operator: they run installer pods and static pods by the book, or not.

An installer pod on a node succeeds, and then the node's mirror pod has its revision and is ready;
every step can be held back or made to fail. Works on an `ApiSimulator`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from podpass.api.meta import format_time, labels_of, name_of
from podpass.api.resources import NODES, PODS, Object
from podpass.base.clock import Clock
from podpass.testing.api_simulator import ApiSimulator

_NAMESPACE = "openshift-kube-apiserver"
_LOOK_SECONDS = 0.002


@dataclass(slots=True)
class SimulatedNodes:
    """The nodes of a cluster.

    Attributes:
        simulator: Where they report.
        clock: For the times of conditions.
        names: Their names.
        fails: Says what an installer pod (node, revision, pod name) fails with; empty: it succeeds.
        becomes_ready: Whether the static pod of (node, revision) becomes ready.
        runs: Whether the pods of a node are run at all.
        installed: What was installed where, in that order.
    """

    simulator: ApiSimulator
    clock: Clock
    names: tuple[str, ...]
    fails: Callable[[str, int, str], str] = lambda *_: ""
    becomes_ready: Callable[[str, int], bool] = lambda *_: True
    runs: Callable[[str], bool] = lambda _: True
    installed: list[tuple[str, int]] = field(default_factory=list)

    def start(self, revision: int = 1) -> None:
        """Report all nodes ready and running a revision."""
        now = format_time(self.clock.now())
        for index, name in enumerate(self.names):
            self.simulator.put(
                NODES,
                {
                    "metadata": {
                        "name": name,
                        "labels": {"node-role.kubernetes.io/master": ""},
                    },
                    "status": {
                        "addresses": [{"type": "InternalIP", "address": f"127.0.0.{11 + index}"}],
                        "conditions": [
                            {"type": "Ready", "status": "True", "lastTransitionTime": now}
                        ],
                    },
                },
            )
            self._report_static_pod(name, revision, ready=True)

    async def run(self) -> None:
        """Run pods until cancelled."""
        while True:
            for pod in self.simulator.objects(PODS):
                self._look_at(pod)
            await asyncio.sleep(_LOOK_SECONDS)

    def _look_at(self, pod: Object) -> None:
        node = pod["spec"]["nodeName"]
        phase = (pod.get("status") or {}).get("phase")
        if phase in ("Succeeded", "Failed") or not self.runs(node):
            return
        app = labels_of(pod).get("app")
        if app == "installer":
            self._install(pod, node, int(labels_of(pod)["revision"]))
        elif app in ("pruner", "cert-sync"):
            error = self.fails(node, 0, name_of(pod))
            self._end(pod, "Failed" if error else "Succeeded", error)

    def _install(self, pod: Object, node: str, revision: int) -> None:
        if error := self.fails(node, revision, name_of(pod)):
            self._end(pod, "Failed", error)
            return
        self.installed.append((node, revision))
        self._end(pod, "Succeeded", "")
        self._report_static_pod(node, revision, ready=self.becomes_ready(node, revision))

    def _end(self, pod: Object, phase: str, message: str) -> None:
        now = format_time(self.clock.now())
        ended: Object = {"exitCode": int(phase == "Failed"), "finishedAt": now}
        if message:
            ended["message"] = message
        state = {"terminated": ended}
        status = {"phase": phase, "containerStatuses": [{"name": "installer", "state": state}]}
        self.simulator.put(PODS, pod | {"status": status})

    def _report_static_pod(self, node: str, revision: int, *, ready: bool) -> None:
        condition = {
            "type": "Ready",
            "status": "True" if ready else "False",
            "lastTransitionTime": format_time(self.clock.now()),
        }
        self.simulator.put(
            PODS,
            {
                "metadata": {
                    "name": f"kube-apiserver-{node}",
                    "namespace": _NAMESPACE,
                    "labels": {"app": _NAMESPACE, "revision": str(revision)},
                },
                "spec": {"nodeName": node},
                "status": {"phase": "Running", "conditions": [condition]},
            },
        )
