"""What runs inside an installer pod: brings one revision to the node that it runs on.

1. It waits for other installers on the node to end; the one of the newest revision goes on, an
   older one fails.
2. It waits once more (`settle`) and looks again.
3. It reads the numbered copies through the API, writes them, then the certificates, then the
   manifest.
4. All of it has two minutes; a broken connection is tried again within them, for the API servers
   restart one after the other while this runs.

Source: openshift/library-go, `staticpod/installerpod`.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from podpass.api.errors import StatusError
from podpass.api.meta import labels_of, name_of
from podpass.api.resources import CONFIG_MAPS, PODS, SECRETS, Object, Resource
from podpass.base.clock import Clock
from podpass.client.rest import ConnectionFailed, RestClient
from podpass.operator.names import POD_CONFIG_MAP, POD_KEY, REVISION_LABEL, revisioned
from podpass.operator.node_files import InstallError, Kind, NodeFiles
from podpass.operator.static_pod_template import fill_in

TIMEOUT_SECONDS = 120.0
_RETRY_SECONDS = 0.25
_POLL_SECONDS = 0.5
_NOT_FOUND = 404
_BUSY = (429, 500, 503, 504)

_log = logging.getLogger("installer")
T = TypeVar("T")
Files = dict[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallerSettings:
    """What to install where.

    Attributes:
        node_name: This node.
        node_ip: Its address.
        namespace: Where the objects are.
        installer_name: Name of this pod, to tell it from its siblings.
        revision: What to install; 0 where only certificates are synced.
        config_maps: Revisioned, required.
        optional_config_maps: Revisioned.
        secrets: Revisioned, required.
        optional_secrets: Revisioned.
        cert_config_maps: Unrevisioned, required.
        cert_secrets: Unrevisioned, required.
        settle: Rule 2.
        sibling_timeout: How long rule 1 waits.
    """

    node_name: str
    node_ip: str
    namespace: str
    installer_name: str = ""
    revision: int = 0
    config_maps: Sequence[str] = ()
    optional_config_maps: Sequence[str] = ()
    secrets: Sequence[str] = ()
    optional_secrets: Sequence[str] = ()
    cert_config_maps: Sequence[str] = ()
    cert_secrets: Sequence[str] = ()
    settle: timedelta = timedelta(0)
    sibling_timeout: timedelta = timedelta(0)


class Installer:
    """One run."""

    def __init__(
        self, settings: InstallerSettings, client: RestClient, files: NodeFiles, clock: Clock
    ) -> None:
        self._settings = settings
        self._client = client
        self._files = files
        self._clock = clock
        self._deadline = clock.monotonic() + TIMEOUT_SECONDS

    async def install(self) -> None:
        """Bring the revision to the node.

        Raises:
            InstallError: It could not be done; the former revision goes on running.
        """
        settings = self._settings
        await self._wait_for_siblings()  # 1
        if settings.settle:  # 2
            await self._clock.sleep(settings.settle.total_seconds())
            await self._wait_for_siblings()
        contents = await self._read_revision()  # 3
        template = contents[("configmaps", POD_CONFIG_MAP)].get(POD_KEY, b"").decode()
        if not template:
            raise InstallError(
                f"configmap/{revisioned(POD_CONFIG_MAP, settings.revision)} has no {POD_KEY}"
            )
        self._files.write_revision(settings.revision, contents, template)
        await self.sync_certs()
        self._files.write_manifest(settings.revision, template)
        _log.info("Successfully installed revision %d", settings.revision)

    async def sync_certs(self) -> bool:
        """Bring certificates and keys to the node; tell whether they changed.

        Raises:
            InstallError: It could not be done.
        """
        settings = self._settings
        certs: dict[tuple[Kind, str], Files] = {}
        for name in settings.cert_config_maps:
            certs["configmaps", name] = await self._read(CONFIG_MAPS, name, required=True)
        for name in settings.cert_secrets:
            certs["secrets", name] = await self._read(SECRETS, name, required=True)
        return self._files.write_certs(certs)

    async def _read_revision(self) -> dict[tuple[Kind, str], Files]:
        settings = self._settings
        wanted: list[tuple[Kind, Resource, Sequence[str], bool]] = [
            ("configmaps", CONFIG_MAPS, settings.config_maps, True),
            ("configmaps", CONFIG_MAPS, settings.optional_config_maps, False),
            ("secrets", SECRETS, settings.secrets, True),
            ("secrets", SECRETS, settings.optional_secrets, False),
        ]
        found: dict[tuple[Kind, str], Files] = {}
        for kind, resource, names, required in wanted:
            for name in names:
                copy = revisioned(name, settings.revision)
                files = await self._read(resource, copy, required=required)
                if files or required:
                    found[kind, name] = {key: self._filled(one) for key, one in files.items()}
        return found

    async def _read(self, resource: Resource, name: str, *, required: bool) -> Files:
        namespace = self._settings.namespace
        try:
            obj = await self._patiently(lambda: self._client.get(resource, namespace, name))
        except StatusError as error:
            if error.code == _NOT_FOUND and not required:
                return {}
            raise InstallError(error.message) from error
        return files_of(resource, obj)

    def _filled(self, content: bytes) -> bytes:
        """Put the node's own values in; what is no text stays as it is."""
        try:
            text = content.decode()
        except UnicodeDecodeError:
            return content
        settings = self._settings
        return fill_in(
            text,
            revision=settings.revision,
            node_name=settings.node_name,
            node_ip=settings.node_ip,
        ).encode()

    async def _wait_for_siblings(self) -> None:
        """Wait until no other installer runs on the node (rule 1).

        Raises:
            InstallError: There is one of a newer revision, or one does not end.
        """
        settings = self._settings
        end = self._clock.monotonic() + settings.sibling_timeout.total_seconds()
        while True:
            found = await self._siblings()
            newer = [number for number, _ in found if number > settings.revision]
            if newer:
                raise InstallError(
                    f"more recent revision present on node: thisRevision={settings.revision}, "
                    f"moreRecentRevision={max(newer)}"
                )
            running = [name for _, name in found if name]
            if not running:
                return
            if self._clock.monotonic() >= end:
                raise InstallError(f"other installer pods still run: {', '.join(running)}")
            await self._clock.sleep(_POLL_SECONDS)

    async def _siblings(self) -> list[tuple[int, str]]:
        """Return (revision, name) of the installers on this node; ended ones without a name."""
        settings = self._settings
        try:
            listed = await self._patiently(
                lambda: self._client.list(
                    PODS,
                    settings.namespace,
                    label_selector="app=installer",
                    field_selector=f"spec.nodeName={settings.node_name}",
                )
            )
        except StatusError as error:
            raise InstallError(error.message) from error
        found = []
        for pod in listed["items"]:
            label = labels_of(pod).get(REVISION_LABEL, "")
            if name_of(pod) == settings.installer_name or labels_of(pod).get("app") != "installer":
                continue
            if not label.isdecimal():
                continue
            ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
            found.append((int(label), "" if ended else name_of(pod)))
        return found

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Return what `call` returns, in spite of servers that restart (rule 4)."""
        while True:
            try:
                return await call()
            except (ConnectionFailed, StatusError) as error:
                if isinstance(error, StatusError) and error.code not in _BUSY:
                    raise
                if self._clock.monotonic() >= self._deadline:
                    raise InstallError(f"the API server is out of reach: {error}") from error
            await self._clock.sleep(_RETRY_SECONDS)


def files_of(resource: Resource, obj: Object) -> Files:
    """Return the content of a ConfigMap or Secret as files."""
    if resource is SECRETS:
        return {key: base64.b64decode(one) for key, one in (obj.get("data") or {}).items()}
    files = {key: str(one).encode() for key, one in (obj.get("data") or {}).items()}
    files |= {key: base64.b64decode(one) for key, one in (obj.get("binaryData") or {}).items()}
    return files
