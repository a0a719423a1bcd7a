"""Backup and restore of a home that nobody started."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from bootstrap.homes import NOW, entries_of, make_home, tree

from podpass.bootstrap.backup import back_up
from podpass.bootstrap.cluster import load_cluster, save_cluster
from podpass.bootstrap.home import Home, HomeError
from podpass.bootstrap.prepare import prepare_home
from podpass.bootstrap.processes import running_kubelet
from podpass.bootstrap.restore import REVISION_BUMP, restore


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path / "home")


@pytest.fixture
def backup(home: Home, tmp_path: Path) -> Path:
    path = tmp_path / "b.tar"
    facts = back_up(home, path, now=NOW)
    revision, entries = entries_of(home)
    assert (facts.engine, facts.revision, facts.objects) == ("sqlite", revision, len(entries))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return path


def test_the_same_home_is_made_again(home: Home, backup: Path, tmp_path: Path) -> None:
    old_revision, old = entries_of(home)
    before = tree(home.root)
    home.root.rename(tmp_path / "lost")
    done = restore(backup, home)
    assert done.replaced is None
    revision, new = entries_of(home)
    assert revision == done.revision > old_revision + REVISION_BUMP
    assert {key: one.value for key, one in new.items()} == {k: one.value for k, one in old.items()}
    assert all(one.mod_revision > old_revision + REVISION_BUMP for one in new.values())
    prepare_home(home, load_cluster(home.cluster_file), now=NOW)
    after = tree(home.root)
    assert {name for name in before if "store" not in name} <= after.keys()
    assert {n: c for n, c in after.items() if "store" not in n} == {
        n: c for n, c in before.items() if "store" not in n
    }
    assert all(not stat.S_IMODE(path.stat().st_mode) & 0o077 for path in home.pki.iterdir())


def test_another_home_is_what_the_operator_would_have_made_there(
    home: Home, backup: Path, tmp_path: Path
) -> None:
    expected = make_home(tmp_path / "elsewhere")  # with other keys
    wanted = tree(expected.root)
    _, objects = entries_of(expected)
    expected.root.rename(tmp_path / "away")
    restore(backup, expected)
    found = tree(expected.root)
    for name in wanted:
        if name.startswith("nodes/") and name.endswith((".yaml", "version")):
            assert found[name] == wanted[name], name
    _, restored = entries_of(expected)
    assert restored.keys() == objects.keys()
    for key, one in restored.items():
        if "deployment" in key or ("configmap" in key and "kube-apiserver-pod" in key):
            assert orjson.loads(one.value) == orjson.loads(objects[key].value), key
        assert str(home.root).encode() + b"/" not in one.value


def test_a_home_that_is_used_is_left_alone_or_moved_aside(home: Home, backup: Path) -> None:
    before = tree(home.root)
    with pytest.raises(HomeError, match="is not empty; give --force"):
        restore(backup, home)
    assert tree(home.root) == before
    done = restore(backup, home, force=True)
    assert done.replaced is not None
    assert tree(done.replaced) == before
    assert entries_of(home)[1].keys() == entries_of(Home(done.replaced))[1].keys()


def test_nothing_is_written_for_a_damaged_backup(backup: Path, tmp_path: Path) -> None:
    content = bytearray(backup.read_bytes())
    content[len(content) // 2] ^= 1
    backup.write_bytes(content)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(HomeError, match="damaged"):
        restore(backup, Home(tmp_path / "new"))
    assert sorted(tmp_path.iterdir()) == before


def test_a_cluster_that_runs_is_not_replaced(home: Home, backup: Path) -> None:
    started = Path(f"/proc/{os.getpid()}/stat").read_text().rpartition(")")[2].split()[19]
    home.kubelet_pid_file("master-0").write_text(f"{os.getpid()} {started}")
    assert running_kubelet(home, "master-0")
    with pytest.raises(HomeError, match="stop it first, with `podpass down`"):
        restore(backup, home, force=True)


@pytest.mark.parametrize(
    ("prepare", "why"),
    [
        pytest.param(lambda home: home.cluster_file.unlink(), "there is no cluster", id="no home"),
        pytest.param(
            lambda home: (home.store / "podpass.db").unlink(), "is missing", id="no database"
        ),
        pytest.param(
            lambda home: save_cluster(
                home.cluster_file,
                replace(load_cluster(home.cluster_file), joined_server="https://a:1"),
            ),
            "has joined https://a:1",
            id="a host that joined",
        ),
    ],
)
def test_a_home_without_objects_is_not_backed_up(
    home: Home, tmp_path: Path, prepare: object, why: str
) -> None:
    assert callable(prepare)
    prepare(home)
    with pytest.raises(HomeError, match=why):
        back_up(home, tmp_path / "b.tar", now=NOW)
    assert not (tmp_path / "b.tar").exists()


def test_a_backup_to_nowhere_is_one_clear_line(home: Home, backup: Path, tmp_path: Path) -> None:
    with pytest.raises(HomeError, match="No such file or directory"):
        back_up(home, tmp_path / "no" / "b.tar", now=NOW)
    with pytest.raises(HomeError, match="give --force"):
        back_up(home, backup, now=NOW)
    assert back_up(home, backup, now=NOW, force=True).objects


def test_an_audit_policy_follows_to_another_home(tmp_path: Path) -> None:
    policy = tmp_path / "p.yaml"
    policy.write_text("{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: None}]}")
    old, new = make_home(tmp_path / "old", audit_policy=policy), Home(tmp_path / "new")
    back_up(old, tmp_path / "b.tar", now=NOW)
    old.root.rename(tmp_path / "lost")
    restore(tmp_path / "b.tar", new)
    assert load_cluster(new.cluster_file).audit_policy
    assert (new.audit / "policy.yaml").read_bytes() == policy.read_bytes()
    assert stat.S_IMODE((new.audit / "policy.yaml").stat().st_mode) == 0o600
    # What runs now, and what the operator will roll out: its command line and its copies.
    [manifest] = (c for name, c in tree(new.root).items() if name.endswith("kube-apiserver.yaml"))
    assert f'"{new.audit}"'.encode() in manifest
    [deployment] = (one.value for k, one in entries_of(new)[1].items() if "/deployment/" in k)
    assert f"--audit-directory={new.audit}".encode() in deployment
    for content in (*tree(new.root).values(), *(one.value for one in entries_of(new)[1].values())):
        assert f"{old.root}/".encode() not in content
