"""From `oc create -f pod` to phase Running with its token, kubectl included."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import statistics
import subprocess
import threading
import time

from harness import ClusterUnderTest, eventually

RUNS = 9


def pod_start_seconds(cluster: ClusterUnderTest, manifest: dict[str, object]) -> list[float]:
    """Return RUNS spans, sorted; a watch that was open before tells when the pod runs."""
    spans = []
    for index in range(RUNS):
        name = f"start-{index}"
        body = json.dumps(manifest | {"metadata": {"name": name}})
        running = threading.Event()
        ready = threading.Event()
        watcher = threading.Thread(target=_watch, args=(cluster, name, ready, running), daemon=True)
        watcher.start()
        ready.wait(10)
        started = time.perf_counter()
        subprocess.run(
            [str(cluster.home / "bin" / "oc"), "create", "-f", "-"],
            input=body.encode(),
            env=os.environ | {"KUBECONFIG": str(cluster.home / "kubeconfigs" / "admin.kubeconfig")},
            check=True,
            capture_output=True,
        )
        if not running.wait(30):
            raise RuntimeError(f"pod {name} does not run: {cluster.ok('describe', 'pod', name)}")
        spans.append(time.perf_counter() - started)
        cluster.ok("delete", "pod", name, "--grace-period=0", "--force")
    return sorted(spans)


def median(spans: list[float]) -> float:
    """Return the median in seconds."""
    return statistics.median(spans)


def _watch(
    cluster: ClusterUnderTest, name: str, ready: threading.Event, running: threading.Event
) -> None:
    pki = cluster.home / "pki"
    context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
    connection = http.client.HTTPSConnection("127.0.0.1", cluster.port, context=context, timeout=60)
    connection.request(
        "GET", f"/api/v1/namespaces/default/pods?watch=1&fieldSelector=metadata.name%3D{name}"
    )
    response = connection.getresponse()
    ready.set()
    while line := response.readline():
        event = json.loads(line)
        if event["object"].get("status", {}).get("phase") == "Running":
            running.set()
            break
    connection.close()


def wait_for_default_account(cluster: ClusterUnderTest) -> None:
    """Return when pods can be made in the namespace `default`."""
    eventually(lambda: cluster.oc("get", "sa/default", "cm/kube-root-ca.crt").code == 0)
