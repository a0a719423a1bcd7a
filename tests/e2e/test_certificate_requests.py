"""Requests for certificates, as an administrator sees them with kubectl."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from harness import ClusterUnderTest, eventually

from podpass.base.tasks import random_suffix


def request(name: str, common_name: str, organization: str) -> dict[str, Any]:
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )
    signed = x509.CertificateSigningRequestBuilder().subject_name(subject)
    pem = signed.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": {
            "request": base64.b64encode(pem.public_bytes(serialization.Encoding.PEM)).decode(),
            "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
            "usages": ["digital signature", "client auth"],
        },
    }


@pytest.mark.rule("csr.kubectl")
def test_kubectl_approves_and_denies(cluster: ClusterUnderTest) -> None:
    good, bad, auto = (f"{one}-{random_suffix()}" for one in ("good", "bad", "auto"))
    cluster.create(request(good, "somebody", "some-group"))
    cluster.create(request(bad, "somebody", "some-group"))
    row = cluster.ok("get", "csr", good, "--no-headers").split()
    assert row[0] == good
    assert row[2:] == [
        "kubernetes.io/kube-apiserver-client-kubelet", "system:admin", "<none>", "Pending",
    ]  # fmt: skip
    assert "approved" in cluster.ok("certificate", "approve", good)
    assert "denied" in cluster.ok("certificate", "deny", bad)
    cluster.create(request(auto, "system:node:elsewhere", "system:nodes"))
    eventually(
        lambda: cluster.ok("get", "csr", auto, "--no-headers").split()[-1] == "Approved",
        what="a kubelet's request is approved, and not signed without the key of the CA",
    )
    conditions = {
        name: [one["type"] for one in cluster.get("csr", name)["status"]["conditions"]]
        for name in (good, bad)
    }
    assert conditions == {good: ["Approved"], bad: ["Denied"]}
    described = cluster.ok("describe", "csr", good)
    assert "Requesting User:" in described
    stolen = json.dumps({"spec": {"username": "system:node:master-0"}})
    cluster.ok("patch", "csr", good, "--type=merge", "-p", stolen)
    assert cluster.get("csr", good)["spec"]["username"] == "system:admin"
    cluster.ok("delete", "csr", good, bad, auto)
