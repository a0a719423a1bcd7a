"""Is a CertificateSigningRequest that of a kubelet for its client certificate?

1. It keeps the rules of all requests of kubelets (`node_request`), with the usage `client auth`.
2. It asks for no other names: no DNS name, address, URI or e-mail.
3. A node that asks for its own name renews; whoever else asks makes a node known.

Source: Kubernetes `pkg/apis/certificates/helpers.go`, `pkg/controller/certificates/approver`.
"""

from __future__ import annotations

from typing import Final

from cryptography import x509

from podpass.api.certificate_requests import KUBELET_CLIENT
from podpass.api.resources import Object
from podpass.controllers.node_request import NotOfANode, parse_request, user_of

USAGE: Final = "client auth"


def parse_client_request(request: Object) -> x509.CertificateSigningRequest:
    """Return what is to be signed.

    Raises:
        NotOfANode: It is not a kubelet's request for a client certificate.
    """
    parsed = parse_request(request, signer=KUBELET_CLIENT, usage=USAGE)  # 1
    if any(isinstance(one.value, x509.SubjectAlternativeName) for one in parsed.extensions):  # 2
        raise NotOfANode("it asks for subject alternative names")
    return parsed


def right_needed(request: Object) -> str | None:
    """Return `selfnodeclient` or `nodeclient`, what an approval depends on (rule 3), or None."""
    try:
        parsed = parse_client_request(request)
    except NotOfANode:
        return None
    own = (request.get("spec") or {}).get("username") == user_of(parsed)
    return "selfnodeclient" if own else "nodeclient"
