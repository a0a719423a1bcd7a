"""What the nodes are to get: rendered ConfigMaps, and the keys that sign and verify tokens."""

from __future__ import annotations

import asyncio

from podpass.api.meta import name_of
from podpass.api.resources import CONFIG_MAPS, SECRETS
from podpass.jose.keys import ALGORITHMS, generate_signing_key
from podpass.operator import names
from podpass.operator.bound_sa_token_signer import (
    Promotion,
    SignerError,
    decide_promotion,
    is_pair,
    publish_key,
)
from podpass.operator.conditions import Condition
from podpass.operator.node_status import node_statuses
from podpass.operator.objects import content_of, secret_text
from podpass.operator.parts import Parts
from podpass.operator.sync_loop import DegradedWords, SyncError, SyncLoop
from podpass.operator.target_config import ConfigMissing, override_paths, render_config_maps


class TargetConfigController:
    """Keeps the ConfigMaps `config` and `kube-apiserver-pod`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def loop(self) -> SyncLoop:
        """Return the loop that runs it."""
        words = DegradedWords("TargetConfigController", "SynchronizationError", "")
        loop = self._parts.loop(words, self.sync)
        rendered = (names.CONFIG_MAP, names.POD_CONFIG_MAP)
        loop.follow(self._parts.live.config_maps, lambda obj: name_of(obj) in rendered)
        return loop

    async def sync(self) -> None:
        """Render, and write what is new.

        Raises:
            SyncError: There is nothing to render yet.
        """
        parts = self._parts
        spec = parts.live.operator.get("spec") or {}
        state = spec.get("managementState", "Managed")
        if state in ("Unmanaged", "Removed"):
            return
        if state != "Managed":
            parts.objects.event(
                "Warning",
                "ManagementStateUnknown",
                f'Unrecognized operator management state "{state}"',
            )
            return
        try:
            rendered = render_config_maps(spec, parts.settings)
        except ConfigMissing as error:
            parts.objects.event("Warning", "ConfigMissing", str(error))
            raise SyncError(str(error)) from error
        for name, data in rendered.items():
            await parts.objects.apply_config_map(names.OPERAND_NAMESPACE, name, data)
        await parts.status.update_status(conditions=[_upgradeable(spec)])


def _upgradeable(spec: dict[str, object]) -> Condition:
    kind = "UnsupportedConfigOverridesUpgradeable"
    overrides = spec.get("unsupportedConfigOverrides")
    if not overrides:
        return Condition(kind, status=True, reason="NoUnsupportedConfigOverrides")
    paths = " ".join(override_paths(overrides))
    return Condition(
        kind, status=False, reason="UnsupportedConfigOverridesSet", message=f"setting: [{paths}]"
    )


class BoundSATokenSignerController:
    """Makes, publishes and promotes the signing key."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def loop(self) -> SyncLoop:
        """Return the loop that runs it."""
        live = self._parts.live
        loop = self._parts.loop(
            DegradedWords("BoundSATokenSignerController", silent=True), self.sync
        )
        loop.follow(live.operator_secrets, lambda obj: name_of(obj) == names.NEXT_SIGNING_KEY)
        loop.follow(live.secrets, lambda obj: name_of(obj) == names.SIGNING_KEY)
        loop.follow(live.config_maps, lambda obj: name_of(obj) == names.SIGNING_CERTS)
        loop.follow(live.published, lambda obj: name_of(obj) == names.SIGNING_CERTS)
        return loop

    async def sync(self) -> None:
        """Do all three steps, as far as they go.

        Raises:
            SyncError: The next key cannot be published or promoted.
        """
        objects = self._parts.objects
        pair = secret_text(
            await objects.find(SECRETS, names.OPERATOR_NAMESPACE, names.NEXT_SIGNING_KEY)
        )
        if pair is None or not is_pair(pair):
            pair = await self._make_pair()
            await objects.apply_secret(names.OPERATOR_NAMESPACE, names.NEXT_SIGNING_KEY, pair)
        try:
            published = await self._publish(pair[names.PUBLIC_KEY])
            await self._promote(pair, published)
        except SignerError as error:
            raise SyncError(str(error)) from error

    async def _make_pair(self) -> dict[str, str]:
        algorithm = ALGORITHMS[self._parts.settings.control_plane.signing_algorithm]
        key = await asyncio.to_thread(generate_signing_key, algorithm)
        return {
            names.PRIVATE_KEY: key.to_pem().decode(),
            names.PUBLIC_KEY: key.public.to_pem().decode(),
        }

    async def _publish(self, public_key: str) -> dict[str, str]:
        objects = self._parts.objects
        current = await objects.find(CONFIG_MAPS, names.OPERAND_NAMESPACE, names.SIGNING_CERTS)
        keys = content_of(current) or {}
        keys = publish_key(keys, public_key) or keys
        await objects.apply_config_map(names.OPERAND_NAMESPACE, names.SIGNING_CERTS, keys)
        await objects.apply_config_map(names.MACHINE_CONFIG_NAMESPACE, names.SIGNING_CERTS, keys)
        return keys

    async def _promote(self, pair: dict[str, str], published: dict[str, str]) -> None:
        objects = self._parts.objects
        active = secret_text(
            await objects.find(SECRETS, names.OPERAND_NAMESPACE, names.SIGNING_KEY)
        )
        if active == pair:
            return
        nodes = node_statuses(await self._parts.status.read())
        copies = [
            content_of(
                await objects.find(
                    CONFIG_MAPS,
                    names.OPERAND_NAMESPACE,
                    names.revisioned(names.SIGNING_CERTS, revision),
                )
            )
            for revision in sorted({node.current_revision for node in nodes})
        ]
        promotion = decide_promotion(
            next_pair=pair, active_pair=active, published=published, known_by_nodes=copies
        )
        if promotion is Promotion.NOW:
            await objects.apply_secret(names.OPERAND_NAMESPACE, names.SIGNING_KEY, pair)
