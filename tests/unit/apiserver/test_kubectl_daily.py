"""What people type every day, with the real kubectl: apply, explain, who may, wait, tokens."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
import yaml
from apiserver.kubectl_calls import KUBECTL, Kubectl, write_kubeconfig

from podpass.testing.api_server import TestPki, running_api_server
from podpass.testing.memory_store import MemoryStore

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed beside python"),
]

ROBOT = "system:serviceaccount:default:default"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kubectl(pki: TestPki, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Kubectl]:
    directory: Path = tmp_path_factory.mktemp("kubectl")
    async with running_api_server(MemoryStore(), pki) as api:
        write_kubeconfig(directory / "config", api)
        kubectl = Kubectl(directory / "config")
        await kubectl("create", "sa", "default")
        yield kubectl


def deployment(*containers: dict[str, Any], replicas: int = 1) -> str:
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": "d"}},
        "template": {"metadata": {"labels": {"app": "d"}}, "spec": {"containers": containers}},
    }
    return yaml.safe_dump(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}
    )


async def test_apply_on_the_server_diff_conflict_and_removal(kubectl: Kubectl) -> None:
    a: dict[str, Any] = {"name": "a", "image": "nginx", "env": [{"name": "E", "value": "1"}]}
    b: dict[str, Any] = {"name": "b", "image": "busybox"}
    applied = ("apply", "--server-side", "-f", "-")
    # From the client's way to the server's: kubectl moves the owners over.
    await kubectl("apply", "-f", "-", stdin=deployment(a, b))
    assert await kubectl(*applied, stdin=deployment(a, b)) == (
        "deployment.apps/d serverside-applied\n"
    )
    assert (await kubectl.run("diff", "--server-side", "-f", "-", stdin=deployment(a, b))).code == 0
    difference = await kubectl.run("diff", "--server-side", "-f", "-", stdin=deployment(a))
    assert difference.code == 1
    assert "-        name: b" in difference.out.replace("-      - ", "-        ")
    await kubectl("scale", "deploy", "d", "--replicas=3")
    refused = await kubectl.run(*applied, stdin=deployment(a, b))
    assert refused.code == 1
    assert (
        'Apply failed with 1 conflict: conflict with "kubectl" with subresource "scale" using '
        "apps/v1: .spec.replicas" in refused.err
    )
    await kubectl(*applied, "--force-conflicts", stdin=deployment(a))
    shown = await kubectl("get", "deploy", "d", "-o", "yaml")
    assert "managedFields" not in shown
    spec = yaml.safe_load(shown)["spec"]
    assert spec["replicas"] == 1
    assert [one["name"] for one in spec["template"]["spec"]["containers"]] == ["a"]
    owners = await kubectl("get", "deploy", "d", "-o", "yaml", "--show-managed-fields")
    entries = yaml.safe_load(owners)["metadata"]["managedFields"]
    assert ("kubectl", "Apply") in [(one["manager"], one["operation"]) for one in entries]


async def test_apply_with_prune_takes_away_what_is_left_out(kubectl: Kubectl) -> None:
    def maps(*names: str) -> str:
        return yaml.safe_dump_all(
            {"apiVersion": "v1", "kind": "ConfigMap",
             "metadata": {"name": name, "labels": {"set": "s"}}}
            for name in names
        )  # fmt: skip

    prune = ("--prune", "-l", "set=s", "--prune-allowlist=core/v1/ConfigMap")
    await kubectl("apply", "-f", "-", stdin=maps("one", "two"))
    assert "configmap/two pruned" in await kubectl("apply", *prune, "-f", "-", stdin=maps("one"))
    assert await kubectl("delete", "cm", "-l", "set=s") == (
        'configmap "one" deleted from default namespace\n'
    )


async def test_who_may_what(kubectl: Kubectl) -> None:
    assert "system:masters" in await kubectl("auth", "whoami")
    rows = (await kubectl("auth", "can-i", "--list")).splitlines()
    assert rows[0].split() == ["Resources", "Non-Resource", "URLs", "Resource", "Names", "Verbs"]
    assert rows[1].split() == ["*.*", "[]", "[]", "[*]"]
    role = yaml.safe_dump_all(
        [
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
             "metadata": {"name": "r", "namespace": "default"},
             "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
             "metadata": {"name": "r", "namespace": "default"},
             "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
             "subjects": [{"kind": "ServiceAccount", "name": "default"}]},
        ]
    )  # fmt: skip
    done = await kubectl.run("auth", "reconcile", "-f", "-", stdin=role)
    assert "role.rbac.authorization.k8s.io/r reconciled" in done.out, done.err
    listed = await kubectl("auth", "can-i", "--list", f"--as={ROBOT}")
    assert ["pods", "[]", "[]", "[get]"] in [row.split() for row in listed.splitlines()]
    assert await kubectl("auth", "can-i", "get", "pods", f"--as={ROBOT}") == "yes\n"


async def test_kinds_and_fields_are_explained(kubectl: Kubectl) -> None:
    explained = await kubectl("explain", "pod.spec.volumes.projected.sources.serviceAccountToken")
    assert "KIND:       Pod" in explained
    assert "audience\t<string>\n" in explained
    assert "path\t<string> -required-" in explained
    assert "<no description>" not in explained
    assert "groupName" not in await kubectl("explain", "sa")
    assert "serviceaccounts" in await kubectl("api-resources", "--verbs=list", "-o", "name")
    versions = (await kubectl("api-versions")).splitlines()
    assert {"v1", "apps/v1", "authentication.k8s.io/v1"} <= set(versions)
    assert (await kubectl("get", "--raw", "/readyz")) == "ok"
    ghost = await kubectl.run("get", "--raw", "/apis/none/v1")
    assert "the server could not find the requested resource" in ghost.err


async def test_pods_are_waited_for_changed_and_not_debugged_in_place(kubectl: Kubectl) -> None:
    await kubectl("run", "p", "--image=nginx")
    await kubectl("wait", "--for=jsonpath={.status.phase}=Pending", "pod/p", "--timeout=5s")
    late = await kubectl.run("wait", "--for=condition=Ready", "pod/p", "--timeout=0")
    assert late.code == 1
    debug = await kubectl.run("debug", "p", "--image=busybox")
    assert debug.code == 1
    assert "kubectl debug POD --copy-to=NAME" in debug.err
    copied = await kubectl.run("debug", "p", "--image=busybox", "--copy-to=q", "--attach=false")
    assert copied.code == 0, copied.err
    assert await kubectl("label", "pods", "--all", "x=y") == "pod/p labeled\npod/q labeled\n"
    await kubectl("delete", "pod", "-l", "x=y", "--wait=false")
    await kubectl("wait", "--for=delete", "pod", "-l", "x=y", "--timeout=5s")
    assert (await kubectl.run("events")).err == "No events found in default namespace.\n"
    top = await kubectl.run("top", "pod")
    assert (top.code, top.err) == (1, "error: Metrics API not available\n")


async def test_workloads_are_set_replaced_and_patched(kubectl: Kubectl) -> None:
    manifest = deployment({"name": "a", "image": "nginx"})
    await kubectl("replace", "--force", "-f", "-", stdin=manifest)
    for change in (
        ("image", "deploy/d", "a=busybox"),
        ("env", "deploy/d", "A=b"),
        ("serviceaccount", "deploy/d", "robot"),
    ):
        await kubectl("set", *change)
    template = yaml.safe_load(await kubectl("get", "deploy", "d", "-o", "yaml"))["spec"]["template"]
    (container,) = template["spec"]["containers"]
    assert (container["image"], container["env"]) == ("busybox", [{"name": "A", "value": "b"}])
    assert template["spec"]["serviceAccountName"] == "robot"
    status = '{"status":{"replicas":2}}'
    await kubectl("patch", "deploy", "d", "--subresource=status", "--type=merge", "-p", status)
    assert await kubectl("get", "deploy", "d", "-o", "jsonpath={.status.replicas}") == "2"
    assert "replaced" in await kubectl("replace", "-f", "-", stdin=manifest)


async def test_a_token_with_all_that_can_be_asked_for(kubectl: Kubectl) -> None:
    await kubectl("create", "secret", "generic", "s", "--from-literal=a=b")
    uid = await kubectl("get", "secret", "s", "-o", "jsonpath={.metadata.uid}")
    bound = ("--bound-object-kind=Secret", "--bound-object-name=s")
    audiences = ("--audience=a", "--audience=b", "--duration=1h")
    request = orjson.loads(
        await kubectl(
            "create", "token", "default", *audiences, *bound, f"--bound-object-uid={uid}", "-ojson"
        )
    )
    payload = request["status"]["token"].split(".")[1]
    claims = orjson.loads(base64.urlsafe_b64decode(payload + "=="))
    assert (claims["aud"], claims["exp"] - claims["iat"]) == (["a", "b"], 3600)
    assert claims["kubernetes.io"]["secret"] == {"name": "s", "uid": uid}
    stale = await kubectl.run("create", "token", "default", *bound, "--bound-object-uid=x")
    assert "does not match the UID in record" in stale.err
    unknown = await kubectl.run("create", "token", "ghost")
    assert 'serviceaccounts "ghost" not found' in unknown.err
