"""Puts a kubelet together and runs it.

1. Static pods start at once; everything that needs the API follows as soon as one answers.
2. SIGTERM ends the kubelet only: its pods run on, and the next kubelet takes them over.
3. SIGUSR1 and SIGINT end the pods first, workloads before static pods.
4. A part that fails is logged and started again; the others do not notice.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import signal
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from podpass.api.meta import annotations_of, uid_of
from podpass.api.resources import NODES, PODS, Object
from podpass.base.clock import Clock, SystemClock
from podpass.base.lazy_server import listen
from podpass.base.tasks import jitter
from podpass.client.config import load_kubeconfig
from podpass.client.events import EventRecorder
from podpass.client.informer import Informer
from podpass.client.rest import RestClient
from podpass.kubelet.downward_api import NodeFacts
from podpass.kubelet.metrics import KubeletMetrics
from podpass.kubelet.mirror_pods import MirrorPods, is_mirror_of
from podpass.kubelet.node_agent import NodeAgent
from podpass.kubelet.node_server import NodeServer
from podpass.kubelet.node_services import NodeServices
from podpass.kubelet.node_status import read_machine
from podpass.kubelet.object_source import ApiObjectSource
from podpass.kubelet.object_watches import ObjectWatches
from podpass.kubelet.pod_ips import PodAddresses
from podpass.kubelet.pod_manager import PodManager
from podpass.kubelet.pod_spec import CONFIG_MIRROR, full_name, is_mirror, is_static, node_reference
from podpass.kubelet.runtime.interface import Runtime, SandboxState
from podpass.kubelet.runtime_cache import RuntimeCache
from podpass.kubelet.settings import KubeletSettings
from podpass.kubelet.static_pods import StaticPodSource
from podpass.kubelet.status_manager import StatusManager
from podpass.kubelet.token_manager import TokenManager, token_requester

if TYPE_CHECKING:
    from podpass.kubelet.client_certificate import ClientCertificate

_log = logging.getLogger("kubelet")

_RESTART_SECONDS = 1.0


class Kubelet:
    """One node's kubelet."""

    def __init__(
        self,
        settings: KubeletSettings,
        runtime: Runtime,
        client: RestClient,
        clock: Clock,
        *,
        listener: socket.socket | None = None,
    ) -> None:
        """Put the parts together; nothing runs yet.

        Args:
            settings: All that can be chosen.
            runtime: Runs the containers.
            client: The API server; need not be there yet.
            clock: The time.
            listener: Where to serve logs and commands; None for nowhere.
        """
        machine = read_machine(settings.max_pods)
        self._settings = settings
        self._clock = clock
        self._client = client
        self._recorder = EventRecorder(client, "kubelet", clock, host=settings.node_name)
        metrics = KubeletMetrics()
        tokens = TokenManager(token_requester(client), clock, metrics=metrics)
        client.observe = partial(_count_request, metrics)
        source = ApiObjectSource(client, tokens, clock)
        self.services = NodeServices(
            settings=settings,
            clock=clock,
            node=NodeFacts(settings.node_name, settings.node_ip, machine.capacity),
            runtime=runtime,
            cache=RuntimeCache(runtime, clock),
            addresses=PodAddresses(settings.pod_cidr),
            tokens=tokens,
            source=source,
            watches=ObjectWatches(client, source, clock),
            recorder=self._recorder,
            metrics=metrics,
        )
        self._api_pods = Informer(
            client, PODS, clock=clock, field_selector=f"spec.nodeName={settings.node_name}"
        )
        self._api_node = Informer(
            client, NODES, clock=clock, field_selector=f"metadata.name={settings.node_name}"
        )
        self._status = StatusManager(client, clock, self._find_api_pod)
        self.pods = PodManager(self.services, self._status)
        self._server = NodeServer(listener, self.services, self.pods) if listener else None
        port = listener.getsockname()[1] if listener is not None else settings.port
        self.agent = NodeAgent(
            client, settings, machine, clock, port=port, runtime_version=runtime.version
        )
        self._mirrors = MirrorPods(
            client, clock, find=self._api_pods.get, node=lambda: self.agent.node
        )
        self._background: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Take over what runs already, and start all parts.

        Raises:
            RuntimeFailure: The runtime does not work.
        """
        cache = self.services.cache
        await cache.refresh()
        for uid in cache.uids():
            for sandbox in cache.pod(uid).sandboxes:
                if sandbox.state is SandboxState.READY and sandbox.config.pod_ip is not None:
                    self.services.addresses.keep(sandbox.config.pod_ip)
        self._begin("runtime", cache.run)
        if self._settings.manifest_dir is None:
            self._static_pods_changed([])
        else:
            source = StaticPodSource(
                self._settings.manifest_dir,
                self._settings.node_name,
                self._clock,
                poll=self._settings.manifest_poll,
                on_pods=self._static_pods_changed,
                on_invalid=self._manifest_is_invalid,
            )
            self._begin("static pods", source.run)
        if self._server is not None:
            self._begin("server", self._server.run)
        self._begin("status", self._status.run)
        self._begin("API", self._join)

    async def shut_down(self) -> None:
        """End all pods, then the kubelet."""
        await self.pods.shut_down(self._settings.stop_grace)
        await self.close()

    async def close(self) -> None:
        """End the kubelet; the pods run on."""
        tasks, self._background = self._background, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.pods.close()
        await self.services.watches.close()
        if self._server is not None:
            await self._server.close()

    def keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run another part until the kubelet ends; call after `start`."""
        self._begin(name, work)

    def _begin(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run a part in the background, again and again if it fails; rule 4."""

        async def supervise() -> None:
            while True:
                try:
                    await work()
                except Exception:  # noqa: BLE001 - the boundary between the parts
                    _log.exception("%s failed and is started again", name)
                    await self._clock.sleep(_RESTART_SECONDS)
                else:
                    return

        self._background.append(asyncio.create_task(supervise(), name=name))

    async def _join(self) -> None:
        """Register the node as soon as an API server answers, then start what depends on it."""
        await self.agent.register()
        self._api_pods.on_change(self._api_pod_changed)
        self._api_node.on_change(self._api_node_changed)
        self._begin("pod informer", self._api_pods.run)
        self._begin("node", lambda: self.agent.run(self._recorder))
        self._begin("mirrors", self._mirror)
        self._begin("node informer", self._api_node.run)
        self._begin("events", self._recorder.run)
        self._begin("clean-up", self._clean_up)
        if self._server is not None:
            self._begin("serving certificate", partial(self._server.rotate, self._client))

    async def _mirror(self) -> None:
        await self._api_pods.wait_synced()
        await self._mirrors.run()

    async def _clean_up(self) -> None:
        await self._api_pods.wait_synced()
        while True:
            await self.pods.clean_up_orphans(self._api_pods.list())
            await self._clock.sleep(jitter(self._settings.sync_frequency, 0.5))

    def _static_pods_changed(self, pods: list[Object]) -> None:
        self.pods.set_static_pods(pods)
        self._mirrors.set_static_pods(pods)

    def _manifest_is_invalid(self, message: str) -> None:
        node = node_reference(self._settings.node_name)
        self._recorder.record(node, "Warning", "InvalidManifest", message)

    def _api_pod_changed(self, old: Object | None, new: Object | None) -> None:
        self.pods.api_pod_changed(old, new)
        changed = new if new is not None else old
        if changed is not None:
            self._mirrors.api_pod_changed(changed)
            if is_mirror(changed):
                self._status.mirror_changed(annotations_of(changed)[CONFIG_MIRROR])

    def _api_node_changed(self, _old: Object | None, new: Object | None) -> None:
        self.agent.node_changed(new)

    def _find_api_pod(self, pod: Object) -> Object | None:
        """Return the API's pod for one of ours: itself, or the mirror of a static pod."""
        namespace, _, name = full_name(pod).partition("/")
        found = self._api_pods.get(namespace, name)
        if found is None:
            return None
        same = is_mirror_of(found, pod) if is_static(pod) else uid_of(found) == uid_of(pod)
        return found if same else None


async def main(settings: KubeletSettings) -> None:
    """Run a kubelet until a signal ends it.

    Raises:
        ConfigError: The kubeconfig cannot be used.
        OSError: A directory or a port cannot be used, or another kubelet uses it.
        RuntimeFailure: The runtime does not work on this machine.
    """
    from podpass.kubelet.images import ImageCatalog  # noqa: PLC0415 - tests have another runtime
    from podpass.kubelet.runtime.embedded import EmbeddedRuntime  # noqa: PLC0415

    for directory in (settings.root_dir, settings.runtime_dir, settings.pod_logs_dir):
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o750)
    lock = _lock(settings.root_dir)
    clock = SystemClock()
    listener = listen(settings.node_ip, settings.port) if settings.serves else None
    runtime = EmbeddedRuntime(settings.runtime_dir, ImageCatalog(settings.images_dir), clock)
    signalled: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def end(*, pods: bool) -> None:
        if not signalled.done():
            signalled.set_result(pods)

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, lambda: end(pods=False))
    for number in (signal.SIGINT, signal.SIGUSR1):
        loop.add_signal_handler(number, lambda: end(pods=True))
    certificate = await _log_in(settings, clock, signalled)
    if signalled.done():
        await runtime.close()
        lock.close()
        return
    config = load_kubeconfig(settings.kubeconfig)
    async with RestClient(config, user_agent="podpass-kubelet") as client:
        kubelet = Kubelet(settings, runtime, client, clock, listener=listener)
        await kubelet.start()
        if settings.relay_to and settings.api_endpoints:
            from podpass.kubelet.api_relay import ApiRelay  # noqa: PLC0415 - see _log_in

            relay = ApiRelay(settings.api_endpoints[0], settings.relay_to)
            kubelet.keep("relay", relay.run)
        if certificate is not None and settings.bootstrap_kubeconfig is not None:
            kubelet.keep(
                "client certificate",
                partial(certificate.rotate, client, settings.bootstrap_kubeconfig),
            )
        if await signalled:
            _log.info("ending all pods")
            await kubelet.shut_down()
        else:
            await kubelet.close()
    await runtime.close()
    lock.close()


