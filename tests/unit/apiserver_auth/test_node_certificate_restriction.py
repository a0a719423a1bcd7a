"""A node asks for certificates of kubelets in its own name only."""

from __future__ import annotations

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from podpass.api.certificate_requests import API_CLIENT, KUBELET_CLIENT, KUBELET_SERVING
from podpass.api.errors import StatusError
from podpass.api.meta import UserInfo
from podpass.api.resources import CERTIFICATE_SIGNING_REQUESTS, Object
from podpass.apiserver.admission.chain import AdmissionRequest, Operation
from podpass.apiserver.admission.node_restriction import NodeRestriction

from .conftest import World

NODE = UserInfo("system:node:n1", groups=("system:nodes",))


def pem(*names: str) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject)
    signed = request.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def asked(
    signer: str, content: bytes, *, user: UserInfo = NODE, operation: Operation = "CREATE"
) -> AdmissionRequest:
    spec: Object = {"signerName": signer, "request": base64.b64encode(content).decode()}
    return AdmissionRequest(
        operation=operation,
        resource=CERTIFICATE_SIGNING_REQUESTS,
        object={"metadata": {"name": "csr"}, "spec": spec},
        old_object=None,
        user=user,
    )


@pytest.mark.rule("csr.node-own-name")
@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(asked(KUBELET_CLIENT, pem("system:node:n1")), id="to log in"),
        pytest.param(asked(KUBELET_SERVING, pem("system:node:n1")), id="to serve"),
        pytest.param(asked(API_CLIENT, pem("ann")), id="of another signer"),
        pytest.param(
            asked(KUBELET_SERVING, pem("system:node:n2"), user=UserInfo("ann")), id="of others"
        ),
        pytest.param(
            asked(KUBELET_SERVING, pem("system:node:n2"), operation="UPDATE"), id="no new request"
        ),
    ],
)
async def test_what_is_let_through(world: World, request_: AdmissionRequest) -> None:
    await NodeRestriction(world.live, world.authorizer).mutate(request_)


@pytest.mark.rule("csr.node-own-name")
@pytest.mark.parametrize(
    ("request_", "text"),
    [
        pytest.param(
            asked(KUBELET_CLIENT, pem("system:node:n2")),
            "can only create a node CSR with CN=system:node:n1",
            id="to log in as another",
        ),
        pytest.param(
            asked(KUBELET_SERVING, pem("system:node:n2")),
            "can only create a node CSR with CN=system:node:n1",
            id="to serve as another",
        ),
        pytest.param(
            asked(KUBELET_SERVING, pem("system:node:n1", "system:node:n2")),
            "can only create a node CSR with CN=system:node:n1",
            id="as both",
        ),
        pytest.param(
            asked(KUBELET_SERVING, pem()),
            "can only create a node CSR with CN=system:node:n1",
            id="in no name",
        ),
        pytest.param(asked(KUBELET_SERVING, b"x"), "unable to parse csr", id="unreadable"),
    ],
)
async def test_what_is_refused(world: World, request_: AdmissionRequest, text: str) -> None:
    with pytest.raises(StatusError, match=text) as caught:
        await NodeRestriction(world.live, world.authorizer).mutate(request_)
    assert caught.value.code == 403
