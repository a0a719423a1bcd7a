"""What only the server can say about definitions and their instances.

1. Nothing is created while the definition is being deleted.
2. Who writes `x-kubernetes-validations` is told that they are not evaluated.

Source: apiextensions-apiserver `apiserver/customresource_handler.go` (rule 1).
"""

from __future__ import annotations

from podpass.api import errors
from podpass.api.meta import is_terminating
from podpass.api.resources import CUSTOM_RESOURCE_DEFINITIONS
from podpass.apiserver.admission.chain import AdmissionRequest
from podpass.apiserver.object_reader import ObjectReader

NOT_EVALUATED = "x-kubernetes-validations are stored, but podpass does not evaluate them"

_METHOD_NOT_ALLOWED = 405


class CustomResourceDefinitionRules:
    """The plugin."""

    def __init__(self, reader: ObjectReader) -> None:
        self._reader = reader

    async def mutate(self, request: AdmissionRequest) -> None:
        """Refuse what comes too late (rule 1).

        Raises:
            StatusError: 405, the definition is being deleted.
        """
        resource = request.resource
        if request.operation != "CREATE" or resource.custom is None:
            return
        definition = self._reader.cached(CUSTOM_RESOURCE_DEFINITIONS, "", resource.qualified)
        if definition is not None and is_terminating(definition):
            raise errors.StatusError(
                _METHOD_NOT_ALLOWED,
                "MethodNotAllowed",
                "create not allowed while custom resource definition is terminating",
            )

    async def validate(self, request: AdmissionRequest) -> None:
        """Warn (rule 2)."""
        definition = request.object
        if (
            request.resource != CUSTOM_RESOURCE_DEFINITIONS
            or request.operation == "DELETE"
            or request.subresource
            or definition is None
        ):
            return
        from podpass.api.custom_resources.definition import (  # noqa: PLC0415 - rare
            has_unevaluated_rules,
        )

        if has_unevaluated_rules(definition):
            request.warnings.append(NOT_EVALUATED)
