"""Rules that an object must meet before it is stored, with Kubernetes' own field errors.

Objects come decoded, with defaults and with what `strategy` fills in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from podpass.api import certificate_requests
from podpass.api.field_errors import FieldError
from podpass.api.resources import Object, Resource
from podpass.api.validation import cluster, data, disruption, openshift, rbac, workloads
from podpass.api.validation.metadata import metadata_errors, metadata_update_errors
from podpass.api.validation.pods import pod_errors, pod_update_errors
from podpass.api.validation.token_expiration import MINIMUM_SECONDS

__all__ = ("validate_create", "validate_update")

_Rules: TypeAlias = Callable[[Object], list[FieldError]]
_UpdateRules: TypeAlias = Callable[[Object, Object], list[FieldError]]


def _definition(obj: Object) -> list[FieldError]:
    from podpass.api.custom_resources import definition_rules  # noqa: PLC0415 - rare

    return definition_rules.definition_errors(obj)


def _definition_update(new: Object, old: Object) -> list[FieldError]:
    from podpass.api.custom_resources import definition_rules  # noqa: PLC0415 - rare

    return definition_rules.definition_update_errors(new, old)


_RULES: Final[Mapping[str, _Rules]] = {
    "Authentication": openshift.authentication_errors,
    "CertificateSigningRequest": certificate_requests.request_errors,
    "ClusterRole": rbac.cluster_role_errors,
    "ClusterRoleBinding": rbac.cluster_role_binding_errors,
    "ConfigMap": data.config_map_errors,
    "CustomResourceDefinition": _definition,
    "Event": cluster.event_errors,
    "KubeAPIServer": openshift.kube_api_server_errors,
    "Lease": cluster.lease_errors,
    "Namespace": cluster.namespace_errors,
    "Node": cluster.node_errors,
    "PodDisruptionBudget": disruption.disruption_budget_errors,
    "Role": rbac.role_errors,
    "RoleBinding": rbac.role_binding_errors,
    "Secret": data.secret_errors,
}


def _role_binding_update(new: Object, old: Object) -> list[FieldError]:
    return rbac.role_binding_errors(new) + rbac.binding_update_errors(new, old)


def _cluster_role_binding_update(new: Object, old: Object) -> list[FieldError]:
    return rbac.cluster_role_binding_errors(new) + rbac.binding_update_errors(new, old)


_UPDATE_RULES: Final[Mapping[str, _UpdateRules]] = {
    "ClusterRoleBinding": _cluster_role_binding_update,
    "ConfigMap": data.config_map_update_errors,
    "CustomResourceDefinition": _definition_update,
    "RoleBinding": _role_binding_update,
    "Secret": data.secret_update_errors,
}


def validate_create(
    resource: Resource, obj: Object, *, minimum_token_expiration_seconds: int = MINIMUM_SECONDS
) -> list[FieldError]:
    """Return what is wrong with a new object; nothing when it may be stored.

    Args:
        resource: Kind of the object.
        obj: The object, with its system fields.
        minimum_token_expiration_seconds: The shortest life of a projected token.
    """
    errors = metadata_errors(resource, obj)
    if resource.custom is not None:
        return errors + resource.custom.create_errors(obj)
    if resource.kind == "Pod":
        return errors + pod_errors(
            obj, minimum_token_expiration_seconds=minimum_token_expiration_seconds
        )
    workload_rules = workloads.RULES.get(resource.kind)
    if workload_rules is not None:
        return errors + workload_rules(obj, minimum_token_expiration_seconds)
    rules = _RULES.get(resource.kind)
    return errors + (rules(obj) if rules is not None else [])


def validate_update(
    resource: Resource,
    new: Object,
    old: Object,
    *,
    subresource: str = "",
    minimum_token_expiration_seconds: int = MINIMUM_SECONDS,
) -> list[FieldError]:
    """Return what is wrong with a change of a stored object.

    Args:
        resource: Kind of both.
        new: What is to be stored, as `strategy.prepare_for_update` left it.
        old: What is stored.
        subresource: `status` and the like; then little more than metadata is checked.
        minimum_token_expiration_seconds: The shortest life of a projected token.
    """
    errors = metadata_errors(resource, new) + metadata_update_errors(new, old)
    if resource.custom is not None:
        return errors + resource.custom.update_errors(new, old)
    if resource.kind == "CertificateSigningRequest":
        return errors + certificate_requests.request_update_errors(new, old)
    if subresource == "status" and resource.kind == "KubeAPIServer":
        return errors + openshift.kube_api_server_status_errors(new, old)
    if subresource:
        return errors
    if resource.kind == "Pod":
        return errors + pod_update_errors(
            new, old, minimum_token_expiration_seconds=minimum_token_expiration_seconds
        )
    workload_rules = workloads.UPDATE_RULES.get(resource.kind)
    if workload_rules is not None:
        return errors + workload_rules(new, old, minimum_token_expiration_seconds)
    update_rules = _UPDATE_RULES.get(resource.kind)
    if update_rules is not None:
        return errors + update_rules(new, old)
    rules = _RULES.get(resource.kind)
    return errors + (rules(new) if rules is not None else [])
