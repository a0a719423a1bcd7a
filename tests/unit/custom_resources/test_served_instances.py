from __future__ import annotations

import asyncio
from typing import Any

import orjson

from custom_resources.definitions import (
    CRON_TABS,
    DEFINITIONS,
    GROUP,
    call,
    cron_tab,
    cron_tab_definition,
    define,
)
from podpass.testing.api_server import RunningApiServer, TestPki, running_api_server
from podpass.testing.memory_store import MemoryStore

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
MERGE = "application/merge-patch+json"


async def test_an_instance_is_pruned_defaulted_and_kept(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        await define(admin, cron_tab_definition())
        body = cron_tab(nonsense=1, free={"any": {"thing": [1]}}, steps=[{"name": "a"}])
        code, created = await call(admin, "POST", CRON_TABS, body)
        assert code == 201, created
        assert created["spec"] == {
            "cronSpec": "* * * * */5",
            "replicas": 1,
            "free": {"any": {"thing": [1]}},
            "steps": [{"name": "a", "seconds": 5}],
        }
        assert created["metadata"]["generation"] == 1
        code, listed = await call(admin, "GET", CRON_TABS)
        assert (listed["kind"], listed["apiVersion"]) == ("CronTabList", f"{GROUP}/v1")
        assert listed["items"] == [created]
        code, gone = await call(admin, "DELETE", f"{CRON_TABS}/nightly")
        assert (code, gone["status"]) == (200, "Success")
        assert (await call(admin, "GET", f"{CRON_TABS}/nightly"))[0] == 404
