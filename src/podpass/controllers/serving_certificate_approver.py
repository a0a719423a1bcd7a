"""Approves requests of nodes for the certificate that their kubelet serves with.

Approved are requests of a node for itself and for addresses that its Node object has; all others
wait for `kubectl certificate approve`. A request that came before the address did is looked at
again when the Node changes. The Node is read anew: an address that it lost counts no more.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from podpass.api.certificate_requests import (
    APPROVED,
    DENIED,
    KUBELET_SERVING,
    approve,
    has_condition,
)
from podpass.api.errors import StatusError
from podpass.api.meta import name_of
from podpass.api.resources import CERTIFICATE_SIGNING_REQUESTS, NODES, Object
from podpass.base.clock import Clock
from podpass.client.controller import Controller
from podpass.client.rest import RestClient

if TYPE_CHECKING:
    from podpass.controllers.shared_informers import SharedInformers

NAME = "serving-certificate-approver"
_TEXT = "Auto approving kubelet serving certificate: the node reports all of its addresses."

_log = logging.getLogger(NAME)


def is_pending(request: Object) -> bool:
    """Tell whether this is a request for a serving certificate that nobody has decided about."""
    signer = (request.get("spec") or {}).get("signerName")
    return signer == KUBELET_SERVING and not any(
        has_condition(request, one) for one in (APPROVED, DENIED)
    )


def _addresses(node: Object | None) -> object:
    return ((node or {}).get("status") or {}).get("addresses")


class ServingCertificateApprover:
    """Approves; keys are names of requests."""

    def __init__(self, client: RestClient, informers: SharedInformers, clock: Clock) -> None:
        self._client = client
        self._requests = informers[CERTIFICATE_SIGNING_REQUESTS]
        self._nodes = informers[NODES]
        self._clock = clock
        self._controller = Controller(NAME, self.reconcile, clock=clock)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._requests.wait_synced()
        await self._nodes.wait_synced()
        self._requests.on_change(self._request_changed)
        self._nodes.on_change(self._node_changed)
        await self._controller.run()

    async def reconcile(self, name: str) -> None:
        """Approve one request, if it is a node's for itself.

        Raises:
            StatusError: The API server refused.
            ConnectionFailed: The API server was not reached.
        """
        request = self._requests.get(None, name)
        if request is None or not is_pending(request):
            return
        from podpass.controllers import node_serving_request as rules  # noqa: PLC0415 - rare
        from podpass.controllers.node_request import NotOfANode  # noqa: PLC0415

        try:
            node = await self._client.get(NODES, None, rules.asking_node(request))
            rules.check_names(request, node)
        except NotOfANode as why:
            _log.info("%s waits for a decision: %s", name, why)
            return
        except StatusError as error:
            if error.reason != "NotFound":
                raise
            _log.info("%s waits for its node", name)
            return
        await self._client.update(
            CERTIFICATE_SIGNING_REQUESTS,
            approve(request, _TEXT, self._clock.now()),
            subresource="approval",
        )

    def _request_changed(self, _old: Object | None, new: Object | None) -> None:
        if new is not None and is_pending(new):
            self._controller.enqueue(name_of(new))

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None or _addresses(old) == _addresses(new):
            return
        user = f"system:node:{name_of(new)}"
        for request in self._requests.list():
            if is_pending(request) and request["spec"].get("username") == user:
                self._controller.enqueue(name_of(request))
