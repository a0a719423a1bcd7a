"""A kind of one's own: defined, used through every API server, read by a pod, and taken back."""

from __future__ import annotations

import os
import subprocess
from typing import Any

from harness import ClusterUnderTest, eventually

GROUP = "stable.example.com"
CRD = f"crd/crontabs.{GROUP}"

READER = f"""
import json, os, ssl, urllib.request
base = '/var/run/secrets/kubernetes.io/serviceaccount/'
host, port = os.environ['KUBERNETES_SERVICE_HOST'], os.environ['KUBERNETES_SERVICE_PORT']
context = ssl.create_default_context(cafile=base + 'ca.crt')
space = open(base + 'namespace').read()
request = urllib.request.Request(
    f'https://{{host}}:{{port}}/apis/{GROUP}/v1/namespaces/{{space}}/crontabs/nightly',
    headers={{'Authorization': 'Bearer ' + open(base + 'token').read()}})
print(json.load(urllib.request.urlopen(request, context=context))['spec']['replicas'])
"""


def definition() -> dict[str, Any]:
    spec = {
        "type": "object",
        "required": ["cronSpec"],
        "properties": {
            "cronSpec": {"type": "string"},
            "replicas": {"type": "integer", "minimum": 1, "default": 2},
        },
    }
    status = {"type": "object", "properties": {"phase": {"type": "string"}}}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {
            "openAPIV3Schema": {"type": "object", "properties": {"spec": spec, "status": status}}
        },
        "additionalPrinterColumns": [
            {"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas"}
        ],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"crontabs.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"plural": "crontabs", "kind": "CronTab", "shortNames": ["ct"]},
            "versions": [version],
        },
    }


def cron_tab(namespace: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "CronTab",
        "metadata": {"name": "nightly", "namespace": namespace},
        "spec": {"cronSpec": "* * * * *"} | spec,
    }


def test_a_kind_is_defined_used_and_taken_back(cluster: ClusterUnderTest, namespace: str) -> None:
    n = ("-n", namespace)
    servers = [f"--server=https://127.0.0.{last}:{cluster.port}" for last in (11, 12, 13)]
    cluster.create(definition(), servers[0])
    cluster.ok("wait", "--for=condition=Established", CRD, "--timeout=90s", servers[1])
    cluster.create(cron_tab(namespace), servers[1])
    refused = cluster.oc(
        "patch", *n, "ct/nightly", "--type=merge", '-p={"spec":{"replicas":0}}', servers[2]
    )
    assert "should be greater than or equal to 1" in refused.err
    for server in servers:
        table = cluster.ok("get", *n, "ct", server).splitlines()
        assert [row.split() for row in table] == [["NAME", "REPLICAS"], ["nightly", "2"]]

    watching = subprocess.Popen(
        [str(cluster.home / "bin" / "oc"), "wait", *n, "ct/nightly", servers[2],
         "--for=jsonpath={.status.phase}=Running", "--timeout=90s"],
        env=os.environ | {"KUBECONFIG": str(cluster.home / "kubeconfigs" / "admin.kubeconfig")},
        stdout=subprocess.PIPE,
    )  # fmt: skip
    cluster.ok(
        "patch", *n, "ct/nightly", "--subresource=status", "--type=merge",
        '-p={"status":{"phase":"Running"}}', servers[0],
    )  # fmt: skip
    assert watching.communicate(timeout=100)[0].endswith(b"condition met\n")

    cluster.ok("create", "role", *n, "reader", "--verb=get", f"--resource=crontabs.{GROUP}")
    subject = f"--serviceaccount={namespace}:build-robot"
    cluster.ok("create", "rolebinding", *n, "reader", "--role=reader", subject)
    uid = cluster.get(*n, "ct/nightly")["metadata"]["uid"]
    owner = {"apiVersion": f"{GROUP}/v1", "kind": "CronTab", "name": "nightly", "uid": uid}
    container = {"name": "c", "image": "python", "command": ["python3", "-c", READER]}
    cluster.create(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "reader", "namespace": namespace, "ownerReferences": [owner]},
            "spec": {
                "serviceAccountName": "build-robot",
                "restartPolicy": "Never",
                "containers": [container],
            },
        }
    )
    done = "--for=jsonpath={.status.phase}=Succeeded"
    cluster.ok("wait", *n, "pod/reader", done, "--timeout=90s")
    assert cluster.ok("logs", *n, "reader") == "2\n"

    cluster.ok("delete", *n, "ct/nightly")
    eventually(lambda: cluster.oc("get", *n, "pod/reader").code, what="the owned pod goes")

    other = f"{namespace}-2"[-60:]
    cluster.ok("create", "namespace", other)
    cluster.create(cron_tab(other))
    cluster.ok("delete", "namespace", other, "--timeout=90s")
    assert cluster.get("ct", "-A")["items"] == []

    cluster.create(cron_tab(namespace, replicas=5))
    cluster.ok("delete", CRD, "--timeout=90s")
    path = f"/apis/{GROUP}/v1/crontabs"
    for server in servers:
        assert "NotFound" in cluster.oc("get", "--raw", path, server).err
    cluster.create(definition())
    cluster.ok("wait", "--for=condition=Established", CRD, "--timeout=90s")
    assert cluster.get("ct", "-A")["items"] == []
    cluster.ok("delete", CRD, "--timeout=90s")
