"""Account, token volume, pull secrets and mirror pods."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from podpass.api.errors import StatusError
from podpass.api.meta import UserInfo
from podpass.api.resources import PODS, SECRETS, SERVICE_ACCOUNTS, Object, Resource
from podpass.apiserver.admission.chain import AdmissionRequest, Operation
from podpass.apiserver.admission.mountable_secrets import enforces
from podpass.apiserver.admission.service_account import MOUNT_PATH, ServiceAccountAdmission
from podpass.testing.fake_clock import settle

from .conftest import World

MIRROR = {"kubernetes.io/config.mirror": "hash"}
ENFORCE = "kubernetes.io/enforce-mountable-secrets"


def asked(
    spec: Object | None = None,
    *,
    annotations: dict[str, str] | None = None,
    operation: Operation = "CREATE",
    resource: Resource = PODS,
    subresource: str = "",
) -> AdmissionRequest:
    pod: Object = {"metadata": {"name": "p", "annotations": annotations or {}}}
    if spec is not None:
        pod["spec"] = spec
    return AdmissionRequest(
        operation=operation,
        resource=resource,
        user=UserInfo("ann"),
        namespace="ns1",
        subresource=subresource,
        object=pod,
    )


async def admit(world: World, request: AdmissionRequest) -> Object:
    plugin = ServiceAccountAdmission(world.live, world.clock)
    await plugin.mutate(request)
    await plugin.validate(request)
    assert request.object is not None
    spec: Object = request.object.get("spec", {})
    return spec


async def refused(world: World, request: AdmissionRequest) -> str:
    with pytest.raises(StatusError) as caught:
        await admit(world, request)
    assert caught.value.code == 403
    prefix = 'pods "p" is forbidden: '
    assert caught.value.message.startswith(prefix)
    return caught.value.message.removeprefix(prefix)


def container(name: str = "c", **more: Any) -> Object:
    return {"name": name, **more}


@pytest.mark.rule(
    "admission.default-account",
    "admission.volume-sources",
    "admission.no-fourth-source",
    "admission.volume-name",
    "admission.mount-containers",
)
async def test_a_plain_pod_gets_account_and_volume(world: World) -> None:
    await world.put_account("default")
    spec = await admit(
        world, asked({"initContainers": [container("i")], "containers": [container()]})
    )
    assert spec["serviceAccountName"] == spec["serviceAccount"] == "default"
    (volume,) = spec["volumes"]
    name = volume["name"]
    assert name.startswith("kube-api-access-")
    assert len(name) == len("kube-api-access-") + 5
    assert volume["projected"] == {
        "defaultMode": 420,
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {
                "configMap": {
                    "name": "kube-root-ca.crt",
                    "items": [{"key": "ca.crt", "path": "ca.crt"}],
                }
            },
            {
                "downwardAPI": {
                    "items": [
                        {
                            "path": "namespace",
                            "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                        }
                    ]
                }
            },
        ],
    }
    mount = {"name": name, "readOnly": True, "mountPath": MOUNT_PATH}
    assert [one["volumeMounts"] for one in (*spec["initContainers"], *spec["containers"])] == [
        [mount],
        [mount],
    ]


@pytest.mark.rule("admission.default-account")
async def test_a_pod_without_spec_gets_its_account(world: World) -> None:
    await world.put_account("default")
    assert (await admit(world, asked()))["serviceAccountName"] == "default"


@pytest.mark.rule("admission.mount-kept")
async def test_what_is_mounted_there_already_stays(world: World) -> None:
    await world.put_account("default")
    own = {"name": "own", "mountPath": MOUNT_PATH}
    spec = await admit(world, asked({"containers": [container(volumeMounts=[own])]}))
    assert "volumes" not in spec
    assert spec["containers"][0]["volumeMounts"] == [own]


@pytest.mark.rule("admission.volume-reused")
async def test_a_volume_of_that_name_is_used_again(world: World) -> None:
    await world.put_account("default")
    volumes = [{"name": "a"}, {"name": "kube-api-access-e2e"}]
    other = {"name": "a", "mountPath": "/a"}
    spec = await admit(
        world, asked({"volumes": volumes, "containers": [container(volumeMounts=[other])]})
    )
    assert spec["volumes"] == volumes
    assert [one["name"] for one in spec["containers"][0]["volumeMounts"]] == [
        "a",
        "kube-api-access-e2e",
    ]


@pytest.mark.rule("admission.automount")
@pytest.mark.parametrize(
    ("of_pod", "of_account", "mounted"),
    [
        pytest.param(None, None, True, id="nobody says anything"),
        pytest.param(None, True, True, id="the account says yes"),
        pytest.param(None, False, False, id="the account says no"),
        pytest.param(True, None, True, id="the pod says yes"),
        pytest.param(True, True, True, id="both say yes"),
        pytest.param(True, False, True, id="the pod overrules the account"),
        pytest.param(False, None, False, id="the pod says no"),
        pytest.param(False, True, False, id="in both directions"),
        pytest.param(False, False, False, id="both say no"),
    ],
)
async def test_who_decides_about_the_mount(
    world: World, of_pod: bool | None, of_account: bool | None, mounted: bool
) -> None:
    more: dict[str, Any] = (
        {} if of_account is None else {"automountServiceAccountToken": of_account}
    )
    await world.put_account("default", **more)
    spec: Object = {"containers": [container()]}
    if of_pod is not None:
        spec["automountServiceAccountToken"] = of_pod
    assert ("volumes" in await admit(world, asked(spec))) is mounted


@pytest.mark.rule("admission.account-missing")
async def test_a_missing_account_is_refused(world: World) -> None:
    text = await refused(world, asked({"serviceAccountName": "robot"}))
    assert text == ('error looking up service account ns1/robot: serviceaccount "robot" not found')


@pytest.mark.rule("admission.default-waited")
async def test_the_default_account_is_waited_for(world: World) -> None:
    admitting = asyncio.create_task(admit(world, asked({})))
    await settle()
    assert 0.1 <= world.clock.sleeping[0] < 0.2
    await world.put_account("default")
    await world.clock.advance(0.2)
    assert (await admitting)["serviceAccountName"] == "default"


@pytest.mark.rule("admission.default-waited")
async def test_the_default_account_is_not_waited_for_long(world: World) -> None:
    refusing = asyncio.create_task(refused(world, asked({})))
    await world.clock.advance(0.9)
    assert not refusing.done()
    await world.clock.advance(0.9)
    assert 'serviceaccount "default" not found' in await refusing


async def test_a_store_that_is_away_is_not_a_missing_account(world: World) -> None:
    world.store.failure = "disk I/O error"
    with pytest.raises(StatusError) as caught:
        await admit(world, asked({}))
    world.store.failure = ""
    assert caught.value.code == 503


@pytest.mark.rule("admission.pull-secrets")
async def test_pull_secrets_come_from_the_account_as_a_copy(world: World) -> None:
    await world.put_account(imagePullSecrets=[{"name": "pull"}])
    spec = await admit(world, asked({"serviceAccountName": "app"}))
    assert spec["imagePullSecrets"] == [{"name": "pull"}]
    spec["imagePullSecrets"][0]["name"] = "changed"
    account = world.cached.cached(SERVICE_ACCOUNTS, "ns1", "app")
    assert account is not None
    assert account["imagePullSecrets"] == [{"name": "pull"}]


@pytest.mark.rule("admission.pull-secrets")
async def test_own_pull_secrets_stay(world: World) -> None:
    await world.put_account(imagePullSecrets=[{"name": "pull"}])
    own = [{"name": "own"}]
    spec = await admit(world, asked({"serviceAccountName": "app", "imagePullSecrets": own}))
    assert spec["imagePullSecrets"] == own


@pytest.mark.rule("admission.scope")
@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(asked({}, operation="UPDATE"), id="an update"),
        pytest.param(asked({}, resource=SECRETS), id="another kind"),
        pytest.param(asked({}, subresource="status"), id="a subresource"),
    ],
)
async def test_what_does_not_concern_it(world: World, request_: AdmissionRequest) -> None:
    assert await admit(world, request_) == {}


@pytest.mark.rule("admission.mirror-untouched")
async def test_a_clean_mirror_pod_is_left_as_it_is(world: World) -> None:
    spec: Object = {
        "containers": [container()],
        "volumes": [{"name": "v", "hostPath": {"path": "/x"}}, {"projected": {"sources": [{}]}}],
    }
    before = repr(spec)
    assert repr(await admit(world, asked(spec, annotations=MIRROR))) == before


@pytest.mark.rule("admission.mirror-refused")
@pytest.mark.parametrize(
    ("spec", "text"),
    [
        pytest.param(
            {"serviceAccountName": "default"},
            "a mirror pod may not reference service accounts",
            id="an account",
        ),
        pytest.param(
            {"volumes": [{"secret": {"secretName": "s"}}]},
            "a mirror pod may not reference secrets",
            id="a secret",
        ),
        pytest.param(
            {"volumes": [{"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]},
            "a mirror pod may not use ServiceAccountToken volume projections",
            id="a token",
        ),
    ],
)
async def test_what_a_mirror_pod_may_not_use(world: World, spec: Object, text: str) -> None:
    assert await refused(world, asked(spec, annotations=MIRROR)) == text


SUFFIX = "is not allowed because service account app does not reference that secret"


@pytest.mark.rule("admission.enforce", "admission.enforce-where")
@pytest.mark.parametrize(
    ("spec", "text"),
    [
        pytest.param(
            {"volumes": [{"secret": {"secretName": "bad"}}]},
            f'volume with secret.secretName="bad" {SUFFIX}',
            id="a volume",
        ),
        pytest.param(
            {
                "initContainers": [
                    container(env=[{"name": "v", "valueFrom": {"secretKeyRef": {"name": "bad"}}}])
                ]
            },
            f'init container c with envVar v referencing secret.secretName="bad" {SUFFIX}',
            id="a variable of an init container",
        ),
        pytest.param(
            {"containers": [container(envFrom=[{"secretRef": {"name": "bad"}}])]},
            f'container c with envFrom referencing secret.secretName="bad" {SUFFIX}',
            id="a whole environment",
        ),
        pytest.param(
            {"imagePullSecrets": [{"name": "pull"}, {"name": "bad"}]},
            'imagePullSecrets[1].name="bad" is not allowed because service account app does not '
            "reference that imagePullSecret",
            id="a pull secret",
        ),
        pytest.param(
            {
                "volumes": [
                    {"secret": {"secretName": "good"}},
                    {"projected": {"sources": [{"secret": {"name": "bad"}}]}},
                ],
                "containers": [
                    container(
                        env=[{"name": "v", "value": "x"}], envFrom=[{"configMapRef": {"name": "x"}}]
                    )
                ],
                "imagePullSecrets": [{"name": "pull"}],
            },
            "",
            id="what the account lists",
            marks=pytest.mark.rule("admission.enforce-projected"),
        ),
    ],
)
@pytest.mark.parametrize("enforce", ["true", "1", "yes", None])
async def test_an_account_that_enforces_its_secrets(
    world: World, spec: Object, text: str, enforce: str | None
) -> None:
    metadata: Object = {"name": "app", "namespace": "ns1"}
    if enforce is not None:
        metadata["annotations"] = {ENFORCE: enforce}
    account: Object = {
        "metadata": metadata,
        "secrets": [{"name": "good"}],
        "imagePullSecrets": [{"name": "pull"}],
    }
    await world.put(SERVICE_ACCOUNTS, account)
    request = asked(spec | {"serviceAccountName": "app", "automountServiceAccountToken": False})
    if text and enforce in ("true", "1"):
        assert await refused(world, request) == text
    else:
        await admit(world, request)


async def test_an_account_without_lists_lists_nothing(world: World) -> None:
    metadata = {"name": "app", "namespace": "ns1", "annotations": {ENFORCE: "true"}}
    await world.put(SERVICE_ACCOUNTS, {"metadata": metadata})
    spec: Object = {"serviceAccountName": "app", "volumes": [{"secret": {"secretName": "s"}}]}
    assert SUFFIX in await refused(world, asked(spec))


@pytest.mark.rule("admission.enforce")
@pytest.mark.parametrize("text", ["1", "t", "T", "true", "TRUE", "True"])
def test_spellings_that_enforce(text: str) -> None:
    assert enforces({"metadata": {"annotations": {ENFORCE: text}}})


@pytest.mark.rule("admission.enforce")
@pytest.mark.parametrize("text", ["0", "f", "false", "False", "tRUE", "yes", "", " 1"])
def test_spellings_that_do_not(text: str) -> None:
    assert not enforces({"metadata": {"annotations": {ENFORCE: text}}})
