"""`pods/NAME/eviction`: a deletion that asks the disruption budgets first.

1. A pod that is finished, waits to start or is going anyway is deleted without asking.
2. More than one budget over a pod is an error: nobody could tell which to charge.
3. A pod that is not ready costs nothing where its budget is met, or does not care about it.
4. Otherwise the budget is charged in the store, then the pod is marked and deleted; who comes
   second finds a smaller budget.

Source: Kubernetes `pkg/registry/core/pod/storage/eviction.go`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from aiohttp import web

from podpass.api import errors
from podpass.api.meta import (
    find_condition,
    format_time,
    is_terminating,
    labels_of,
    name_of,
    namespace_of,
    set_condition,
)
from podpass.api.resources import POD_DISRUPTION_BUDGETS, PODS, POLICY, Object, Resource
from podpass.api.selectors import matches_label_selector
from podpass.apiserver.delete_handlers import DeleteHandlers
from podpass.apiserver.deletion import read_delete_options
from podpass.apiserver.request_context import RequestContext
from podpass.apiserver.responses import object_response
from podpass.apiserver.write_handlers import WriteHandlers
from podpass.base.clock import Clock
from podpass.storage.objects import ObjectStore

MAXIMUM_DISRUPTED_PODS = 2000
_STILL_PROCESSED_SECONDS = 10
_REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."
_CREATED = 201
_WITHOUT_BUDGET = frozenset({"Succeeded", "Failed", "Pending"})

Permission = Literal["free", "charge"]


def matching_budgets(pod: Object, budgets: Sequence[Object]) -> list[Object]:
    """Return the budgets that select a pod of their namespace."""
    return [
        one
        for one in budgets
        if matches_label_selector((one.get("spec") or {}).get("selector"), labels_of(pod))
    ]


def permission(pod: Object, budgets: Sequence[Object]) -> Permission:
    """Tell whether the pod may go for nothing, or its one budget must be charged.

    Args:
        pod: The pod.
        budgets: Those that select it.

    Raises:
        StatusError: 500, there are several.
    """
    if (pod.get("status") or {}).get("phase") in _WITHOUT_BUDGET or is_terminating(pod):
        return "free"  # 1.
    if not budgets:
        return "free"
    if len(budgets) > 1:
        raise errors.internal(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does "
            "not support."
        )  # 2.
    conditions = (pod.get("status") or {}).get("conditions") or ()
    if (find_condition(conditions, "Ready") or {}).get("status") == "True":
        return "charge"
    status = budgets[0].get("status") or {}
    policy = (budgets[0].get("spec") or {}).get("unhealthyPodEvictionPolicy")
    healthy, wanted = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
    if policy == "AlwaysAllow" or healthy >= wanted > 0:
        return "free"  # 3.
    return "charge"


def charged(budget: Object, pod_name: str, *, now: datetime) -> Object:
    """Return a budget that one eviction was taken from.

    Args:
        budget: The budget; not changed.
        pod_name: Who is evicted.
        now: Time of the eviction.

    Raises:
        StatusError: 429, the budget has nothing left or is not counted yet; 403, it is damaged.
    """
    name = name_of(budget)
    status = dict(budget.get("status") or {})
    if status.get("observedGeneration", 0) < budget["metadata"].get("generation", 0):
        text = f"The disruption budget {name} is still being processed by the server."
        raise _refusal(text, _STILL_PROCESSED_SECONDS)
    allowed = status.get("disruptionsAllowed", 0)
    disrupted = dict(status.get("disruptedPods") or {})
    if allowed < 0:
        raise _forbidden(name, "pdb disruptions allowed is negative")
    if len(disrupted) > MAXIMUM_DISRUPTED_PODS:
        text = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise _forbidden(name, text)
    if allowed == 0:
        raise _refusal(
            f"The disruption budget {name} needs {status.get('desiredHealthy', 0)} healthy pods "
            f"and has {status.get('currentHealthy', 0)} currently"
        )
    status["disruptionsAllowed"] = allowed - 1
    status["disruptedPods"] = disrupted | {pod_name: format_time(now)}
    if allowed == 1:
        conditions = [dict(one) for one in status.get("conditions") or ()]
        set_condition(
            conditions, "DisruptionAllowed", "False", now=now, reason="InsufficientPods",
            message="", observedGeneration=status.get("observedGeneration", 0),
        )  # fmt: skip
        status["conditions"] = conditions
    return budget | {"status": status}


def marked(pod: Object, *, now: datetime) -> Object:
    """Return the pod with the condition that says why it goes."""
    status = dict(pod.get("status") or {})
    conditions = [dict(one) for one in status.get("conditions") or ()]
    set_condition(
        conditions, "DisruptionTarget", "True", now=now, reason="EvictionByEvictionAPI",
        message="Eviction API: evicting",
    )  # fmt: skip
    return pod | {"status": status | {"conditions": conditions}}


@dataclass(frozen=True, slots=True)
class EvictionHandler:
    """Answers POST of an eviction.

    Attributes:
        objects: Pods and budgets.
        writes: Reads the body.
        deletes: Deletes the pod.
        clock: Time.
    """

    objects: ObjectStore
    writes: WriteHandlers
    deletes: DeleteHandlers
    clock: Clock

    async def create(self, context: RequestContext, _resource: Resource) -> web.Response:
        """POST.

        Raises:
            StatusError: 400, 403, 404, 409, 422, 429, 500.
        """
        dry_run = context.dry_run
        info = context.info
        body = await self.writes.decode(context, f"{POLICY}/v1", "Eviction")
        if name_of(body) and name_of(body) != info.name:
            raise errors.bad_request("name in URL does not match name in Eviction object")
        options = read_delete_options(body.get("deleteOptions") or {})
        options = replace(options, dry_run=options.dry_run or dry_run)
        pod = (await self.objects.get(PODS, info.namespace, info.name)).object
        page = await self.objects.list(POD_DISRUPTION_BUDGETS, info.namespace)
        budgets = matching_budgets(pod, [one.object for one in page.items])
        if permission(pod, budgets) == "charge":
            await self._charge(budgets[0], info.name, dry_run=options.dry_run)
        if not options.dry_run and not is_terminating(pod):
            await self.objects.update(
                PODS, info.namespace, info.name, lambda one: marked(one, now=self.clock.now())
            )
        await self.deletes.remove(context, PODS, info.namespace, info.name, options)
        status: Object = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "code": _CREATED,
        }
        return object_response(
            status, code=_CREATED, warnings=context.warnings, pretty=context.pretty
        )

    async def _charge(self, budget: Object, pod_name: str, *, dry_run: bool) -> None:
        def charge(one: Object) -> Object:
            return charged(one, pod_name, now=self.clock.now())

        if dry_run:
            charge(budget)
            return
        await self.objects.update(
            POD_DISRUPTION_BUDGETS, namespace_of(budget), name_of(budget), charge
        )


def _refusal(cause: str, retry_after_seconds: int = 0) -> errors.StatusError:
    error = errors.too_many_requests(_REFUSED, retry_after_seconds)
    details = {"retryAfterSeconds": retry_after_seconds} if retry_after_seconds else {}
    error.details = {"causes": [{"reason": "DisruptionBudget", "message": cause}], **details}
    return error


def _forbidden(name: str, why: str) -> errors.StatusError:
    return errors.forbidden(POD_DISRUPTION_BUDGETS.plural, name, why, POLICY)
