"""A pod on a host that joined: logs, commands, streams, and the certificate that carries them."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from harness import Result, eventually

from podpass.api.meta import format_time
from podpass.base.clock import SystemClock
from podpass.kubelet.certificate_file import new_key
from tests.long.hosts_cluster import PODPASS, Cluster, running_hosts
from tests.long.network_hosts import NetworkHosts, why_not

REASON = why_not()
pytestmark = [pytest.mark.skipif(bool(REASON), reason=REASON), pytest.mark.timeout(300)]

PORT = 18080
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web"},
    "spec": {
        "nodeSelector": {"kubernetes.io/hostname": "host-2"},
        "terminationGracePeriodSeconds": 1,
        "containers": [
            {"name": "nginx", "image": "nginx"},
            {
                "name": "echo",
                "image": "busybox",
                "command": ["sh", "-c", "while read -r x; do echo heard $x; done"],
                "stdin": True,
            },
        ],
    },
}


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[NetworkHosts]:
    with running_hosts(tmp_path, 2) as made:
        yield made


def serving_request(name: str, *serves: str) -> str:
    pem = new_key("host-2", serves=serves).request_pem
    spec = {
        "request": base64.b64encode(pem).decode(),
        "signerName": "kubernetes.io/kubelet-serving",
        "usages": ["digital signature", "server auth"],
    }
    kind = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest"}
    return json.dumps(kind | {"metadata": {"name": name}, "spec": spec})


@contextmanager
def forwarded(cluster: Cluster) -> Iterator[None]:
    """Forward PORT of the first host to the pod."""
    process = subprocess.Popen(
        cluster.hosts.command(1, cluster.program, "port-forward", "pod/web", f"{PORT}:80"),
        env=os.environ | cluster.environment,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait(30)


def answer_of_attached(cluster: Cluster, line: str) -> str:
    """Return what the program in the pod says to a line that is typed."""
    process = subprocess.Popen(
        cluster.hosts.command(1, cluster.program, "attach", "-i", "web", "-c", "echo", "--quiet"),
        env=os.environ | cluster.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(line)
        process.stdin.flush()
        return process.stdout.readline()
    finally:
        process.kill()
        process.communicate()


def page(cluster: Cluster) -> str:
    return cluster.hosts.on(1, "curl", "-s", f"http://127.0.0.1:{PORT}/").out


def handshake(hosts: NetworkHosts, authority: str) -> Result:
    """Say hello to the kubelet of the second host, from the first, trusting one CA."""
    ca, address = hosts.home(1) / "pki" / authority, hosts.address(2)
    return hosts.on(
        1, "openssl", "s_client", "-connect", f"{address}:10250", "-CAfile", str(ca),
        "-verify_ip", address, "-verify_return_error", stdin="",
    )  # fmt: skip


def condition_types(cluster: Cluster, name: str) -> list[str]:
    status: dict[str, Any] = cluster.get("csr", name).get("status") or {}
    return [one["type"] for one in status.get("conditions") or ()]


def test_streams_reach_a_pod_on_a_host_that_joined(hosts: NetworkHosts) -> None:
    cluster = Cluster(hosts)
    words = cluster.begin(signing="30s")
    cluster.join(2, words)
    cluster.oc("create", "-f", "-", stdin=json.dumps(POD))
    cluster.oc("wait", "--for=condition=Ready", "pod/web", "--timeout=60s")

    status = cluster.get("node", "host-2")["status"]
    addresses = {one["type"]: one["address"] for one in status["addresses"]}
    assert addresses == {"InternalIP": hosts.address(2), "Hostname": "host-2"}
    assert status["daemonEndpoints"]["kubeletEndpoint"]["Port"] == 10250
    rows = [line.split() for line in cluster.oc("get", "csr", "--no-headers").splitlines()]
    assert ["system:node:host-2", "<none>", "Approved,Issued"] in [
        row[3:] for row in rows if row[2] == "kubernetes.io/kubelet-serving"
    ]
    first = cluster.certificate(2, "server")
    names = first.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(one.value) for one in names] == ["host-2", hosts.address(2)]

    asked = cluster.try_oc("exec", "-i", "web", "-c", "nginx", "--", "sh", "-c", "cat; exit 7",
                           stdin="hello\n")  # fmt: skip
    assert (asked.code, asked.out) == (7, "hello\n")
    assert answer_of_attached(cluster, "me\n") == "heard me\n"
    eventually(lambda: cluster.oc("logs", "web", "-c", "echo") == "heard me\n", what="the log")
    copied = hosts.home(1) / "copied"
    cluster.oc("cp", "web:/etc/passwd", str(copied), "-c", "nginx")
    assert copied.read_text() == cluster.oc(
        "exec", "web", "-c", "nginx", "--", "cat", "/etc/passwd"
    )

    with forwarded(cluster):
        eventually(lambda: "nginx" in page(cluster), what="the page of the pod")
        # The next certificate, while the stream of the ports is open:
        eventually(lambda: cluster.certificate(2, "server") != first, what="it is renewed")
        assert "nginx" in page(cluster)
        shown = handshake(hosts, "kubelet-serving-ca.crt")
        assert "Verify return code: 0 (ok)" in shown.out
        second = cluster.certificate(2, "server").public_bytes(Encoding.PEM).decode()
        assert second.strip() in shown.out
    assert handshake(hosts, "ca.crt").code != 0  # nobody takes it for an API server
    assert cluster.oc("logs", "web", "-c", "echo") == "heard me\n"

    # The host asks for the address of another one, and for its own once more:
    kubeconfig = hosts.home(2) / "kubeconfigs" / "kubelet-host-2.kubeconfig"
    for name, address in (("odd", hosts.address(1)), ("even", hosts.address(2))):
        made = hosts.on(
            2, cluster.program, "--kubeconfig", str(kubeconfig), "create", "-f", "-",
            stdin=serving_request(name, "host-2", address),
        )  # fmt: skip
        assert made.code == 0, made.err
    eventually(lambda: condition_types(cluster, "even") == ["Approved"], what="its own is approved")
    assert condition_types(cluster, "odd") == []
    cluster.oc("certificate", "approve", "odd")
    eventually(lambda: cluster.get("csr", "odd")["status"].get("certificate"), what="a person may")

    # Stopped and started within a second or two, it is Ready when its new kubelet says so.
    home = ("--home", str(hosts.home(2)))
    assert hosts.on(2, *PODPASS, "down", *home).code == 0
    stopped = format_time(SystemClock().now())
    assert hosts.on(2, *PODPASS, "join", *home).code == 0
    conditions = cluster.get("node", "host-2")["status"]["conditions"]
    [beat] = [one["lastHeartbeatTime"] for one in conditions if one["type"] == "Ready"]
    assert beat > stopped
