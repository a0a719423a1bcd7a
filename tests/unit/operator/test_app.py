"""The operator as a whole, against an API simulator and simulated nodes."""

from __future__ import annotations

from podpass.testing.fake_clock import until
from podpass.testing.operator_cluster import ISSUER, OperatorCluster


async def test_an_edit_reaches_all_nodes(cluster: OperatorCluster) -> None:
    cluster.edit_issuer(ISSUER)
    await until(lambda: cluster.condition("NodeInstallerProgressing")["status"] == "True")
    await cluster.rolled_out(2)
    assert cluster.condition("NodeInstallerProgressing")["message"] == ("3 nodes are at revision 2")
    assert cluster.nodes.installed == [("master-0", 2), ("master-1", 2), ("master-2", 2)]
