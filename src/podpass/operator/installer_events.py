"""What an installer pod says in events when it ends; an API that is away is no failure of it."""

from __future__ import annotations

import asyncio
import contextlib

from podpass.api.errors import StatusError
from podpass.api.resources import EVENTS, Object
from podpass.base.clock import Clock
from podpass.client.events import EventType, new_event
from podpass.client.rest import ConnectionFailed, RestClient
from podpass.operator.installer_pod import InstallerSettings

COMPONENT = "static-pod-installer"
_SECONDS = 5.0


async def tell_result(
    client: RestClient,
    clock: Clock,
    settings: InstallerSettings,
    error: Exception | None,
    *,
    certs_changed: bool = False,
) -> None:
    """Write the event about the end of a run, if it is worth one."""
    told = _event(settings, error, certs_changed=certs_changed)
    if told is None:
        return
    type_, reason, message = told
    about: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": settings.installer_name, "namespace": settings.namespace},
    }
    event = new_event(about, type_, reason, message, component=COMPONENT, now=clock.now())
    with contextlib.suppress(StatusError, ConnectionFailed, TimeoutError):
        async with asyncio.timeout(_SECONDS):
            await client.create(EVENTS, event)


def _event(
    settings: InstallerSettings, error: Exception | None, *, certs_changed: bool
) -> tuple[EventType, str, str] | None:
    if settings.revision:
        if error is None:
            done = f"Successfully installed revision {settings.revision}"
            return "Normal", "StaticPodInstallerCompleted", done
        return (
            "Warning",
            "StaticPodInstallerFailed",
            f"Installing revision {settings.revision}: {error}",
        )
    if error is not None:
        return "Warning", "CertificateUpdateFailed", f"Failed to write certificates: {error}"
    if certs_changed:
        return "Normal", "CertificateUpdated", f"Wrote certificates of {settings.node_name}"
    return None
