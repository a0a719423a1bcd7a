"""Is a CertificateSigningRequest that of a kubelet for its serving certificate, and for itself?

Signed is what keeps these rules:

1. It keeps the rules of all requests of kubelets (`node_request`), with the usage `server auth`.
2. It asks for one DNS name or address at least, and for no e-mail, URI or other kind of name.

Approved without a person is what keeps these too:

3. Who asks is the node itself.
4. Every name is among the addresses of the Node object: an IP address among those that are IP
   addresses, a DNS name among those that are names, to the letter.

Source: kubernetes.io "Certificates and Certificate Signing Requests", signer
kubernetes.io/kubelet-serving; rules 3 and 4 are those of OpenShift's machine approver.
"""

from __future__ import annotations

import ipaddress
from typing import Final

from cryptography import x509

from podpass.api.certificate_requests import KUBELET_SERVING
from podpass.api.resources import Object
from podpass.controllers.node_request import (
    NODE_PREFIX,
    NODES_GROUP,
    NotOfANode,
    other_names,
    parse_request,
    user_of,
)

USAGE: Final = "server auth"
_ADDRESS_TYPES: Final = frozenset({"InternalIP", "ExternalIP"})
_NAME_TYPES: Final = frozenset({"Hostname", "InternalDNS", "ExternalDNS"})


def parse_serving_request(request: Object) -> x509.CertificateSigningRequest:
    """Return what is to be signed.

    Raises:
        NotOfANode: It breaks rule 1 or 2.
    """
    parsed = parse_request(request, signer=KUBELET_SERVING, usage=USAGE)  # 1
    names = other_names(parsed)
    if not names:  # 2
        raise NotOfANode("it asks for no DNS name and no address")
    if not all(isinstance(one, x509.DNSName | x509.IPAddress) for one in names):
        raise NotOfANode("it asks for names other than DNS names and addresses")
    return parsed


def asking_node(request: Object) -> str:
    """Return the name of the node that asks for itself.

    Raises:
        NotOfANode: It is no request that is signed, or breaks rule 3.
    """
    user = user_of(parse_serving_request(request))
    spec = request.get("spec") or {}
    if spec.get("username") != user or NODES_GROUP not in (spec.get("groups") or ()):
        raise NotOfANode(f"who asks is not {user}")
    return user.removeprefix(NODE_PREFIX)


def check_names(request: Object, node: Object) -> None:
    """See that every name is an address of the node.

    Args:
        request: Of this node, see `asking_node`.
        node: The Node object.

    Raises:
        NotOfANode: It breaks rule 4.
    """
    addresses: set[object] = set()
    for one in (node.get("status") or {}).get("addresses") or ():
        kind, value = one.get("type"), str(one.get("address") or "")
        if kind in _NAME_TYPES:
            addresses.add(value)
        elif kind in _ADDRESS_TYPES and (address := _ip(value)):
            addresses.add(address)
    for name in other_names(parse_serving_request(request)):
        if name.value not in addresses:
            raise NotOfANode(f"{name.value} is not an address that the node reports")


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
