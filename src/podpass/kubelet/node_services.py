"""What all pods of a node share; made once by `kubelet.app`."""

from __future__ import annotations

from dataclasses import dataclass, field

from podpass.base.clock import Clock
from podpass.kubelet.downward_api import NodeFacts
from podpass.kubelet.events import Recorder
from podpass.kubelet.metrics import KubeletMetrics
from podpass.kubelet.object_source import ObjectSource
from podpass.kubelet.object_watches import ObjectWatches
from podpass.kubelet.pod_ips import PodAddresses
from podpass.kubelet.runtime.interface import Runtime
from podpass.kubelet.runtime_cache import RuntimeCache
from podpass.kubelet.settings import KubeletSettings
from podpass.kubelet.token_manager import TokenManager


@dataclass(frozen=True, slots=True)
class NodeServices:
    """The parts that every pod runner uses."""

    settings: KubeletSettings
    clock: Clock
    node: NodeFacts
    runtime: Runtime
    cache: RuntimeCache
    addresses: PodAddresses
    tokens: TokenManager
    source: ObjectSource
    watches: ObjectWatches
    recorder: Recorder
    metrics: KubeletMetrics = field(default_factory=KubeletMetrics)
