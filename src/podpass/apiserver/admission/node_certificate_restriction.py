"""A node asks for certificates of kubelets in its own name only.

Source: Kubernetes `plugin/pkg/admission/noderestriction/admission.go`, `admitCSR`.
"""

from __future__ import annotations

from podpass.api.certificate_requests import KUBELET_CLIENT, KUBELET_SERVING, pem_of
from podpass.apiserver.admission.chain import AdmissionRequest
from podpass.apiserver.node_authorizer import NODE_USER_PREFIX


def check_signing_request(node: str, request: AdmissionRequest) -> None:
    """Refuse a request for a kubelet's certificate of another name.

    Args:
        node: Who asks.
        request: Anything that is done to a CertificateSigningRequest.

    Raises:
        StatusError: 403.
    """
    spec = (request.object or {}).get("spec") or {}
    if request.operation != "CREATE" or spec.get("signerName") not in (
        KUBELET_CLIENT,
        KUBELET_SERVING,
    ):
        return
    from cryptography import x509  # noqa: PLC0415 - rare
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    try:
        subject = x509.load_pem_x509_csr(pem_of(spec.get("request")) or b"").subject
    except ValueError as error:
        raise request.forbidden("unable to parse csr") from error
    user = f"{NODE_USER_PREFIX}{node}"
    if [one.value for one in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] != [user]:
        raise request.forbidden(f"can only create a node CSR with CN={user}")
