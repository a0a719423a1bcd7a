"""TLS to kubelets: whom the API server believes to be the kubelet of a node.

1. The certificate is from the kubelet CA and for the address that is dialled.
2. One that was signed for a node (`system:node:NAME`) is that of this node: a node that reports the
   address of another one does not get what is meant for that.

Rule 2 is checked before anything is sent. Source: KEP-4872.
"""

from __future__ import annotations

import ssl
from typing import Any, Final

NODE_PREFIX: Final = "system:node:"


class KubeletContext(ssl.SSLContext):
    """Verifies the kubelet of one node; what a context needs else is set from outside."""

    node: str


class _CheckedTls(ssl.SSLObject):
    def do_handshake(self) -> None:
        super().do_handshake()
        assert isinstance(self.context, KubeletContext)  # noqa: S101 - made by kubelet_context
        check_node(self.getpeercert() or {}, self.context.node)


def kubelet_context(node: str) -> KubeletContext:
    """Return a client's context for the kubelet of a node, with no CA and no certificate yet."""
    context = KubeletContext(ssl.PROTOCOL_TLS_CLIENT)
    context.node = node
    context.sslobject_class = _CheckedTls
    return context


def check_node(certificate: dict[str, Any], node: str) -> None:
    """See that a certificate is not that of another node.

    Args:
        certificate: As `ssl` decodes it.
        node: Name of the node.

    Raises:
        ssl.SSLCertVerificationError: It is.
    """
    names = [
        value
        for part in certificate.get("subject", ())
        for key, value in part
        if key == "commonName" and value.startswith(NODE_PREFIX)
    ]
    if any(name != f"{NODE_PREFIX}{node}" for name in names):
        raise ssl.SSLCertVerificationError(
            1, f"the certificate is that of {names[0]}, not that of node {node}"
        )
