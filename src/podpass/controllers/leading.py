"""What the leader runs: all controllers over one set of informers.

Imported only by a process that leads, so that a standby stays small.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

from podpass.base.clock import Clock
from podpass.client.events import EventRecorder
from podpass.client.rest import RestClient
from podpass.controllers.bootstrap_token_cleaner import BootstrapTokenCleaner
from podpass.controllers.certificate_approver import CertificateApprover
from podpass.controllers.certificate_cleaner import CertificateRequestCleaner
from podpass.controllers.certificate_signer import AuthorityFiles, CertificateSigner
from podpass.controllers.cluster_role_aggregation import ClusterRoleAggregation
from podpass.controllers.daemon_set import DaemonSetController
from podpass.controllers.deployment import DeploymentController
from podpass.controllers.disruption import DisruptionController
from podpass.controllers.garbage_collector import GarbageCollector
from podpass.controllers.job import JobController
from podpass.controllers.legacy_token_cleaner import LegacyTokenCleaner
from podpass.controllers.namespace import NamespaceController
from podpass.controllers.node_lifecycle import NodeLifecycleController
from podpass.controllers.pod_gc import PodGarbageCollector
from podpass.controllers.replica_set import ReplicaSetController
from podpass.controllers.root_ca import RootCaPublisher
from podpass.controllers.scheduler import SCHEDULER_NAME, Scheduler
from podpass.controllers.service_account import ServiceAccountController
from podpass.controllers.serving_certificate_approver import ServingCertificateApprover
from podpass.controllers.settings import ControllerManagerSettings
from podpass.controllers.shared_informers import SharedInformers
from podpass.controllers.stateful_set import StatefulSetController
from podpass.controllers.taint_eviction import TaintEvictionController
from podpass.controllers.token_secrets import TokenSecretController


class _Workload(Protocol):
    def __init__(
        self,
        client: RestClient,
        informers: SharedInformers,
        clock: Clock,
        recorder: EventRecorder,
    ) -> None: ...

    async def run(self) -> None: ...


_WORKLOADS: Mapping[str, type[_Workload]] = {
    "daemonset-controller": DaemonSetController,
    "deployment-controller": DeploymentController,
    "controllermanager": DisruptionController,
    "job-controller": JobController,
    "replicaset-controller": ReplicaSetController,
    "statefulset-controller": StatefulSetController,
}
"""Controllers of workloads, by the name that their events carry."""


async def run_controllers(
    client: RestClient, clock: Clock, settings: ControllerManagerSettings
) -> None:
    """Run all controllers until cancelled."""
    informers = SharedInformers(client, clock)
    scheduling = EventRecorder(client, SCHEDULER_NAME, clock)
    collecting = EventRecorder(client, "garbage-collector-controller", clock)
    watching_nodes = EventRecorder(client, "node-controller", clock)
    evicting = EventRecorder(client, "taint-eviction-controller", clock)
    async with asyncio.TaskGroup() as group:
        for part in (
            informers,
            scheduling,
            collecting,
            watching_nodes,
            evicting,
            Scheduler(client, informers, clock, scheduling),
            ServiceAccountController(client, informers, clock),
            TokenSecretController(client, informers, clock, settings.root_ca_file),
            LegacyTokenCleaner(
                client, informers, clock, settings.legacy_service_account_token_clean_up_period
            ),
            NamespaceController(client, informers, clock),
            BootstrapTokenCleaner(client, informers, clock),
            CertificateApprover(client, informers, clock),
            CertificateRequestCleaner(client, informers, clock),
            ServingCertificateApprover(client, informers, clock),
            ClusterRoleAggregation(client, informers, clock),
            GarbageCollector(client, informers, clock, collecting),
            PodGarbageCollector(client, informers, clock, settings.terminated_pod_gc_threshold),
            NodeLifecycleController(client, informers, clock, watching_nodes, settings),
            TaintEvictionController(
                client, informers, clock, evicting, settings.default_toleration_seconds
            ),
        ):
            group.create_task(part.run())
        for name, controller in _WORKLOADS.items():
            recorder = EventRecorder(client, name, clock)
            group.create_task(recorder.run())
            group.create_task(controller(client, informers, clock, recorder).run())
        if settings.cluster_signing_cert_file and settings.cluster_signing_key_file:
            signer = CertificateSigner(
                client,
                informers,
                clock,
                authority=AuthorityFiles(
                    settings.cluster_signing_cert_file, settings.cluster_signing_key_file
                ),
                serving_authority=_serving_authority(settings),
                longest=settings.cluster_signing_duration,
            )
            group.create_task(signer.run())
        if settings.root_ca_file is not None:
            publisher = RootCaPublisher(client, informers, clock, settings.root_ca_file)
            group.create_task(publisher.run())


def _serving_authority(settings: ControllerManagerSettings) -> AuthorityFiles | None:
    certificate = settings.cluster_signing_kubelet_serving_cert_file
    key = settings.cluster_signing_kubelet_serving_key_file
    return AuthorityFiles(certificate, key) if certificate and key else None
