"""A node asks only for tokens of pods that are bound to it, for audiences that these name.

1. The token is bound to a Pod (of `v1`, to the letter), by name and UID.
2. The pod exists, has this UID and is bound to the node.
3. At most one audience, none counts as the empty one: either a projected volume of the pod has it,
   or the node is authorized for the verb `request-serviceaccounts-token-audience` on it.

Source: Kubernetes `plugin/pkg/admission/noderestriction/admission.go`, `admitServiceAccount`.
"""

from __future__ import annotations

from podpass.api.meta import uid_of
from podpass.api.resources import PODS, Object
from podpass.apiserver.admission.chain import AdmissionRequest
from podpass.apiserver.authorization import Attributes, Authorizer
from podpass.apiserver.live_objects import LiveObjects
from podpass.serviceaccount.issuance import node_of, uid_mismatch

AUDIENCE_VERB = "request-serviceaccounts-token-audience"


def _projects(pod: Object, audience: str) -> bool:
    for volume in (pod.get("spec") or {}).get("volumes") or ():
        for source in (volume.get("projected") or {}).get("sources") or ():
            token = source.get("serviceAccountToken")
            if token is not None and (token.get("audience") or "") == audience:
                return True
    return False


class NodeTokenRestriction:
    """Judges token requests of nodes."""

    def __init__(self, objects: LiveObjects, authorizer: Authorizer) -> None:
        self._objects = objects
        self._authorizer = authorizer

    async def check(self, node: str, request: AdmissionRequest) -> None:
        """Refuse a token that is not for a pod of this node.

        Args:
            node: Who asks.
            request: Creation of `serviceaccounts/token`.

        Raises:
            StatusError: 403; 404, the pod does not exist.
        """
        spec = (request.object or {}).get("spec") or {}
        bound = spec.get("boundObjectRef") or {}
        name, uid = bound.get("name"), bound.get("uid")
        if bound.get("apiVersion") != "v1" or bound.get("kind") != PODS.kind or not name:  # 1
            raise request.forbidden("node requested token not bound to a pod")
        if not uid:
            raise request.forbidden("node requested token with a pod binding without a uid")
        pod = await self._objects.get(PODS, request.namespace, name, uid)  # 2
        if uid_of(pod) != uid:
            raise request.forbidden(uid_mismatch(uid))
        if node_of(pod) != node:
            raise request.forbidden(
                "node requested token bound to a pod scheduled on a different node"
            )
        audiences = spec.get("audiences") or [""]
        if len(audiences) > 1:  # 3
            raise request.forbidden("node may only request 0 or 1 audiences")
        if not _projects(pod, audiences[0]) and not self._may_ask(request, audiences[0]):
            raise request.forbidden(
                f'audience "{audiences[0]}" not found in pod spec volume, {request.user.name} is '
                "not authorized to request tokens for this audience"
            )

    def _may_ask(self, request: AdmissionRequest, audience: str) -> bool:
        attributes = Attributes(
            request.user,
            AUDIENCE_VERB,
            resource=audience,
            namespace=request.namespace,
            name=request.name,
        )
        return self._authorizer.authorize(attributes).allowed
