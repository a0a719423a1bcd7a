"""Is a CertificateSigningRequest that of a kubelet for its client certificate?

1. It is for the signer of kubelets' client certificates.
2. Its subject is the organization `system:nodes` alone and a common name `system:node:NAME`.
3. It asks for no other names: no DNS name, address, URI or e-mail.
4. Its usages are `digital signature` and `client auth`, with or without `key encipherment`.
5. A node that asks for its own name renews; whoever else asks makes a node known.

Source: Kubernetes `pkg/apis/certificates/helpers.go`, `pkg/controller/certificates/approver`.
"""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from podpass.api.certificate_requests import KUBELET_CLIENT, pem_of
from podpass.api.resources import Object

NODE_PREFIX: Final = "system:node:"
_USAGES: Final = frozenset({"digital signature", "client auth"})
_OPTIONAL: Final = "key encipherment"


class NotOfANode(Exception):
    """The request breaks a rule; the message says which."""


def parse_node_request(request: Object) -> x509.CertificateSigningRequest:
    """Return what is to be signed.

    Raises:
        NotOfANode: It is not a kubelet's request.
    """
    spec = request.get("spec") or {}
    if spec.get("signerName") != KUBELET_CLIENT:  # 1
        raise NotOfANode("it is for another signer")
    try:
        parsed = x509.load_pem_x509_csr(pem_of(spec.get("request")) or b"")
        subject = [(one.oid, str(one.value)) for one in parsed.subject]
        extensions = list(parsed.extensions)
    except ValueError as error:
        raise NotOfANode("it cannot be parsed") from error
    if not parsed.is_signature_valid:
        raise NotOfANode("its signature is wrong")
    organizations = [value for oid, value in subject if oid == NameOID.ORGANIZATION_NAME]
    names = [value for oid, value in subject if oid == NameOID.COMMON_NAME]
    if organizations != ["system:nodes"]:  # 2
        raise NotOfANode("subject organization is not system:nodes")
    if len(names) != 1 or not names[0].startswith(NODE_PREFIX) or names[0] == NODE_PREFIX:
        raise NotOfANode("subject common name does not begin with system:node: and a name")
    if len(subject) != len(organizations) + len(names):
        raise NotOfANode("its subject has more than organization and common name")
    if any(isinstance(one.value, x509.SubjectAlternativeName) for one in extensions):  # 3
        raise NotOfANode("it asks for subject alternative names")
    if set(spec.get("usages") or ()) - {_OPTIONAL} != _USAGES:  # 4
        raise NotOfANode("its usages are not those of a client")
    return parsed


def right_needed(request: Object) -> str | None:
    """Return `selfnodeclient` or `nodeclient`, what an approval depends on (rule 5), or None."""
    try:
        parsed = parse_node_request(request)
    except NotOfANode:
        return None
    name = parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    own = (request.get("spec") or {}).get("username") == name
    return "selfnodeclient" if own else "nodeclient"
