"""To an etcd and back: same objects, revisions that rise, files that the operator would write."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import orjson
import pytest
from bootstrap.homes import NOW, entries_of, make_home, tree
from storage.etcd_server import EtcdCluster, program

from podpass.bootstrap.backup import back_up
from podpass.bootstrap.cluster import load_cluster
from podpass.bootstrap.home import Home, HomeError
from podpass.bootstrap.migration import migrate
from podpass.bootstrap.restore import REVISION_BUMP, restore

pytestmark = pytest.mark.skipif(program() is None, reason="no wheel of etcd for this machine")


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[EtcdCluster]:
    cluster = EtcdCluster(tmp_path / "etcd")
    cluster.start()
    yield cluster
    cluster.kill()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path / "home")


def node_files(home: Home) -> dict[str, bytes]:
    return {name: one for name, one in tree(home.root).items() if name.startswith("nodes/")}


def test_there_and_back(home: Home, etcd: EtcdCluster) -> None:
    servers = ",".join(etcd.endpoints)
    revision, old = entries_of(home)
    files = node_files(home)
    assert migrate(home, etcd_servers=servers) == len(old)
    assert load_cluster(home.cluster_file).etcd_servers == servers
    assert (home.store / f"migrated-{revision}.db").exists()
    assert not (home.store / "podpass.db").exists()
    between, moved = entries_of(home)
    assert between > revision
    assert moved.keys() == old.keys()
    config = orjson.loads(files_of(home, "config/config.yaml"))["apiServerArguments"]
    assert config["etcd-servers"] == [servers]
    assert config["etcd-prefix"] == ["/podpass"]
    assert "storage" not in config
    assert b"podpass/store" not in files_of(home, "manifests/kube-apiserver.yaml")
    assert f"--etcd-servers={servers}".encode() in moved[deployment(moved)].value
    changed = [key for key in old if moved[key].value != old[key].value]
    assert all("openshift-kube-apiserver" in key for key in changed)
    with pytest.raises(HomeError, match="are in etcd already"):
        migrate(home, etcd_servers=servers)

    assert migrate(home, etcd_servers="") == len(old)
    assert not load_cluster(home.cluster_file).etcd_servers
    assert node_files(home) == files
    end, back = entries_of(home)
    assert end > between
    assert {key: orjson.loads(one.value) for key, one in back.items() if "secrets" not in key} == {
        key: orjson.loads(one.value) for key, one in old.items() if "secrets" not in key
    }
    assert back["/registry/core/secrets/default/odd"].value == b"\x00\xff"
    with pytest.raises(HomeError, match="are in sqlite already"):
        migrate(home, etcd_servers="")
    before = tree(home.root)
    with pytest.raises(HomeError, match="the prefix /podpass of the etcd is not empty"):
        migrate(home, etcd_servers=servers)
    assert tree(home.root).keys() == before.keys()
    assert entries_of(home) == (end, back)


def test_a_backup_from_an_etcd_goes_back_to_it(
    home: Home, etcd: EtcdCluster, tmp_path: Path
) -> None:
    migrate(home, etcd_servers=",".join(etcd.endpoints), etcd_prefix="/two")
    facts = back_up(home, tmp_path / "b.tar", now=NOW)
    assert facts.engine == "etcd"
    revision, old = entries_of(home)
    assert facts.revision == revision
    other = Home(tmp_path / "other")
    with pytest.raises(HomeError, match="/two of the etcd is not empty; nothing was restored"):
        restore(tmp_path / "b.tar", other)
    assert not other.cluster_file.exists()
    assert restore(tmp_path / "b.tar", other, force=True).replaced is None
    after, new = entries_of(other)
    assert after > revision + REVISION_BUMP
    assert new.keys() == old.keys()


def test_an_etcd_that_does_not_answer_changes_nothing(home: Home, etcd: EtcdCluster) -> None:
    servers = ",".join(etcd.endpoints)
    etcd.kill()
    before = node_files(home), load_cluster(home.cluster_file), entries_of(home)
    with pytest.raises(HomeError, match=r"no member answers .*; the cluster is as it was"):
        migrate(home, etcd_servers=servers)
    assert before == (node_files(home), load_cluster(home.cluster_file), entries_of(home))


def test_a_cluster_that_runs_is_not_migrated(home: Home, etcd: EtcdCluster) -> None:
    started = Path(f"/proc/{os.getpid()}/stat").read_text().rpartition(")")[2].split()[19]
    home.kubelet_pid_file("master-0").write_text(f"{os.getpid()} {started}")
    before = tree(home.root)
    with pytest.raises(HomeError, match="runs; stop it first, with `podpass down`"):
        migrate(home, etcd_servers=",".join(etcd.endpoints))
    assert tree(home.root) == before


def files_of(home: Home, end: str) -> bytes:
    (found,) = (one for name, one in tree(home.root).items() if name.endswith(end))
    return found


def deployment(entries: Mapping[str, object]) -> str:
    (found,) = (key for key in entries if "/deployment/" in key)
    return found
