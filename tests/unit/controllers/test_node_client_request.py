"""Which requests are those of kubelets for their client certificate."""

from __future__ import annotations

import ipaddress

import pytest
from controllers.certificate_samples import request_pem, signing_request
from cryptography import x509
from cryptography.x509.oid import NameOID

from podpass.api.resources import Object
from podpass.controllers.node_client_request import right_needed

COUNTRY = x509.NameAttribute(NameOID.COUNTRY_NAME, "CH")


@pytest.mark.rule("csr.node-client")
@pytest.mark.parametrize(
    ("request_", "right"),
    [
        pytest.param(signing_request(), "nodeclient", id="a new node"),
        pytest.param(
            signing_request(username="system:node:n1"), "selfnodeclient", id="a node for itself"
        ),
        pytest.param(
            signing_request(username="system:node:n2"), "nodeclient", id="a node for another"
        ),
        pytest.param(
            signing_request(usages=["digital signature", "client auth", "key encipherment"]),
            "nodeclient",
            id="as kubelets with an RSA key ask",
        ),
        pytest.param(signing_request(signer="kubernetes.io/kubelet-serving"), None, id="serving"),
        pytest.param(signing_request(request_pem("n1")), None, id="no node's name"),
        pytest.param(signing_request(request_pem("system:node:")), None, id="an empty name"),
        pytest.param(signing_request(request_pem(groups=())), None, id="no group"),
        pytest.param(
            signing_request(request_pem(groups=("system:nodes", "system:masters"))),
            None,
            id="a group more",
        ),
        pytest.param(signing_request(request_pem(more=[COUNTRY])), None, id="more in the subject"),
        pytest.param(
            signing_request(request_pem(sans=[x509.DNSName("n1")])), None, id="a DNS name"
        ),
        pytest.param(
            signing_request(request_pem(sans=[x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])),
            None,
            id="an address",
        ),
        pytest.param(signing_request(usages=["client auth"]), None, id="a usage less"),
        pytest.param(
            signing_request(usages=["digital signature", "client auth", "server auth"]),
            None,
            id="a usage more",
        ),
        pytest.param(signing_request(b"nothing"), None, id="no request at all"),
    ],
)
def test_right_needed(request_: Object, right: str | None) -> None:
    assert right_needed(request_) == right
