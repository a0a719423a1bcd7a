"""`bootstrap.store_choice`: what a restored cluster has for a store, and what does not fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from podpass.bootstrap.cluster import Cluster, make_nodes
from podpass.bootstrap.home import Home, HomeError
from podpass.bootstrap.store_choice import AS_BEFORE, StoreChoice

SQLITE = Cluster(port=6443, nodes=make_nodes(1))
ETCD = replace(SQLITE, etcd_servers="https://old:1", etcd_prefix="/p", etcd_client_files=True)
NAMES = ("ca.crt", "client.crt", "client.key")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.etcd.mkdir(parents=True)
    for name in NAMES:
        (made.etcd / name).write_text("old")
    return made


def kept(home: Home) -> list[str]:
    return [path.read_text() for path in sorted(home.etcd.iterdir())]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    for name in NAMES:
        (tmp_path / name).write_text("new")
    ca, cert, key = (tmp_path / name for name in NAMES)
    return ca, cert, key


@pytest.mark.parametrize("cluster", [SQLITE, ETCD], ids=["sqlite", "etcd"])
def test_nothing_asked_is_as_before(home: Home, cluster: Cluster) -> None:
    assert AS_BEFORE.apply(cluster, home) == cluster
    assert bool(kept(home)) is bool(cluster.etcd_servers)


def test_an_etcd_is_left_for_the_homes_own_database(home: Home) -> None:
    after = StoreChoice(engine="sqlite").apply(ETCD, home)
    assert (after.etcd_servers, after.etcd_client_files) == ("", False)
    assert not kept(home)


@pytest.mark.parametrize("engine", ["", "etcd"], ids=["named", "and said to be one"])
@pytest.mark.parametrize("before", [SQLITE, ETCD], ids=["from sqlite", "from an etcd"])
def test_another_etcd_has_the_certificates_that_were_given(
    home: Home, files: tuple[Path, Path, Path], before: Cluster, engine: str
) -> None:
    choice = StoreChoice(engine=engine, etcd_servers="https://new:1", etcd_files=files)
    after = choice.apply(before, home)
    assert (after.etcd_servers, after.etcd_client_files) == ("https://new:1", True)
    assert after.etcd_prefix == before.etcd_prefix
    assert kept(home) == ["new"] * 3


def test_another_etcd_does_not_get_the_certificates_of_the_old_one(home: Home) -> None:
    after = StoreChoice(etcd_servers="http://new:1", etcd_prefix="/q").apply(ETCD, home)
    assert (after.etcd_prefix, after.etcd_client_files) == ("/q", False)
    assert not kept(home)


def test_the_same_etcd_may_have_another_prefix_or_new_certificates(
    home: Home, files: tuple[Path, Path, Path]
) -> None:
    assert StoreChoice(etcd_prefix="/q").apply(ETCD, home) == replace(ETCD, etcd_prefix="/q")
    assert kept(home) == ["old"] * 3
    assert StoreChoice(etcd_files=files).apply(ETCD, home) == ETCD
    assert kept(home) == ["new"] * 3


@pytest.mark.parametrize(
    ("choice", "before", "why"),
    [
        pytest.param(StoreChoice(engine="etcd"), SQLITE, "name the etcd", id="which etcd"),
        pytest.param(StoreChoice(etcd_prefix="/q"), SQLITE, "name the etcd", id="a prefix of what"),
        pytest.param(
            StoreChoice(engine="sqlite", etcd_servers="http://a"), ETCD, "no options", id="both"
        ),
        pytest.param(
            StoreChoice(engine="sqlite", etcd_prefix="/q"), ETCD, "no options", id="and a prefix"
        ),
        pytest.param(
            StoreChoice(etcd_servers="http://a", etcd_files=(Path("a"), None, None)),
            SQLITE,
            "give all three",
            id="one file",
        ),
    ],
)
def test_what_does_not_fit_is_said(
    home: Home, choice: StoreChoice, before: Cluster, why: str
) -> None:
    with pytest.raises(HomeError, match=why):
        choice.apply(before, home)
