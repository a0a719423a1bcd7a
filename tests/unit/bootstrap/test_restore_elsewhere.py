"""A backup goes into another store than it came from: from SQLite to an etcd, and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from bootstrap.homes import NOW, entries_of, make_home, tree
from click.testing import CliRunner, Result
from storage.etcd_server import EtcdCluster, program

from podpass.bootstrap.backup import back_up
from podpass.bootstrap.cluster import load_cluster
from podpass.bootstrap.home import Home
from podpass.bootstrap.restore import REVISION_BUMP
from podpass.cli.main import group

pytestmark = pytest.mark.skipif(program() is None, reason="no wheel of etcd for this machine")


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[EtcdCluster]:
    cluster = EtcdCluster(tmp_path / "etcd")
    cluster.start()
    yield cluster
    cluster.kill()


def restore(*arguments: str | Path) -> Result:
    return CliRunner().invoke(group, ["restore", *(str(one) for one in arguments)])


def node_files(home: Home) -> dict[str, bytes]:
    return {name: one for name, one in tree(home.root).items() if name.startswith("nodes/")}


def test_an_etcd_is_restored_into_and_lost_again(tmp_path: Path, etcd: EtcdCluster) -> None:
    home, backup = make_home(tmp_path / "home"), tmp_path / "b.tar"
    servers = ",".join(etcd.endpoints)
    files, (revision, old) = node_files(home), entries_of(home)
    back_up(home, backup, now=NOW)
    arguments = ("--home", home.root, "--force", "--etcd", servers, "--etcd-prefix", "/two")
    done = restore(backup, *arguments)
    assert done.exit_code == 0, done.output
    assert "The store was sqlite, and is etcd now" in done.output
    cluster = load_cluster(home.cluster_file)
    assert (cluster.etcd_servers, cluster.etcd_prefix) == (servers, "/two")
    assert not list(home.store.iterdir())
    between, moved = entries_of(home)
    assert between > revision + REVISION_BUMP
    assert moved.keys() == old.keys()
    (config,) = (one for name, one in tree(home.root).items() if name.endswith("config.yaml"))
    assert orjson.loads(config)["apiServerArguments"]["etcd-servers"] == [servers]
    assert "storage" not in orjson.loads(config)["apiServerArguments"]

    back_up(home, backup, now=NOW, force=True)
    etcd.kill()
    before = tree(home.root)
    gone = restore(backup, "--home", home.root, "--force")
    assert gone.exit_code == 1
    assert "no member answers" in gone.output
    assert "nothing was restored" in gone.output
    assert tree(home.root) == before
    done = restore(backup, "--home", home.root, "--force", "--to", "sqlite")
    assert done.exit_code == 0, done.output
    assert "The store was etcd, and is sqlite now" in done.output
    assert not load_cluster(home.cluster_file).etcd_servers
    assert node_files(home) == files
    end, back = entries_of(home)
    assert end > between + REVISION_BUMP
    assert {key: one.value for key, one in back.items() if "secrets" in key} == {
        key: one.value for key, one in old.items() if "secrets" in key
    }
    assert {key: orjson.loads(one.value) for key, one in back.items() if "secrets" not in key} == {
        key: orjson.loads(one.value) for key, one in old.items() if "secrets" not in key
    }


def test_another_etcd_than_before(tmp_path: Path, etcd: EtcdCluster) -> None:
    home, backup = make_home(tmp_path / "home"), tmp_path / "b.tar"
    servers = ",".join(etcd.endpoints)
    back_up(home, backup, now=NOW)
    assert restore(backup, "--home", home.root, "--force", "--etcd", servers).exit_code == 0
    back_up(home, backup, now=NOW, force=True)
    _, old = entries_of(home)
    other = Home(tmp_path / "other")
    held = restore(backup, "--home", other.root)
    assert held.exit_code == 1
    assert "the prefix /podpass of the etcd is not empty; nothing was restored" in held.output
    done = restore(backup, "--home", other.root, "--etcd-prefix", "/other")
    assert done.exit_code == 0, done.output
    assert load_cluster(other.cluster_file).etcd_prefix == "/other"
    _, new = entries_of(other)
    assert new.keys() == old.keys()
    assert entries_of(home)[1] == old
