"""Approves requests of kubelets for their client certificate.

Who asks must be allowed to create `certificatesigningrequests/nodeclient` (a new node) or
`certificatesigningrequests/selfnodeclient` (a node that renews its own). All other requests wait
for `kubectl certificate approve`.

Source: Kubernetes `pkg/controller/certificates/approver/sarapprove.go`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from podpass.api.certificate_requests import APPROVED, DENIED, approve, has_condition
from podpass.api.meta import name_of
from podpass.api.resources import (
    CERTIFICATE_SIGNING_REQUESTS,
    CERTIFICATES,
    SUBJECT_ACCESS_REVIEWS,
    Object,
)
from podpass.base.clock import Clock
from podpass.client.controller import Controller
from podpass.client.rest import RestClient

if TYPE_CHECKING:
    from podpass.controllers.shared_informers import SharedInformers

_TEXTS = {
    "nodeclient": "Auto approving kubelet client certificate after SubjectAccessReview.",
    "selfnodeclient": "Auto approving self kubelet client certificate after SubjectAccessReview.",
}


def access_review(request: Object, right: str) -> Object:
    """Return the question whether who asks may have this."""
    spec = request.get("spec") or {}
    asked: Object = {
        "user": spec.get("username") or "",
        "groups": spec.get("groups") or [],
        "resourceAttributes": {
            "group": CERTIFICATES,
            "resource": CERTIFICATE_SIGNING_REQUESTS.plural,
            "subresource": right,
            "verb": "create",
        },
    }
    asked |= {key: spec[key] for key in ("uid", "extra") if spec.get(key)}
    return {
        "apiVersion": SUBJECT_ACCESS_REVIEWS.api_version,
        "kind": SUBJECT_ACCESS_REVIEWS.kind,
        "spec": asked,
    }


class CertificateApprover:
    """Approves; keys are names of requests."""

    def __init__(self, client: RestClient, informers: SharedInformers, clock: Clock) -> None:
        self._client = client
        self._informer = informers[CERTIFICATE_SIGNING_REQUESTS]
        self._clock = clock
        self._controller = Controller("certificate-approver", self.reconcile, clock=clock)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._informer.wait_synced()
        self._informer.on_change(self._changed)
        await self._controller.run()

    async def reconcile(self, name: str) -> None:
        """Approve one request, if it is a kubelet's and its author may have it.

        Raises:
            StatusError: The API server refused.
            ConnectionFailed: The API server was not reached.
        """
        request = self._informer.get(None, name)
        if request is None or any(has_condition(request, one) for one in (APPROVED, DENIED)):
            return
        from podpass.controllers.node_client_request import (  # noqa: PLC0415 - loads cryptography
            right_needed,
        )

        right = right_needed(request)
        if right is None:
            return
        answer = await self._client.create(SUBJECT_ACCESS_REVIEWS, access_review(request, right))
        if not (answer.get("status") or {}).get("allowed"):
            return
        await self._client.update(
            CERTIFICATE_SIGNING_REQUESTS,
            approve(request, _TEXTS[right], self._clock.now()),
            subresource="approval",
        )

    def _changed(self, _old: Object | None, new: Object | None) -> None:
        if new is not None:
            self._controller.enqueue(name_of(new))
