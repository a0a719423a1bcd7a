"""The one object `cluster` of OpenShift's configuration kinds stays.

Source: OpenShift, admission plugin `config.openshift.io/DenyDeleteClusterConfiguration`.
"""

from __future__ import annotations

from podpass.api.resources import CONFIG_OPENSHIFT
from podpass.apiserver.admission.chain import AdmissionRequest
from podpass.apiserver.admission.plugin import PassivePlugin


class DenyDeleteClusterConfiguration(PassivePlugin):
    """The plugin of this name."""

    async def validate(self, request: AdmissionRequest) -> None:
        """Refuse to delete it.

        Raises:
            StatusError: 403.
        """
        resource = request.resource
        if (
            request.operation == "DELETE"
            and resource.group == CONFIG_OPENSHIFT
            and resource.kind != "ClusterOperator"
            and request.name == "cluster"
        ):
            raise request.forbidden(
                f"deleting required {resource.qualified} resource, named cluster, is not allowed"
            )
