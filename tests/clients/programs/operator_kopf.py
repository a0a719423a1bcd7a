"""A small operator: it greets labelled ConfigMaps, and keeps a ConfigMap for each Robot.

It runs as `kopf run` and tells the suite of every handler that was called.
"""
# kopf is in the environment of `make clients` only:
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import Any

import kopf
from kubernetes import client, config
from report import say

ROBOTS = ("example.com", "v1", "robots")
GREETING = "example.com/greeting"


@kopf.on.startup()
def start(**_: Any) -> None:
    """Log in; kopf itself does so on its own."""
    config.load_config()


@kopf.on.create("configmaps", labels={"greet": "yes"})
def greet(name: str, patch: kopf.Patch, **_: Any) -> None:
    """Greet a new ConfigMap."""
    patch.metadata.annotations[GREETING] = "welcome"
    say(handler="greet", name=name)


@kopf.on.update("configmaps", field="data.colour", labels={"greet": "yes"})
def notice(name: str, old: str, new: str, patch: kopf.Patch, **_: Any) -> None:
    """Say what has changed."""
    patch.metadata.annotations[GREETING] = f"{new} is better than {old}"
    say(handler="notice", name=name)


@kopf.on.delete("configmaps", labels={"greet": "yes"})
def part(name: str, **_: Any) -> None:
    """Say good-bye; only then may the object go."""
    say(handler="part", name=name)


@kopf.on.create(*ROBOTS)
def build(
    name: str, namespace: str, spec: kopf.Spec, patch: kopf.Patch, **_: Any
) -> dict[str, str]:
    """Make the Robot's ConfigMap; it goes with the Robot, which owns it."""
    settings = f"{name}-settings"
    child = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": settings},
        "data": {"colour": spec["colour"]},
    }
    kopf.adopt(child)
    client.CoreV1Api().create_namespaced_config_map(namespace, child)
    patch.status["phase"] = "Built"
    say(handler="build", name=name)
    return {"child": settings}


@kopf.on.update(*ROBOTS, field="spec.colour")
def paint(
    name: str, namespace: str, new: str, body: kopf.Body, patch: kopf.Patch, **_: Any
) -> None:
    """Paint it, and say so in an event."""
    change = {"data": {"colour": new}}
    client.CoreV1Api().patch_namespaced_config_map(f"{name}-settings", namespace, change)
    patch.status["phase"] = f"Painted {new}"
    kopf.info(body, reason="Painted", message=f"It is {new} now.")
    say(handler="paint", name=name)


@kopf.on.delete(*ROBOTS)
def scrap(name: str, **_: Any) -> None:
    """Say good-bye."""
    say(handler="scrap", name=name)
