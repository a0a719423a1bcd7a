"""What is kept of a ServiceAccount, and what its author is warned of.

1. Of the references in `secrets` only the names are kept.
2. The annotation ENFORCE is warned of when it is new.

Source: Kubernetes `pkg/registry/core/serviceaccount/strategy.go`.
"""

from __future__ import annotations

from podpass.api.meta import annotations_of
from podpass.api.resources import SERVICE_ACCOUNTS
from podpass.apiserver.admission.chain import AdmissionRequest
from podpass.apiserver.admission.mountable_secrets import ENFORCE
from podpass.apiserver.admission.plugin import PassivePlugin

_DEPRECATED = (
    f"metadata.annotations[{ENFORCE}]: deprecated in v1.32+; prefer separate namespaces to isolate "
    "access to mounted secrets"
)


class AccountFields(PassivePlugin):
    """Looks at accounts that are written."""

    async def mutate(self, request: AdmissionRequest) -> None:
        """Apply both rules."""
        account = request.object
        if request.resource is not SERVICE_ACCOUNTS or request.subresource or account is None:
            return
        if account.get("secrets"):  # 1
            account["secrets"] = [
                {"name": one["name"]} if one.get("name") else {} for one in account["secrets"]
            ]
        before = annotations_of(request.old_object) if request.old_object is not None else {}
        new = ENFORCE in annotations_of(account) and ENFORCE not in before
        if new and _DEPRECATED not in request.warnings:  # 2; once, if a lost race runs it again
            request.warnings.append(_DEPRECATED)
