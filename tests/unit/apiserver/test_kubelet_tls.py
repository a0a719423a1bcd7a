"""Whose certificate is taken for that of a node's kubelet."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from podpass.apiserver.kubelet_tls import check_node


def shown(*names: str) -> dict[str, Any]:
    return {"subject": tuple((("commonName", name),) for name in names)}


@pytest.mark.rule("kubelet.serving-verified")
@pytest.mark.parametrize(
    "certificate",
    [
        pytest.param(shown("system:node:n1"), id="signed for the node"),
        pytest.param(shown("n1"), id="made with the cluster"),
        pytest.param(shown("else"), id="of the kubelet CA by other means"),
        pytest.param({"subject": ((("organizationName", "system:node:n2"),),)}, id="no name"),
    ],
)
def test_what_is_taken(certificate: dict[str, Any]) -> None:
    check_node(certificate, "n1")


@pytest.mark.rule("kubelet.serving-verified")
@pytest.mark.parametrize(
    "certificate",
    [
        pytest.param(shown("system:node:n2"), id="signed for another node"),
        pytest.param(shown("system:node:n11"), id="for one with a longer name"),
        pytest.param(shown("system:node:"), id="for one without a name"),
        pytest.param(shown("system:node:n1", "system:node:n2"), id="for both"),
    ],
)
def test_what_is_not(certificate: dict[str, Any]) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="not that of node n1"):
        check_node(certificate, "n1")
