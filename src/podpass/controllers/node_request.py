"""What requests of kubelets for certificates have in common, whatever they are for.

1. The request is for the signer that is asked.
2. Its subject is the organization `system:nodes` alone and a common name `system:node:NAME`.
3. Its usages are `digital signature` and that of the signer, with or without `key encipherment`.

Source: Kubernetes `pkg/apis/certificates/helpers.go`.
"""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from podpass.api.certificate_requests import pem_of
from podpass.api.resources import Object

NODE_PREFIX: Final = "system:node:"
NODES_GROUP: Final = "system:nodes"
SIGNATURE: Final = "digital signature"
KEY_ENCIPHERMENT: Final = "key encipherment"
_UNREADABLE = (
    ValueError,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


class NotOfANode(Exception):
    """The request breaks a rule; the message says which."""


def parse_request(request: Object, *, signer: str, usage: str) -> x509.CertificateSigningRequest:
    """Return what is to be signed.

    Args:
        request: The CertificateSigningRequest.
        signer: Whose requests these are.
        usage: What its certificates are for: `client auth` or `server auth`.

    Raises:
        NotOfANode: It breaks rule 1, 2 or 3, or cannot be read.
    """
    spec = request.get("spec") or {}
    if spec.get("signerName") != signer:  # 1
        raise NotOfANode("it is for another signer")
    try:
        parsed = x509.load_pem_x509_csr(pem_of(spec.get("request")) or b"")
        subject = [(one.oid, str(one.value)) for one in parsed.subject]
        list(parsed.extensions)
    except _UNREADABLE as error:
        raise NotOfANode("it cannot be parsed") from error
    if not parsed.is_signature_valid:
        raise NotOfANode("its signature is wrong")
    organizations = [value for oid, value in subject if oid == NameOID.ORGANIZATION_NAME]
    names = [value for oid, value in subject if oid == NameOID.COMMON_NAME]
    if organizations != [NODES_GROUP]:  # 2
        raise NotOfANode("subject organization is not system:nodes")
    if len(names) != 1 or not names[0].startswith(NODE_PREFIX) or names[0] == NODE_PREFIX:
        raise NotOfANode("subject common name does not begin with system:node: and a name")
    if len(subject) != len(organizations) + len(names):
        raise NotOfANode("its subject has more than organization and common name")
    if set(spec.get("usages") or ()) - {KEY_ENCIPHERMENT} != {SIGNATURE, usage}:  # 3
        raise NotOfANode(f"its usages are not those of {usage}")
    return parsed


def user_of(parsed: x509.CertificateSigningRequest) -> str:
    """Return the user that the subject names, `system:node:NAME`."""
    return str(parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def other_names(parsed: x509.CertificateSigningRequest) -> list[x509.GeneralName]:
    """Return the subject alternative names that are asked for."""
    try:
        found = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return list(found.value)
