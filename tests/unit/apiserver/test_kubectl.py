"""The real kubectl against the real server."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
import yaml
from apiserver.api_calls import node, pod
from apiserver.kubectl_calls import KUBECTL, Kubectl, write_kubeconfig
from apiserver.stub_kubelet import StubKubelet

from podpass.api.errors import StatusError
from podpass.storage.location import open_store
from podpass.testing.api_server import TestPki, running_api_server

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed beside python")

SEED_POD = """
kind: Pod
apiVersion: v1
metadata:
  name: nginx
spec:
  containers:
  - image: nginx
    name: nginx
    volumeMounts:
    - mountPath: /var/run/secrets/tokens
      name: vault-token
  serviceAccountName: build-robot
  volumes:
  - name: vault-token
    projected:
      sources:
      - serviceAccountToken:
          path: vault-token
          expirationSeconds: 7200
          audience: vault
"""


@pytest.fixture
async def kubectl(pki: TestPki, tmp_path: Path) -> AsyncIterator[Kubectl]:
    store = await open_store(f"sqlite://{tmp_path}/podpass.db")
    try:
        async with running_api_server(store, pki) as api:
            write_kubeconfig(tmp_path / "config", api)
            yield Kubectl(tmp_path / "config")
    finally:
        await store.close()


async def test_the_pod_of_the_seed_is_created_shown_and_deleted(kubectl: Kubectl) -> None:
    assert await kubectl("create", "sa", "build-robot") == "serviceaccount/build-robot created\n"
    assert await kubectl("create", "-f", "-", stdin=SEED_POD) == "pod/nginx created\n"
    shown = (await kubectl("get", "pods")).splitlines()
    assert shown[0].split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert shown[1].split()[:3] == ["nginx", "0/1", "Pending"]
    described = await kubectl("describe", "pod", "nginx")
    assert "TokenExpirationSeconds:  7200" in described
    wide = await kubectl("get", "pods", "-A", "-o", "wide")
    assert "NOMINATED NODE" in wide
    audience = "{.spec.volumes[0].projected.sources[0].serviceAccountToken.audience}"
    assert await kubectl("get", "pod", "nginx", "-o", f"jsonpath={audience}") == "vault"
    assert "deleted" in await kubectl("delete", "pod", "nginx")
    assert (await kubectl.run("get", "pod", "nginx")).err == (
        'Error from server (NotFound): pods "nginx" not found\n'
    )


@pytest.mark.rule("kubectl.token", "kubectl.server-errors")
async def test_a_token_is_created_and_too_short_a_life_is_refused(kubectl: Kubectl) -> None:
    await kubectl("create", "sa", "build-robot")
    token = await kubectl("create", "token", "build-robot", "--audience=vault", "--duration=10m")
    payload = token.split(".")[1]
    claims = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["aud"] == ["vault"]
    assert claims["exp"] - claims["iat"] == 600
    refused = await kubectl.run("create", "token", "build-robot", "--duration=599s")
    assert refused.code == 1
    assert "may not specify a duration less than 10 minutes" in refused.err
    ghost = await kubectl.run("create", "token", "ghost")
    assert 'serviceaccounts "ghost" not found' in ghost.err


async def test_apply_edit_patch_label_and_diff(kubectl: Kubectl) -> None:
    def manifest(value: str) -> str:
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "a"},
                "data": {"k": value},
            }
        )

    async def value() -> str:
        return await kubectl("get", "cm", "a", "-o", "jsonpath={.data.k}")

    assert await kubectl("apply", "-f", "-", stdin=manifest("one")) == "configmap/a created\n"
    assert "configured" in await kubectl("apply", "-f", "-", stdin=manifest("two"))
    assert "unchanged" in await kubectl("apply", "-f", "-", stdin=manifest("two"))
    assert (await kubectl.run("diff", "-f", "-", stdin=manifest("two"))).code == 0
    assert (await kubectl.run("diff", "-f", "-", stdin=manifest("x"))).code == 1
    assert await value() == "two"
    edit = "sed -i s/two/edited/"
    assert "edited" in await kubectl("edit", "cm", "a", EDITOR=edit, KUBE_EDITOR=edit)
    assert await value() == "edited"
    patch = '[{"op":"replace","path":"/data/k","value":"json"}]'
    await kubectl("patch", "cm", "a", "--type=json", "-p", patch)
    assert await value() == "json"
    await kubectl("patch", "cm", "a", "--type=merge", "-p", '{"data":{"k":"merge"}}')
    assert await value() == "merge"
    await kubectl("patch", "cm", "a", "-p", '{"data":{"k":"strategic"}}')
    assert await value() == "strategic"
    await kubectl("label", "cm", "a", "app=web")
    assert (await kubectl("get", "cm", "-l", "app=web", "-o", "name")) == "configmap/a\n"
    assert await kubectl("replace", "-f", "-", stdin=manifest("new")) == "configmap/a replaced\n"
    dry = await kubectl("create", "cm", "b", "--dry-run=server")
    assert "server dry run" in dry
    assert "deleted" in await kubectl("delete", "cm", "--all")
    assert await kubectl("get", "cm", "-o", "name") == ""


async def test_unknown_fields_are_named(kubectl: Kubectl) -> None:
    manifest = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"datum":{}}'
    refused = await kubectl.run("create", "-f", "-", stdin=manifest)
    assert refused.code == 1
    assert 'strict decoding error: unknown field "datum"' in refused.err
    warned = await kubectl.run("create", "--validate=warn", "-f", "-", stdin=manifest)
    assert warned.code == 0
    assert 'Warning: unknown field "datum"' in warned.err


async def test_who_may_do_what(kubectl: Kubectl) -> None:
    await kubectl("create", "sa", "build-robot")
    robot = "--as=system:serviceaccount:default:build-robot"
    assert await kubectl("auth", "can-i", "delete", "pods") == "yes\n"
    denied = await kubectl.run("auth", "can-i", "get", "pods", robot)
    assert (denied.code, denied.out) == (1, "no\n")
    await kubectl("create", "role", "reader", "--verb=get,list", "--resource=pods")
    await kubectl(
        "create", "rolebinding", "reader", "--role=reader", "--serviceaccount=default:build-robot"
    )
    assert await kubectl("auth", "can-i", "get", "pods", robot) == "yes\n"
    assert (await kubectl.run("get", "secrets", robot)).code == 1
    assert "system:masters" in await kubectl("auth", "whoami")


async def test_the_api_is_described(kubectl: Kubectl) -> None:
    listed = await kubectl("api-resources", "--no-headers")
    assert any(row.split()[:3] == ["serviceaccounts", "sa", "v1"] for row in listed.splitlines())
    assert "rbac.authorization.k8s.io/v1\n" in await kubectl("api-versions")
    explained = await kubectl("explain", "pod.spec.volumes.projected.sources.serviceAccountToken")
    assert "expirationSeconds" in explained
    version = orjson.loads(await kubectl("version", "-o", "json"))
    assert version["serverVersion"]["minor"] == "36"
    assert await kubectl("get", "--raw", "/readyz") == "ok"


async def test_a_watch_shows_changes_and_wait_returns(kubectl: Kubectl) -> None:
    watch = await kubectl.start("get", "cm", "-w", "--output-watch-events")
    try:
        await kubectl("create", "cm", "a")
        assert (await watch.stdout.readline()).split()[0] == b"EVENT"
        assert (await watch.stdout.readline()).split()[:2] == [b"ADDED", b"a"]
        gone = await kubectl.start("wait", "--for=delete", "cm/a", "--timeout=20s")
        await kubectl("delete", "cm", "a")
        await gone.communicate()
        assert gone.returncode == 0
        assert (await watch.stdout.readline()).split()[:2] == [b"DELETED", b"a"]
    finally:
        watch.terminate()
        await watch.communicate()


async def test_wait_sees_a_condition(kubectl: Kubectl) -> None:
    await kubectl("create", "sa", "build-robot")
    await kubectl("create", "-f", "-", stdin=SEED_POD)
    waiting = await kubectl.start("wait", "--for=condition=Ready", "pod/nginx", "--timeout=20s")
    status = '{"status":{"conditions":[{"type":"Ready","status":"True"}]}}'
    await kubectl("patch", "pod", "nginx", "--subresource=status", "--type=merge", "-p", status)
    out, err = await waiting.communicate()
    assert (waiting.returncode, out) == (0, b"pod/nginx condition met\n"), err


async def test_namespaces_come_and_are_marked(kubectl: Kubectl) -> None:
    await kubectl("create", "ns", "team")
    await kubectl("create", "secret", "generic", "s", "--from-literal=a=b", "-n", "team")
    await kubectl("delete", "ns", "team", "--wait=false")
    row = (await kubectl("get", "ns", "team", "--no-headers")).split()
    assert row[:2] == ["team", "Terminating"]
    refused = await kubectl.run("create", "cm", "late", "-n", "team")
    assert "because it is being terminated" in refused.err
    immortal = await kubectl.run("delete", "ns", "default")
    assert "this namespace may not be deleted" in immortal.err


async def test_logs_and_exec_reach_the_kubelet(kubectl: Kubectl, pki: TestPki) -> None:
    async with StubKubelet(pki).running() as kubelet:
        await kubectl("create", "sa", "default")
        worker = orjson.dumps(node("n", port=kubelet.port)).decode()
        await kubectl("create", "-f", "-", stdin=worker)
        await kubectl("create", "-f", "-", stdin=orjson.dumps(pod("p", nodeName="n")).decode())
        assert await kubectl("logs", "p", "--tail=3") == "first line\n"
        assert await kubectl("exec", "-i", "p", "--", "cat", stdin="hello\n") == "hello\n"
        kubelet.exit_code = 3
        failed = await kubectl.run("exec", "p", "-i", "--", "false")
        assert failed.code == 3
        kubelet.refusal = StatusError(404, "NotFound", "no such container")
        refused = await kubectl.run("exec", "p", "--", "cat")
        assert refused.code == 1
        assert "container not found" in refused.err
        ghost = await kubectl.run("exec", "ghost", "--", "cat")
        assert 'pods "ghost" not found' in ghost.err
