"""Definitions that the tests share, and requests over HTTPS."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import aiohttp

GROUP = "stable.example.com"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
CRON_TABS = f"/apis/{GROUP}/v1/namespaces/default/crontabs"

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "Runs something at certain times.",
    "properties": {
        "spec": {
            "type": "object",
            "description": "What to run and when.",
            "required": ["cronSpec"],
            "properties": {
                "cronSpec": {
                    "type": "string",
                    "description": "When to run.",
                    "pattern": r"^(\d+|\*)(/\d+)?(\s+(\d+|\*)(/\d+)?){4}$",
                },
                "image": {"type": "string"},
                "replicas": {"type": "integer", "minimum": 1, "maximum": 10, "default": 1},
                "port": {"x-kubernetes-int-or-string": True},
                "mode": {"type": "string", "enum": ["Slow", "Fast"]},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "steps": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {
                            "name": {"type": "string"},
                            "seconds": {"type": "integer", "default": 5},
                        },
                    },
                },
            },
        },
        "status": {
            "type": "object",
            "properties": {
                "replicas": {"type": "integer"},
                "selector": {"type": "string"},
                "phase": {"type": "string"},
            },
        },
    },
}


def schema() -> dict[str, Any]:
    return copy.deepcopy(_SCHEMA)


def cron_tab_definition() -> dict[str, Any]:
    """The definition of the documentation, with everything that is served."""
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema()},
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        "additionalPrinterColumns": [
            {"name": "Spec", "type": "string", "jsonPath": ".spec.cronSpec"},
            {"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas"},
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        ],
        "selectableFields": [{"jsonPath": ".spec.mode"}],
    }
    beta = {"name": "v1beta1", "served": True, "storage": False, "deprecated": True}
    beta["schema"] = {"openAPIV3Schema": schema()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"crontabs.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "plural": "crontabs",
                "singular": "crontab",
                "kind": "CronTab",
                "shortNames": ["ct"],
                "categories": ["all"],
            },
            "versions": [version, beta],
        },
    }


def cron_tab(name: str = "nightly", version: str = "v1", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/{version}",
        "kind": "CronTab",
        "metadata": {"name": name},
        "spec": {"cronSpec": "* * * * */5", **spec},
    }


async def call(
    session: aiohttp.ClientSession, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, Any]:
    """Return code and decoded body of a request."""
    async with session.request(method, path, json=body, headers=headers) as response:
        return response.status, await response.json()


async def answered(session: aiohttp.ClientSession, path: str, code: int) -> None:
    """Ask until the answer has this code."""
    async with asyncio.timeout(30):
        found = 0
        while found != code:
            found, _ = await call(session, "GET", path)


async def define(session: aiohttp.ClientSession, definition: dict[str, Any]) -> dict[str, Any]:
    """Create a definition and wait until its kind is served."""
    code, created = await call(session, "POST", DEFINITIONS, definition)
    assert code == 201, created
    path = f"{DEFINITIONS}/{definition['metadata']['name']}"
    async with asyncio.timeout(30):
        while True:
            _, found = await call(session, "GET", path)
            conditions = {
                one["type"]: one["status"] for one in found["status"].get("conditions", ())
            }
            if conditions.get("Established") == "True":
                return dict(found)
            await asyncio.sleep(0)
