"""Objects are created only in namespaces that exist and stay.

1. `default`, `kube-system` and `kube-public` cannot be deleted.
2. A namespace that the cache does not know is looked up in the store; without one it is 404.
3. Nothing new comes into a namespace that is being deleted; that holds for subresources as well,
   so no token is issued there.

Source: apiserver `admission/plugin/namespace/lifecycle/admission.go`.
"""

from __future__ import annotations

from podpass.api.meta import is_terminating
from podpass.api.resources import NAMESPACES, Object
from podpass.apiserver.admission.chain import AdmissionRequest
from podpass.apiserver.admission.plugin import PassivePlugin
from podpass.apiserver.live_objects import LiveObjects

IMMORTAL = frozenset({"default", "kube-system", "kube-public"})


def _ends(namespace: Object) -> bool:
    phase = (namespace.get("status") or {}).get("phase")
    return phase == "Terminating" or is_terminating(namespace)


class NamespaceLifecycle(PassivePlugin):
    """The plugin of this name."""

    def __init__(self, objects: LiveObjects) -> None:
        self._objects = objects

    async def mutate(self, request: AdmissionRequest) -> None:
        """Refuse by rules 1 to 3.

        Raises:
            StatusError: 403 or 404.
        """
        if request.resource is NAMESPACES:
            if request.operation == "DELETE" and request.name in IMMORTAL:  # 1
                raise request.forbidden("this namespace may not be deleted")
            return
        if request.operation != "CREATE" or not request.namespace:
            return
        namespace = await self._objects.get(NAMESPACES, "", request.namespace)  # 2
        if not _ends(namespace):
            return
        refused = request.forbidden(  # 3
            f"unable to create new content in namespace {request.namespace} because it is being "
            "terminated"
        )
        refused.details = (refused.details or {}) | {
            "causes": [
                {
                    "reason": "NamespaceTerminating",
                    "message": f"namespace {request.namespace} is being terminated",
                    "field": "metadata.namespace",
                }
            ]
        }
        raise refused
