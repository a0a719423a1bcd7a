"""Brings new certificates and keys to the nodes without a revision.

OpenShift has a sidecar in every API server pod for it; here it is a pod that runs once for each
node and state of the certificates. What runs goes on with what it read at its start, as there.
Which state a node has is kept in the ConfigMap RECORD of the operator's namespace.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import orjson

from podpass.api.errors import StatusError
from podpass.api.meta import labels_of, name_of
from podpass.api.resources import CONFIG_MAPS, PODS, SECRETS, Object
from podpass.operator import names
from podpass.operator.node_status import is_managed, latest_revision
from podpass.operator.objects import content_of
from podpass.operator.observations import address_of, master_nodes
from podpass.operator.parts import Parts
from podpass.operator.pod_manifests import cert_sync_pod
from podpass.operator.sync_loop import DegradedWords, SyncError, SyncLoop

RECORD = "kube-apiserver-cert-sync"
_SHOWN = 8


def certs_digest(contents: Mapping[str, Mapping[str, str] | None]) -> str:
    """Return what tells one state of the certificates from another.

    Args:
        contents: `data` as the API has it, by name of the ConfigMap or Secret.
    """
    return hashlib.sha256(orjson.dumps(contents, option=orjson.OPT_SORT_KEYS)).hexdigest()


class CertSyncController:
    """The controller."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def loop(self) -> SyncLoop:
        """Return the loop that runs it."""
        live = self._parts.live
        loop = self._parts.loop(DegradedWords("CertSyncController", silent=True), self.sync)
        loop.follow(live.config_maps, lambda obj: name_of(obj) in names.CERT_CONFIG_MAPS)
        loop.follow(live.secrets, lambda obj: name_of(obj) in names.CERT_SECRETS)
        loop.follow(live.pods, lambda obj: labels_of(obj).get("app") == "cert-sync")
        loop.follow(live.nodes)
        return loop

    async def sync(self) -> None:
        """Start what is missing, note down what has ended.

        Raises:
            SyncError: A pod failed; it is started again.
        """
        parts = self._parts
        if not is_managed(parts.live.operator):
            return
        digest = certs_digest(await self._contents())
        found = await parts.objects.find(CONFIG_MAPS, names.OPERATOR_NAMESPACE, RECORD)
        record = dict((found or {}).get("data") or {})
        failed = []
        before = dict(record)
        for node in master_nodes(parts.live.nodes.list()):
            if record.get(name_of(node)) == digest:
                continue
            name = f"cert-sync-{digest[:_SHOWN]}-{name_of(node)}"
            pod = parts.live.pods.get(names.OPERAND_NAMESPACE, name)
            phase = ((pod or {}).get("status") or {}).get("phase")
            if pod is None:
                await self._create(name, node)
            elif phase == "Succeeded":
                record[name_of(node)] = digest
            elif phase == "Failed":
                await parts.objects.delete(PODS, names.OPERAND_NAMESPACE, name)
                failed.append(name)
        if record != before:
            await parts.objects.apply_config_map(
                names.OPERATOR_NAMESPACE, RECORD, record, silent=True
            )
        if failed:
            raise SyncError(f"failed: {', '.join(failed)}")

    async def _contents(self) -> dict[str, dict[str, str] | None]:
        objects = self._parts.objects
        operand = names.OPERAND_NAMESPACE
        contents = {
            name: content_of(await objects.find(CONFIG_MAPS, operand, name))
            for name in names.CERT_CONFIG_MAPS
        }
        for name in names.CERT_SECRETS:
            contents[name] = content_of(await objects.find(SECRETS, operand, name))
        if missing := [name for name, content in contents.items() if content is None]:
            raise SyncError(f"not found: {', '.join(missing)}")
        return contents

    async def _create(self, name: str, node: Object) -> None:
        parts = self._parts
        latest = latest_revision(parts.live.operator)
        owner = await parts.objects.find(
            CONFIG_MAPS,
            names.OPERAND_NAMESPACE,
            names.revisioned(names.REVISION_STATUS, latest),
        )
        if owner is None:
            raise SyncError(f'configmaps "{names.REVISION_STATUS}-{latest}" not found')
        pod = cert_sync_pod(name, latest, address_of(node), owner, parts.settings)
        try:
            await parts.objects.create_pod(pod)
        except StatusError as error:
            raise SyncError(error.message) from error
