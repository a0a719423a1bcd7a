"""Pods of an account that enforces its list of Secrets may use those alone.

Secrets inside projected volumes are not looked at, as in Kubernetes. Source: Kubernetes
`plugin/pkg/admission/serviceaccount/admission.go`, `limitSecretReferences`.
"""

from __future__ import annotations

from collections.abc import Iterator

from podpass.api.meta import annotations_of
from podpass.api.resources import Object

ENFORCE = "kubernetes.io/enforce-mountable-secrets"
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})


def enforces(account: Object) -> bool:
    """Tell whether the account's annotation asks for it; what is no Go bool is false."""
    return annotations_of(account).get(ENFORCE) in _TRUE


def _names(references: object) -> set[str]:
    if not isinstance(references, list):
        return set()
    return {str(one.get("name")) for one in references}


def _uses(spec: Object) -> Iterator[tuple[str, str]]:
    """Iterate over (where, secret) of volumes and environments."""
    for volume in spec.get("volumes") or ():
        if name := (volume.get("secret") or {}).get("secretName"):
            yield f'volume with secret.secretName="{name}"', name
    for group, what in (("initContainers", "init container"), ("containers", "container")):
        for container in spec.get(group) or ():
            for variable in container.get("env") or ():
                reference = (variable.get("valueFrom") or {}).get("secretKeyRef") or {}
                if name := reference.get("name"):
                    where = f"{what} {container.get('name')} with envVar {variable.get('name')}"
                    yield f'{where} referencing secret.secretName="{name}"', name
            for source in container.get("envFrom") or ():
                if name := (source.get("secretRef") or {}).get("name"):
                    where = f"{what} {container.get('name')} with envFrom"
                    yield f'{where} referencing secret.secretName="{name}"', name


def check_mountable_secrets(spec: Object, account: Object) -> str:
    """Return why the pod may not run as this account, or an empty text."""
    account_name = account["metadata"]["name"]
    allowed = _names(account.get("secrets"))
    for where, name in _uses(spec):
        if name not in allowed:
            return (
                f"{where} is not allowed because service account {account_name} does not "
                "reference that secret"
            )
    pull_secrets = _names(account.get("imagePullSecrets"))
    for index, reference in enumerate(spec.get("imagePullSecrets") or ()):
        if reference.get("name") not in pull_secrets:
            return (
                f'imagePullSecrets[{index}].name="{reference.get("name")}" is not allowed because '
                f"service account {account_name} does not reference that imagePullSecret"
            )
    return ""
