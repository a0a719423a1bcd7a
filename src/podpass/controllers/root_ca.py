"""Publishes the cluster's CA bundle as ConfigMap `kube-root-ca.crt` in every namespace.

1. Its data is exactly `{"ca.crt": <bundle>}`; other keys and edits are undone.
2. The describing annotation is added where it is missing, and left alone where it differs.
3. When the bundle's file changes, all namespaces follow.

Source: Kubernetes, `pkg/controller/certificates/rootcacertpublisher`.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from podpass.api.errors import StatusError
from podpass.api.meta import annotations_of, name_of, namespace_of
from podpass.api.resources import CONFIG_MAPS, NAMESPACES, Object
from podpass.base.clock import Clock
from podpass.client.controller import Controller
from podpass.client.rest import RestClient
from podpass.controllers.refusals import is_creation_pointless
from podpass.controllers.service_account import is_active
from podpass.controllers.shared_informers import ROOT_CA_CONFIG_MAP, SharedInformers

BUNDLE_KEY = "ca.crt"
DESCRIPTION_ANNOTATION = "kubernetes.io/description"
DESCRIPTION = (
    "The CA bundle to verify the API server with when it is reached from inside the cluster, "
    "for example as kubernetes.default.svc; it is not meant for any other server."
)
BUNDLE_CHECK_SECONDS = 10.0

_log = logging.getLogger("root-ca")


def wanted_config_map(current: Object | None, namespace: str, bundle: str) -> Object | None:
    """Return the ConfigMap to write, or None if `current` is as it should be."""
    if current is None:
        return {
            "apiVersion": CONFIG_MAPS.api_version,
            "kind": CONFIG_MAPS.kind,
            "metadata": {
                "name": ROOT_CA_CONFIG_MAP,
                "namespace": namespace,
                "annotations": {DESCRIPTION_ANNOTATION: DESCRIPTION},
            },
            "data": {BUNDLE_KEY: bundle},
        }
    annotations = {DESCRIPTION_ANNOTATION: DESCRIPTION} | annotations_of(current)  # 2
    data = {BUNDLE_KEY: bundle}
    if annotations == annotations_of(current) and current.get("data") == data:
        return None
    return current | {"metadata": current["metadata"] | {"annotations": annotations}, "data": data}


class RootCaPublisher:
    """Writes the ConfigMaps; keys are namespaces."""

    def __init__(
        self, client: RestClient, informers: SharedInformers, clock: Clock, bundle_file: Path
    ) -> None:
        self._client = client
        self._informers = informers
        self._clock = clock
        self._bundle_file = bundle_file
        self._bundle = ""
        self._controller = Controller("root-ca", self.reconcile, clock=clock)

    async def run(self) -> None:
        """Work until cancelled.

        Raises:
            OSError: The bundle cannot be read at the start.
        """
        self._bundle = self._bundle_file.read_text()
        await self._informers.wait_synced(NAMESPACES, CONFIG_MAPS)
        self._informers[NAMESPACES].on_change(self._namespace_changed)
        self._informers[CONFIG_MAPS].on_change(self._config_map_changed)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._controller.run())
            group.create_task(self._follow_bundle())

    async def reconcile(self, namespace: str) -> None:
        """Bring the ConfigMap of one namespace to its wanted state.

        Raises:
            StatusError: The API server refused.
            ConnectionFailed: The API server was not reached.
        """
        found = self._informers[NAMESPACES].get(None, namespace)
        if found is None or not is_active(found):
            return
        current = self._informers[CONFIG_MAPS].get(namespace, ROOT_CA_CONFIG_MAP)
        wanted = wanted_config_map(current, namespace, self._bundle)
        if wanted is None:
            return
        if current is not None:
            await self._client.update(CONFIG_MAPS, wanted)
            return
        try:
            await self._client.create(CONFIG_MAPS, wanted)
        except StatusError as error:
            if not is_creation_pointless(error):
                raise

    async def _follow_bundle(self) -> None:
        while True:
            await self._clock.sleep(BUNDLE_CHECK_SECONDS)
            try:
                bundle = self._bundle_file.read_text()
            except OSError as error:
                _log.warning("cannot read %s: %s", self._bundle_file, error.strerror)
                continue
            if bundle and bundle != self._bundle:
                self._bundle = bundle
                for namespace in self._informers[NAMESPACES].list():
                    self._controller.enqueue(name_of(namespace))

    def _namespace_changed(self, old: Object | None, new: Object | None) -> None:  # noqa: ARG002
        if new is not None:
            self._controller.enqueue(name_of(new))

    def _config_map_changed(self, old: Object | None, new: Object | None) -> None:
        obj = new or old
        if obj is not None and name_of(obj) == ROOT_CA_CONFIG_MAP:
            self._controller.enqueue(namespace_of(obj))
