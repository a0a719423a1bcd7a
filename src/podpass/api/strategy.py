"""What the server itself writes into an object before it is validated and stored.

1. On create: name from `generateName`, uid, time, generation; a status of the client is dropped.
2. On update: what belongs to the system stays as it was, whatever the client sent.
3. The main resource never changes `status`, the `status` subresource nothing but it, `finalize`
   of a namespace nothing but `spec.finalizers`.
4. `generation` of a pod, a workload, and of OpenShift's kinds, grows by one whenever its `spec`
   changes.
5. Of a request for a certificate, see `certificate_requests`.
6. A job selects its pods by its own UID, unless the client chose `manualSelector`.

Source: apiserver `registry/rest/create.go`, `update.go`; Kubernetes `pkg/registry/*/strategy.go`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from podpass.api import resources
from podpass.api.certificate_requests import keep_what_the_path_forbids
from podpass.api.errors import bad_request
from podpass.api.meta import format_time
from podpass.api.qos import qos_class
from podpass.api.resources import Object, Resource
from podpass.api.workload_defaults import select_by_uid

MAX_GENERATED_BASE: Final = 58
"""How much of `generateName` is kept, so that name and suffix fit into 63 bytes."""

NAMESPACE_FINALIZER: Final = "kubernetes"

_CUSTOM: Final = (
    resources.AUTHENTICATIONS, resources.CLUSTER_OPERATORS,
    resources.INFRASTRUCTURES, resources.KUBE_API_SERVERS,
)  # fmt: skip
_WORKLOADS: Final = (
    resources.DEPLOYMENTS, resources.REPLICA_SETS, resources.STATEFUL_SETS, resources.DAEMON_SETS,
    resources.JOBS, resources.POD_DISRUPTION_BUDGETS,
)  # fmt: skip
_COUNTED: Final = (
    resources.PODS, resources.CUSTOM_RESOURCE_DEFINITIONS, *_CUSTOM, *_WORKLOADS
)  # fmt: skip

_SYSTEM_FIELDS: Final = (
    "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation",
)  # fmt: skip


def prepare_for_create(
    resource: Resource, obj: Object, *, now: datetime, uid: str, namespace: str, suffix: str
) -> None:
    """Fill in what the server decides, in place.

    Args:
        resource: Kind of the object.
        obj: The decoded object with defaults.
        now: Time of the request.
        uid: The new object's `metadata.uid`.
        namespace: Namespace of the request, empty for cluster scoped kinds.
        suffix: Random end of a generated name.

    Raises:
        StatusError: 400 when the object names another namespace or a resourceVersion.
    """
    metadata: dict[str, Any] = obj.setdefault("metadata", {})
    if metadata.get("resourceVersion"):
        raise bad_request("resourceVersion should not be set on objects to be created")
    check_namespace(resource, obj, namespace)
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = metadata["generateName"][:MAX_GENERATED_BASE] + suffix
    for key in (*_SYSTEM_FIELDS, "resourceVersion", "selfLink", "managedFields"):
        metadata.pop(key, None)
    metadata["uid"] = uid
    metadata["creationTimestamp"] = format_time(now)
    if resource.custom is not None:
        resource.custom.prepare_for_create(obj)
        return
    if resource in _COUNTED:
        metadata["generation"] = 1
    if resource == resources.PODS:
        obj["status"] = {"phase": "Pending", "qosClass": qos_class(obj)}
    elif resource == resources.NAMESPACES:
        finalizers = obj.setdefault("spec", {}).setdefault("finalizers", [])
        if NAMESPACE_FINALIZER not in finalizers:
            finalizers.append(NAMESPACE_FINALIZER)
        obj["status"] = {"phase": "Active"}
    elif resource in _CUSTOM or resource == resources.CERTIFICATE_SIGNING_REQUESTS:
        obj.pop("status", None)
    elif resource == resources.CUSTOM_RESOURCE_DEFINITIONS:
        _remember_stored_version(obj, None)
    elif resource in _WORKLOADS:
        obj["status"] = {}
        if resource == resources.JOBS:
            select_by_uid(obj)


def check_namespace(resource: Resource, obj: Object, namespace: str) -> None:
    """Set `metadata.namespace` to that of the request.

    Raises:
        StatusError: 400 when the object names another one.
    """
    metadata = obj.setdefault("metadata", {})
    if not resource.namespaced:
        metadata.pop("namespace", None)
        return
    if metadata.get("namespace", namespace) != namespace:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    metadata["namespace"] = namespace


def prepare_for_update(resource: Resource, new: Object, old: Object, subresource: str = "") -> None:
    """Keep in `new`, in place, what this request may not change; `old` is left as it is.

    Args:
        resource: Kind of both.
        new: What the client wants, decoded, with defaults.
        old: What is stored.
        subresource: Empty, `status` or `finalize`.
    """
    _keep_metadata(new, old, subresource)
    if resource.custom is not None:
        resource.custom.prepare_for_update(new, old, subresource)
        return
    if resource == resources.CERTIFICATE_SIGNING_REQUESTS:
        keep_what_the_path_forbids(new, old, subresource)
        return
    has_status = resource.subresource("status") is not None
    if subresource == "status":
        for key in (old.keys() | new.keys()) - {"apiVersion", "kind", "metadata", "status"}:
            _keep(new, old, key)
        if resource == resources.PODS and "qosClass" in old.get("status", {}):
            new.setdefault("status", {})["qosClass"] = old["status"]["qosClass"]
    elif has_status:
        _keep(new, old, "status")
    if resource == resources.CUSTOM_RESOURCE_DEFINITIONS and not subresource:
        _remember_stored_version(new, old)
    if resource == resources.NAMESPACES and subresource != "finalize":
        _keep(new, old, "spec")
    if resource in _COUNTED and new.get("spec") != old.get("spec"):
        new["metadata"]["generation"] = int(old["metadata"].get("generation") or 0) + 1


def _remember_stored_version(new: Object, old: Object | None) -> None:
    from podpass.api.custom_resources.definition import (  # noqa: PLC0415 - rare
        remember_stored_version,
    )

    remember_stored_version(new, old)


def _keep_metadata(new: Object, old: Object, subresource: str) -> None:
    metadata, before = new.setdefault("metadata", {}), old["metadata"]
    for key in _SYSTEM_FIELDS:
        _keep(metadata, before, key)
    for key in ("name", "namespace", "uid", "generateName"):
        if not metadata.get(key):
            _keep(metadata, before, key)
    for key in ("selfLink", "managedFields"):
        metadata.pop(key, None)
    if subresource:
        _keep(metadata, before, "ownerReferences")
        _keep(metadata, before, "finalizers")


def _keep(new: dict[str, Any], old: dict[str, Any], key: str) -> None:
    if key in old:
        new[key] = old[key]
    else:
        new.pop(key, None)
