"""`pods/NAME/binding`: a scheduler gives a pod to a node, once.

Source: Kubernetes `registry/core/pod/storage` (BindingREST), core validation ValidatePodBinding.
"""

from __future__ import annotations

from datetime import datetime

from podpass.api import errors, field_errors
from podpass.api.meta import is_terminating, name_of, set_condition, uid_of
from podpass.api.resources import Object


def check_binding(binding: Object, pod_name: str) -> None:
    """Refuse a binding that names no node or another pod.

    Raises:
        StatusError: 400, the name is not that of the URL; 422, the target is not a node.
    """
    if name_of(binding) and name_of(binding) != pod_name:
        raise errors.bad_request("name in URL does not match name in Binding object")
    target = binding.get("target") or {}
    problems: list[field_errors.FieldError] = []
    if target.get("kind") not in {None, "", "Node"}:
        problems.append(
            field_errors.not_supported("target.kind", target["kind"], ("Node", "<empty>"))
        )
    if not target.get("name"):
        problems.append(field_errors.required("target.name"))
    if problems:
        raise errors.invalid("Binding", pod_name, problems)


def bind_pod(pod: Object, binding: Object, *, now: datetime) -> Object:
    """Return `pod`, changed in place, as bound to the node of `binding`.

    Raises:
        StatusError: 409, the pod is another one, is going, or has a node.
    """
    name = name_of(pod)
    wanted_uid = uid_of(binding)
    if wanted_uid and wanted_uid != uid_of(pod):
        raise _conflict(
            name,
            f"Precondition failed: UID in precondition: {wanted_uid}, "
            f"UID in object meta: {uid_of(pod)}",
        )
    if is_terminating(pod):
        raise _conflict(name, f"pod {name} is being deleted, cannot be assigned to a host")
    spec = pod["spec"]
    if spec.get("nodeName"):
        raise _conflict(name, f'pod {name} is already assigned to node "{spec["nodeName"]}"')
    spec["nodeName"] = binding["target"]["name"]
    annotations = binding["metadata"].get("annotations")
    if annotations:
        metadata = pod["metadata"]
        metadata["annotations"] = {**(metadata.get("annotations") or {}), **annotations}
    status = pod.setdefault("status", {})
    set_condition(
        status.setdefault("conditions", []),
        "PodScheduled",
        "True",
        now=now,
        reason=None,
        message=None,
    )
    return pod


def _conflict(name: str, why: str) -> errors.StatusError:
    return errors.conflict("pods/binding", name, why)