async def _log_in(
    settings: KubeletSettings, clock: Clock, signalled: asyncio.Future[bool]
) -> ClientCertificate | None:
    """Return the certificate to rotate, if this kubelet keeps its own; ends early at a signal.

    Raises:
        ConfigError: The bootstrap kubeconfig cannot be used.
        OSError: A file cannot be written.
    """
    if settings.bootstrap_kubeconfig is None:
        return None
    from podpass.kubelet.bootstrap import ensure_login  # noqa: PLC0415 - only on hosts that joined
    from podpass.kubelet.certificate_file import FILE_NAME, CertificateFile  # noqa: PLC0415
    from podpass.kubelet.client_certificate import ClientCertificate  # noqa: PLC0415

    file = CertificateFile(settings.certificate_directory.absolute() / FILE_NAME)
    certificate = ClientCertificate(settings.node_name, file, clock)
    login = asyncio.ensure_future(
        ensure_login(
            certificate,
            bootstrap_kubeconfig=settings.bootstrap_kubeconfig,
            kubeconfig=settings.kubeconfig,
        )
    )
    waited: set[asyncio.Future[Any]] = {login, signalled}
    await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    if not login.done():
        login.cancel()
    await asyncio.gather(login, return_exceptions=signalled.done())
    return certificate


def _count_request(metrics: KubeletMetrics, method: str, host: str, code: str) -> None:
    metrics.requests.inc(code, host, method)


def _lock(root: Path) -> BinaryIO:
    """Make sure that no other kubelet works in the same directory.

    Raises:
        OSError: One does.
    """
    opened = (root / "lock").open("wb")
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        opened.close()
        raise OSError(f"another kubelet runs in {root}") from None
    return opened
