"""From a resource request to its handler.

1. Unknown resources, subresources and paths below them are 404.
2. `pods/ephemeralcontainers` is 404 too, and says what to do instead.
3. A known resource without that verb, or an object of a namespaced kind addressed without its
   namespace, is 405 for writes and 404 for reads.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from podpass.api import errors
from podpass.api.resources import (
    CERTIFICATE_SIGNING_REQUESTS,
    DEPLOYMENTS,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    SERVICE_ACCOUNTS,
    STATEFUL_SETS,
    Resource,
    find_resource,
)
from podpass.apiserver.apply_handler import ApplyHandler
from podpass.apiserver.custom_resources_scale import CustomScaleHandlers
from podpass.apiserver.delete_handlers import DeleteHandlers
from podpass.apiserver.eviction import EvictionHandler
from podpass.apiserver.pod_connect import PodConnect
from podpass.apiserver.read_handlers import ReadHandlers
from podpass.apiserver.request_context import RequestContext
from podpass.apiserver.request_info import RequestInfo
from podpass.apiserver.scale_handlers import ScaleHandlers
from podpass.apiserver.special_handlers import SpecialHandlers
from podpass.apiserver.watch_stream import WatchStream
from podpass.apiserver.write_handlers import WriteHandlers
from podpass.storage.defined_kinds import DefinedKinds

Handler = Callable[[RequestContext, Resource], Awaitable[web.StreamResponse]]
_EPHEMERAL = "ephemeralcontainers"
_WITHOUT_NAMESPACE = frozenset({"list", "watch"})


@dataclass(frozen=True, slots=True)
class Handlers:
    """What answers resource requests."""

    reads: ReadHandlers
    watches: WatchStream
    writes: WriteHandlers
    applies: ApplyHandler
    deletes: DeleteHandlers
    special: SpecialHandlers
    pods: PodConnect
    scales: ScaleHandlers
    custom_scales: CustomScaleHandlers
    evictions: EvictionHandler


def find_served(info: RequestInfo, kinds: DefinedKinds) -> Resource:
    """Return the resource that a request is about.

    Raises:
        StatusError: 404 or 405 (rules 1 to 3).
    """
    where = info.group, info.version, info.resource
    resource = find_resource(*where) or kinds.find(*where)
    if resource is None or info.rest or (info.in_namespace and not resource.namespaced):
        raise errors.no_such_path()
    served: tuple[str, ...] = resource.verbs
    if info.subresource:
        subresource = resource.subresource(info.subresource)
        if subresource is None and resource == PODS and info.subresource == _EPHEMERAL:
            raise _no_ephemeral_containers()
        if subresource is None:
            raise errors.no_such_path()
        served = subresource.verbs
    homeless = resource.namespaced and not info.in_namespace
    if homeless and info.verb not in _WITHOUT_NAMESPACE:
        if info.verb == "get":
            raise errors.no_such_path()
        raise errors.method_not_allowed(resource.plural, info.verb, resource.group)
    if info.verb not in served:
        raise errors.method_not_allowed(resource.plural, info.verb, resource.group)
    return resource


def _no_ephemeral_containers() -> errors.StatusError:
    # kubectl shows the text, if the details are there and name no pod.
    return errors.StatusError(
        404,
        "NotFound",
        "podpass has no ephemeral containers: debug a copy of the pod with "
        "`kubectl debug POD --copy-to=NAME --image=IMAGE`, or look around in the running one with "
        "`kubectl exec POD -- COMMAND`",
        {"kind": f"pods/{_EPHEMERAL}"},
    )


class Routes:
    """The table of handlers."""

    def __init__(self, handlers: Handlers, kinds: DefinedKinds) -> None:
        self._kinds = kinds
        self._by_verb: dict[str, Handler] = {
            "get": handlers.reads.get,
            "list": handlers.reads.list_objects,
            "watch": handlers.watches.watch,
            "create": handlers.writes.create,
            "update": handlers.writes.update,
            "patch": handlers.applies.patch,
            "delete": handlers.deletes.delete,
            "deletecollection": handlers.deletes.delete_collection,
        }

        def connect(context: RequestContext, _: Resource) -> Awaitable[web.StreamResponse]:
            return handlers.pods.connect(context)

        self._review: Handler = handlers.special.review
        self._special: dict[tuple[Resource, str], dict[str, Handler]] = {
            (SERVICE_ACCOUNTS, "token"): {"create": handlers.special.token},
            (PODS, "binding"): {"create": handlers.special.bind},
            (PODS, "log"): {"get": lambda context, _: handlers.pods.log(context)},
            (PODS, "attach"): {"get": connect, "create": connect},
            (PODS, "exec"): {"get": connect, "create": connect},
            (PODS, "portforward"): {"get": connect, "create": connect},
            (PODS, "eviction"): {"create": handlers.evictions.create},
            (NAMESPACES, "finalize"): {"update": handlers.writes.update},
            (CERTIFICATE_SIGNING_REQUESTS, "approval"): {
                verb: self._by_verb[verb] for verb in ("get", "patch", "update")
            },
        }
        scales: dict[str, Handler] = {
            "get": handlers.scales.get,
            "update": handlers.scales.update,
            "patch": handlers.scales.patch,
        }
        for resource in (DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS):
            self._special[resource, "scale"] = scales
        self._custom_scales: dict[str, Handler] = {
            "get": handlers.custom_scales.get,
            "update": handlers.custom_scales.update,
            "patch": handlers.custom_scales.patch,
        }

    def knows(self, info: RequestInfo) -> bool:
        """Tell whether the resource is served, whatever is asked of it."""
        where = info.group, info.version, info.resource
        return (find_resource(*where) or self._kinds.find(*where)) is not None

    def may_be_new(self, info: RequestInfo) -> bool:
        """Tell whether a custom kind may be meant that this server has not heard of yet."""
        return "." in info.group and not self.knows(info)

    def find(self, info: RequestInfo) -> tuple[Handler, Resource]:
        """Return handler and resource of a request.

        Raises:
            StatusError: 404 or 405.
        """
        resource = find_served(info, self._kinds)
        if not resource.stored:
            return self._review, resource
        if resource.custom is not None and info.subresource == "scale":
            return self._custom_scales[info.verb], resource
        if info.subresource and info.subresource != "status":
            return self._special[resource, info.subresource][info.verb], resource
        return self._by_verb[info.verb], resource
