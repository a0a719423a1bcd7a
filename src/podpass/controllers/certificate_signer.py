"""Issues the certificates of kubelets' requests that were approved.

The only part that reads the key of a CA, and only when there is something to sign. What kubelets
serve with may have a CA of its own. A request that breaks the signer's rules gets the condition
Failed.

Source: Kubernetes `pkg/controller/certificates/signer`.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from podpass.api.certificate_requests import (
    APPROVED,
    FAILED,
    KUBELET_CLIENT,
    KUBELET_SERVING,
    conditions_of,
    has_condition,
)
from podpass.api.meta import format_time, name_of
from podpass.api.resources import CERTIFICATE_SIGNING_REQUESTS, Object
from podpass.base.clock import Clock
from podpass.client.controller import Controller
from podpass.client.rest import RestClient

if TYPE_CHECKING:
    from podpass.controllers.shared_informers import SharedInformers


@dataclass(frozen=True, slots=True)
class AuthorityFiles:
    """Where a CA is.

    Attributes:
        certificate: Its certificate.
        key: Its key.
    """

    certificate: Path
    key: Path


def is_ready_to_sign(request: Object) -> bool:
    """Tell whether a request waits for its certificate."""
    return (
        (request.get("spec") or {}).get("signerName") in (KUBELET_CLIENT, KUBELET_SERVING)
        and has_condition(request, APPROVED)
        and not has_condition(request, FAILED)
        and not (request.get("status") or {}).get("certificate")
    )


class CertificateSigner:
    """Signs; keys are names of requests."""

    def __init__(
        self,
        client: RestClient,
        informers: SharedInformers,
        clock: Clock,
        *,
        authority: AuthorityFiles,
        serving_authority: AuthorityFiles | None = None,
        longest: timedelta,
    ) -> None:
        """Prepare; `run` starts it.

        Args:
            client: The API server.
            informers: Shared with the other controllers.
            clock: For the times in certificates.
            authority: Signs clients, and servers if there is no other.
            serving_authority: Signs servers.
            longest: Life of a certificate that asks for none.
        """
        self._client = client
        self._informer = informers[CERTIFICATE_SIGNING_REQUESTS]
        self._clock = clock
        self._client_authority = authority
        self._serving_authority = serving_authority or authority
        self._longest = longest
        self._controller = Controller("certificate-signer", self.reconcile, clock=clock)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._informer.wait_synced()
        self._informer.on_change(self._changed)
        await self._controller.run()

    async def reconcile(self, name: str) -> None:
        """Sign one request, if it is approved and ours.

        Raises:
            OSError: The CA cannot be read.
            StatusError: The API server refused.
            ConnectionFailed: The API server was not reached.
            UnusableAuthority: The CA cannot sign.
        """
        request = self._informer.get(None, name)
        if request is None or not is_ready_to_sign(request):
            return
        await self._client.update(
            CERTIFICATE_SIGNING_REQUESTS,
            request | {"status": self._answer(request)},
            subresource="status",
        )

    def _answer(self, request: Object) -> Object:
        from podpass.controllers import certificate_signing as signing  # noqa: PLC0415 - rare
        from podpass.controllers.node_client_request import (  # noqa: PLC0415 - loads cryptography
            parse_client_request,
        )
        from podpass.controllers.node_request import NotOfANode  # noqa: PLC0415
        from podpass.controllers.node_serving_request import parse_serving_request  # noqa: PLC0415

        spec = request["spec"]
        parse, authority = parse_client_request, self._client_authority
        if spec["signerName"] == KUBELET_SERVING:
            parse, authority = parse_serving_request, self._serving_authority
        now = self._clock.now()
        status: Object = dict(request.get("status") or {})
        try:
            pem = signing.sign_certificate(
                parse(request),
                usages=spec["usages"],
                ca_certificate=authority.certificate.read_bytes(),
                ca_key=authority.key.read_bytes(),
                now=now,
                life=signing.lifetime(spec.get("expirationSeconds"), self._longest),
            )
        except (NotOfANode, signing.UnusableRequest) as error:
            failed = {
                "type": FAILED,
                "status": "True",
                "reason": "SignerValidationFailure",
                "message": str(error),
                "lastUpdateTime": format_time(now),
                "lastTransitionTime": format_time(now),
            }
            return status | {"conditions": [*conditions_of(request), failed]}
        return status | {"certificate": base64.b64encode(pem).decode()}

    def _changed(self, _old: Object | None, new: Object | None) -> None:
        if new is not None and is_ready_to_sign(new):
            self._controller.enqueue(name_of(new))
