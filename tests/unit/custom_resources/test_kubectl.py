from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from apiserver.kubectl_calls import KUBECTL, Kubectl, write_kubeconfig
from custom_resources.definitions import cron_tab, cron_tab_definition

from podpass.testing.api_server import RunningApiServer

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")

CRD = "crd/crontabs.stable.example.com"


def manifest(*objects: dict[str, Any]) -> str:
    return yaml.safe_dump_all(objects)


@pytest.fixture
def kubectl(api: RunningApiServer, tmp_path: Path) -> Kubectl:
    write_kubeconfig(tmp_path / "config", api)
    return Kubectl(tmp_path / "config")


async def test_a_kind_is_defined_used_and_taken_back(kubectl: Kubectl) -> None:
    out = await kubectl("apply", "-f", "-", stdin=manifest(cron_tab_definition()))
    assert out.endswith("crontabs.stable.example.com created\n")
    await kubectl("wait", "--for=condition=Established", "--timeout=10s", CRD)
    shown = await kubectl("get", "crd")
    assert shown.split()[:4] == ["NAME", "CREATED", "AT", "crontabs.stable.example.com"]
    await kubectl("apply", "-f", "-", stdin=manifest(cron_tab(image="one")))
    changed = await kubectl("apply", "-f", "-", stdin=manifest(cron_tab(image="two", replicas=3)))
    assert changed == "crontab.stable.example.com/nightly configured\n"
    lines = (await kubectl("get", "ct")).splitlines()
    assert lines[0].split() == ["NAME", "SPEC", "REPLICAS", "AGE"]
    assert lines[1].startswith("nightly   * * * * */5   3          ")
    assert "crontab.stable.example.com/nightly" in await kubectl("get", "all")
    await kubectl("scale", "ct/nightly", "--replicas=4")
    assert await kubectl("get", "crontab/nightly", "-o", "jsonpath={.spec.replicas}") == "4"
    await kubectl("patch", "ct", "nightly", "--type=merge", "-p", '{"spec":{"image":"three"}}')
    refused = await kubectl.run("patch", "ct", "nightly", "-p", '{"spec":{"image":"four"}}')
    assert (refused.code, "415" in refused.err or "media type" in refused.err) == (1, True)
    await kubectl("label", "ct", "nightly", "app=web")
    assert "nightly" in await kubectl("get", "ct", "-l", "app=web", "-o", "name")
    assert "CronTab" in await kubectl("describe", "ct", "nightly")
    assert "crontabs" in await kubectl("api-resources", "--api-group=stable.example.com")
    await kubectl("delete", "crd", "crontabs.stable.example.com", "--timeout=10s")
    gone = await kubectl.run("get", "ct")
    assert (gone.code, "could not find the requested resource" in gone.err) == (1, True)


async def test_kubectl_checks_and_explains_the_kind(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", "-", stdin=manifest(cron_tab_definition()))
    await kubectl("wait", "--for=condition=Established", "--timeout=10s", CRD)
    shown = await kubectl("explain", "crontabs.spec.cronSpec")
    assert ("KIND:       CronTab" in shown, "When to run." in shown) == (True, True)
    assert "steps\t<[]Object>" in await kubectl("explain", "ct.spec")
    unknown = cron_tab()
    unknown["spec"]["nonsense"] = 1
    refused = await kubectl.run("create", "-f", "-", stdin=manifest(unknown))
    assert 'strict decoding error: unknown field "spec.nonsense"' in refused.err
    warned = await kubectl.run("create", "--validate=warn", "-f", "-", stdin=manifest(unknown))
    assert (warned.code, warned.err) == (0, 'Warning: unknown field "spec.nonsense"\n')
    wrong = cron_tab("wrong", replicas=11, cronSpec="* * * *")
    refused = await kubectl.run("create", "-f", "-", stdin=manifest(wrong))
    too_many = "spec.replicas in body should be less than or equal to 10"
    assert f"* spec.replicas: Invalid value: 11: {too_many}" in refused.err
    assert '* spec.cronSpec: Invalid value: "* * * *": spec.cronSpec in body should' in refused.err
