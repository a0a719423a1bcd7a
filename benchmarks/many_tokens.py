"""`python -m benchmarks.many_tokens`: one kubelet that keeps 5,000 projected tokens fresh.

The kubelet and the API server are real, in processes of their own; containers are in memory. Lives
are short, so that every token is renewed while the benchmark looks. Measured are the kubelet's
processor time and memory, and how much life each of the token files had left at any look.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from harness import ClusterUnderTest, claims_of, eventually, free_port

from podpass.base.clock import SystemClock
from podpass.bootstrap.certificates import ensure_authority, ensure_certificate

NODE = "hollow-0"
PODS = 250
VOLUMES = 20
LIFE = 300
"""Of a token, in seconds: each is renewed every 240 seconds at the latest."""
SECONDS = 260
LOOK_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Measured:
    """What keeping tokens fresh costs.

    Attributes:
        tokens: How many were kept.
        life: Of each, in seconds.
        all_there_seconds: From the first pod's creation until the last token file was there.
        seconds: How long was looked.
        renewals: Tokens that were replaced meanwhile.
        processor_share: Of one core, used by the kubelet.
        milliseconds_per_renewal: Of the kubelet's processor time, all else included.
        megabytes: Of the kubelet's memory (PSS).
        lowest_left: Share of its life that a token file had left at the least.
    """

    tokens: int
    life: int
    all_there_seconds: float
    seconds: float
    renewals: int
    processor_share: float
    milliseconds_per_renewal: float
    megabytes: float
    lowest_left: float


def many_tokens(
    cluster: ClusterUnderTest, *, pods: int = PODS, volumes: int = VOLUMES, life: int = LIFE,
    seconds: float = SECONDS,
) -> Measured:  # fmt: skip
    """Measure on a cluster whose shortest token life is at most `life`."""
    with tempfile.TemporaryDirectory(prefix="podpass-node-") as directory:
        root = Path(directory)
        _prepare(cluster, root)
        kubelet = subprocess.Popen(
            [
                sys.executable, "-m", "benchmarks.hollow_node",
                f"https://127.0.0.1:{cluster.port}", str(cluster.home / "pki"), NODE, directory,
                str(pods),
            ],
            stderr=(root / "kubelet.log").open("wb"),
        )  # fmt: skip
        try:
            eventually(lambda: cluster.oc("get", "node", NODE).code == 0, within=30)
            started = time.monotonic()
            _create_pods(cluster, pods, volumes, life)
            eventually(lambda: len(_token_files(root)) == pods * volumes, within=300)
            there = time.monotonic() - started
            return _watch(kubelet.pid, _token_files(root), life, there, seconds)
        finally:
            kubelet.terminate()
            kubelet.wait(30)


def _prepare(cluster: ClusterUnderTest, root: Path) -> None:
    now = SystemClock().now()
    authority = ensure_authority(cluster.home / "pki", now=now)
    ensure_certificate(
        authority, root, "node", f"system:node:{NODE}", now=now, organizations=["system:nodes"]
    )
    cluster.ok("create", "namespace", "many")
    cluster.ok("create", "serviceaccount", "-n", "many", "robot")


def _create_pods(cluster: ClusterUnderTest, pods: int, volumes: int, life: int) -> None:
    names = [f"t{index}" for index in range(volumes)]
    spec = {
        "nodeName": NODE,
        "serviceAccountName": "robot",
        "automountServiceAccountToken": False,
        "containers": [
            {
                "name": "c",
                "image": "busybox",
                "volumeMounts": [{"name": name, "mountPath": f"/t/{name}"} for name in names],
            }
        ],
        "volumes": [
            {
                "name": name,
                "projected": {
                    "sources": [
                        {
                            "serviceAccountToken": {
                                "path": "token", "audience": name, "expirationSeconds": life,
                            }
                        }
                    ]
                },
            }
            for name in names
        ],
    }  # fmt: skip
    items = [
        {
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": f"p{index}", "namespace": "many"}, "spec": spec,
        }
        for index in range(pods)
    ]  # fmt: skip
    manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    cluster.ok("create", "-f", "-", stdin=manifest, timeout=300)


def _token_files(root: Path) -> list[Path]:
    return [*root.glob("kubelet/pods/*/volumes/kubernetes.io~projected/*/token")]


def _watch(pid: int, files: list[Path], life: int, there: float, seconds: float) -> Measured:
    begin, used = time.monotonic(), _processor_seconds(pid)
    seen: set[tuple[int, str]] = set()
    lowest = 1.0
    with ThreadPoolExecutor(1) as reader:
        while time.monotonic() - begin < seconds:
            time.sleep(min(LOOK_SECONDS, seconds))  # noqa: TID251 - measures real time
            left, tokens = reader.submit(_look, files, life).result()
            lowest = min(lowest, left)
            seen |= tokens
    spent = time.monotonic() - begin
    used = _processor_seconds(pid) - used
    renewals = len(seen) - len(files)
    return Measured(
        tokens=len(files),
        life=life,
        all_there_seconds=round(there, 1),
        seconds=round(spent, 1),
        renewals=renewals,
        processor_share=round(used / spent, 3),
        milliseconds_per_renewal=round(used / max(1, renewals) * 1000, 2),
        megabytes=round(_megabytes(pid), 1),
        lowest_left=round(lowest, 3),
    )


def _look(files: list[Path], life: int) -> tuple[float, set[tuple[int, str]]]:
    lowest, seen = 1.0, set()
    for index, file in enumerate(files):
        claims = claims_of(file.read_text())
        now = SystemClock().now().timestamp()
        lowest = min(lowest, (claims["exp"] - now) / life)
        seen.add((index, str(claims["jti"])))
    return lowest, seen


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _megabytes(pid: int) -> float:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    row = next(row for row in rollup.splitlines() if row.startswith("Pss:"))
    return int(row.split()[1]) / 1024


def main() -> None:
    numbers = [int(one) for one in sys.argv[1:]]
    pods, volumes, life, seconds = [*numbers, *(PODS, VOLUMES, LIFE, SECONDS)[len(numbers) :]]
    with tempfile.TemporaryDirectory(prefix="podpass-bench-") as directory:
        options = ("--min-token-expiration", "10s")
        cluster = ClusterUnderTest(Path(directory) / "home", free_port(), 1, options)
        started = cluster.up()
        if started.code != 0:
            raise SystemExit(started.err)
        try:
            measured = many_tokens(cluster, pods=pods, volumes=volumes, life=life, seconds=seconds)
        finally:
            cluster.down()
    print(json.dumps(asdict(measured), indent=2))


if __name__ == "__main__":
    main()
