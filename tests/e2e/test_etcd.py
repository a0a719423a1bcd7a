"""A cluster in an etcd of three members that ask for certificates, until all of it is gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import ClusterUnderTest, claims_of, eventually, free_port
from storage.etcd_server import EtcdCluster, program

from podpass.base.clock import SystemClock
from podpass.bootstrap.certificates import ensure_authority, ensure_certificate

pytestmark = pytest.mark.skipif(program() is None, reason="no wheel of etcd for this machine")


@pytest.fixture
def pki(tmp_path: Path) -> Path:
    directory = tmp_path / "etcd-pki"
    directory.mkdir()
    now = SystemClock().now()
    authority = ensure_authority(directory, now=now)
    ensure_certificate(authority, directory, "etcd", "etcd", now=now, addresses=("127.0.0.1",))
    ensure_certificate(authority, directory, "client", "podpass", now=now)
    return directory


@pytest.fixture
def etcd(tmp_path: Path, pki: Path) -> Iterator[EtcdCluster]:
    one = EtcdCluster(tmp_path / "etcd", members=3, pki=pki)
    one.start()
    yield one
    one.kill()


def options(etcd: EtcdCluster, pki: Path) -> tuple[str, ...]:
    return (
        f"--etcd={','.join(etcd.endpoints)}",
        f"--etcd-cafile={pki / 'ca.crt'}",
        f"--etcd-certfile={pki / 'client.crt'}",
        f"--etcd-keyfile={pki / 'client.key'}",
    )


def token_of(cluster: ClusterUnderTest) -> str:
    return cluster.ok("create", "token", "build-robot", "--audience=vault").strip()


@pytest.mark.timeout(300)
def test_a_cluster_lives_in_an_etcd_and_outlives_a_member(
    tmp_path: Path, etcd: EtcdCluster, pki: Path
) -> None:
    cluster = ClusterUnderTest(tmp_path / "home", free_port(), nodes=1, options=options(etcd, pki))
    other = ClusterUnderTest(tmp_path / "other", free_port(), nodes=1, options=options(etcd, pki))
    anew: EtcdCluster | None = None
    try:
        started = cluster.up()
        assert started.code == 0, started.err + cluster.logs_tail()
        cluster.ok("create", "sa", "build-robot")
        token = token_of(cluster)
        account = cluster.get("sa", "build-robot")
        assert (
            claims_of(token)["kubernetes.io"]["serviceaccount"]["uid"]
            == (account["metadata"]["uid"])
        )
        assert not list((cluster.home / "store").iterdir()), "nothing is kept beside the etcd"

        refused = other.up()
        assert refused.code == 1
        assert "the prefix /podpass of the etcd holds another cluster" in refused.err

        etcd.members[0].kill()
        eventually(lambda: cluster.oc("create", "sa", "later").code == 0, what="a write")
        assert is_authentic(cluster, token)

        assert cluster.down().code == 0
        etcd.members[0].start()
        etcd.members[0].wait_healthy()
        assert cluster.up().code == 0
        assert cluster.get("sa", "build-robot")["metadata"]["uid"] == account["metadata"]["uid"]
        assert cluster.get("sa", "later")
        assert is_authentic(cluster, token)

        backup = str(tmp_path / "b.tar")
        made = cluster.podpass("backup", "--home", str(cluster.home), "--output", backup)
        assert made.code == 0, made.err
        assert cluster.down().code == 0
        etcd.kill()
        again = ("restore", backup, "--home", str(cluster.home), "--force")
        gone = cluster.podpass(*again)
        assert gone.code == 1
        assert "nothing was restored" in gone.err
        done = cluster.podpass(*again, "--to", "sqlite")
        assert done.code == 0, done.err
        started = cluster.podpass("up", "--home", str(cluster.home), "--detach")
        assert started.code == 0, started.err + cluster.logs_tail()
        assert cluster.get("sa", "build-robot")["metadata"]["uid"] == account["metadata"]["uid"]
        assert is_authentic(cluster, token)
        cluster.ok("create", "sa", "without-the-etcd")

        # As docs/storage.md says it, into an etcd that is new.
        anew = EtcdCluster(tmp_path / "anew", pki=pki)
        anew.start()
        move = ("migrate-store", "--home", str(cluster.home), "--to", "etcd", *options(anew, pki))
        runs = cluster.podpass(*move)
        assert runs.code == 1
        assert "runs; stop it first, with `podpass down`" in runs.err
        assert cluster.down().code == 0
        moved = cluster.podpass(*move)
        assert moved.code == 0, moved.err
        started = cluster.podpass("up", "--home", str(cluster.home), "--detach")
        assert started.code == 0, started.err + cluster.logs_tail()
        assert cluster.get("sa", "without-the-etcd")
        assert is_authentic(cluster, token)
    finally:
        cluster.down()
        other.down()
        if anew is not None:
            anew.kill()


def is_authentic(cluster: ClusterUnderTest, token: str) -> bool:
    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token, "audiences": ["vault"]},
    }
    out = cluster.ok("create", "-f", "-", "-o", "json", stdin=json.dumps(review))
    return bool(json.loads(out)["status"].get("authenticated"))
