from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from podpass.operator.profiles import TRUST_24H
from podpass.testing.operator_cluster import OperatorCluster, running_cluster


@pytest.fixture
async def cluster() -> AsyncIterator[OperatorCluster]:
    async with running_cluster() as cluster:
        yield cluster


@pytest.fixture
async def trusting_cluster() -> AsyncIterator[OperatorCluster]:
    async with running_cluster(TRUST_24H) as cluster:
        yield cluster
