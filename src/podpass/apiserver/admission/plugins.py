"""The plugins of this server, in their order."""

from __future__ import annotations

from podpass.apiserver.admission.account_fields import AccountFields
from podpass.apiserver.admission.certificate_requests import CertificateRequests
from podpass.apiserver.admission.chain import AdmissionChain
from podpass.apiserver.admission.cluster_configuration import DenyDeleteClusterConfiguration
from podpass.apiserver.admission.custom_resource_definitions import CustomResourceDefinitionRules
from podpass.apiserver.admission.escalation import EscalationCheck
from podpass.apiserver.admission.namespace_lifecycle import NamespaceLifecycle
from podpass.apiserver.admission.node_restriction import NodeRestriction
from podpass.apiserver.admission.service_account import ServiceAccountAdmission
from podpass.apiserver.admission.token_secret import TokenSecretAdmission
from podpass.apiserver.authorization import Authorizer
from podpass.apiserver.live_objects import LiveObjects
from podpass.apiserver.signing_keys import TokenSigner
from podpass.base.clock import Clock


def build_admission_chain(
    objects: LiveObjects, authorizer: Authorizer, clock: Clock, signer: TokenSigner
) -> AdmissionChain:
    """Return the chain that every write goes through."""
    return AdmissionChain(
        (
            NamespaceLifecycle(objects),
            AccountFields(),
            ServiceAccountAdmission(objects, clock),
            TokenSecretAdmission(objects, signer),
            NodeRestriction(objects, authorizer),
            CertificateRequests(authorizer),
            EscalationCheck(authorizer),
            DenyDeleteClusterConfiguration(),
            CustomResourceDefinitionRules(objects.reader),
        )
    )
