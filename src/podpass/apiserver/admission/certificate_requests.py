"""Who asks for a certificate is written down by the server, and who may give one is checked.

1. `spec` names the user who asks; what the client writes there is overwritten.
2. Approving or denying takes the verb `approve` on the signer, `DOMAIN/NAME` or `DOMAIN/*`.
3. Setting the certificate, or the condition Failed, takes the verb `sign`.
4. Nobody asks the API client signer for the group system:masters.

Source: Kubernetes `plugin/pkg/admission/certificates`.
"""

from __future__ import annotations

from podpass.api.certificate_requests import API_CLIENT, FAILED, has_condition, pem_of
from podpass.api.resources import CERTIFICATE_SIGNING_REQUESTS, CERTIFICATES, Object
from podpass.apiserver.admission.chain import AdmissionRequest
from podpass.apiserver.admission.plugin import PassivePlugin
from podpass.apiserver.authorization import MASTERS, Attributes, Authorizer


class CertificateRequests(PassivePlugin):
    """Looks at all writes of CertificateSigningRequests."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    async def mutate(self, request: AdmissionRequest) -> None:
        """Write down who asks (rule 1)."""
        new = request.object
        if request.resource is not CERTIFICATE_SIGNING_REQUESTS or new is None:
            return
        if request.operation != "CREATE":
            return
        user = request.user
        spec = new["spec"] = new.get("spec") or {}
        for key in ("username", "uid", "groups", "extra"):
            spec.pop(key, None)
        spec["username"] = user.name
        if user.uid:
            spec["uid"] = user.uid
        if user.groups:
            spec["groups"] = list(user.groups)
        if user.extra:
            spec["extra"] = {key: list(values) for key, values in user.extra.items()}

    async def validate(self, request: AdmissionRequest) -> None:
        """Refuse by rules 2 to 4.

        Raises:
            StatusError: 403.
        """
        new = request.object
        if request.resource is not CERTIFICATE_SIGNING_REQUESTS or new is None:
            return
        if request.operation == "CREATE":
            self._check_subject(request, new)
            return
        old = request.old_object or {}
        if request.subresource == "approval":
            self._check(request, old, "approve")
        elif request.subresource == "status" and _issues(new, old):
            self._check(request, old, "sign")

    def _check(self, request: AdmissionRequest, stored: Object, verb: str) -> None:
        signer = str((stored.get("spec") or {}).get("signerName"))
        for name in (signer, f"{signer.partition('/')[0]}/*"):
            attributes = Attributes(
                request.user, verb, group=CERTIFICATES, version="*", resource="signers", name=name
            )
            if self._authorizer.authorize(attributes).allowed:
                return
        action = "approve requests" if verb == "approve" else "sign requests"
        raise request.forbidden(f'user not permitted to {action} with signerName "{signer}"')

    def _check_subject(self, request: AdmissionRequest, new: Object) -> None:
        spec = new.get("spec") or {}
        if spec.get("signerName") != API_CLIENT:
            return
        from cryptography import x509  # noqa: PLC0415 - rare
        from cryptography.x509.oid import NameOID  # noqa: PLC0415

        subject = x509.load_pem_x509_csr(pem_of(spec.get("request")) or b"").subject
        groups = subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        if any(one.value == MASTERS for one in groups):  # 4
            raise request.forbidden(
                f"use of {API_CLIENT} signer with system:masters group is not allowed"
            )


def _issues(new: Object, old: Object) -> bool:
    before, after = old.get("status") or {}, new.get("status") or {}
    issued = before.get("certificate") != after.get("certificate")
    return issued or has_condition(new, FAILED) != has_condition(old, FAILED)
