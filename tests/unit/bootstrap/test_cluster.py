"""`bootstrap.cluster`: what is saved is what is loaded; damage is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from podpass.bootstrap.cluster import Cluster, load_cluster, make_nodes, save_cluster
from podpass.bootstrap.home import HomeError


def test_a_saved_cluster_is_loaded_again(tmp_path: Path) -> None:
    cluster = Cluster(port=6443, nodes=make_nodes(3), signing_algorithm="ES256")
    save_cluster(tmp_path / "cluster.json", cluster)
    assert load_cluster(tmp_path / "cluster.json") == cluster


def test_nodes_have_names_addresses_and_pod_networks_of_their_own() -> None:
    nodes = make_nodes(32)
    for attribute in ("name", "ip", "pod_cidr"):
        assert len({getattr(node, attribute) for node in nodes}) == 32


@pytest.mark.parametrize("count", [0, 33], ids=["none", "one too many"])
def test_a_count_outside_the_range_is_refused(count: int) -> None:
    with pytest.raises(HomeError, match="--nodes must be 1 to 32"):
        make_nodes(count)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "make one with `podpass up`", id="no file"),
        pytest.param("{", "is damaged", id="not JSON"),
        pytest.param("[]", "is damaged", id="not an object"),
        pytest.param('{"port": 1, "nodes": []}', "it names no node", id="no nodes"),
        pytest.param('{"port": 1, "nodes": [{}]}', "is damaged", id="a node without a name"),
        pytest.param(
            '{"nodes": [{"name": "n", "ip": "i", "pod_cidr": "c"}]}', "is damaged", id="no port"
        ),
    ],
)
def test_a_bad_file_is_one_clear_error(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "cluster.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(HomeError, match=message):
        load_cluster(path)
