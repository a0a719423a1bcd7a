"""`kubelet.projected_volume`: sources in order, a broken one does not stop the others."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from podpass.api.resources import Object
from podpass.kubelet.downward_api import NodeFacts
from podpass.kubelet.projected_volume import ProjectedVolume
from podpass.kubelet.token_manager import TokenKey
from podpass.testing.fake_clock import FakeClock
from podpass.testing.fake_object_source import FakeObjectSource

NODE = NodeFacts("master-0", "127.0.0.11", {"cpu": "2", "memory": "1024Ki"})
TOKEN = {"serviceAccountToken": {"path": "token", "expirationSeconds": 600, "audience": "vault"}}
ROOT_CA = {"configMap": {"name": "kube-root-ca.crt"}}


def pod(**spec: Any) -> Object:
    metadata = {"name": "p", "namespace": "ns", "uid": "u", "labels": {"b": '2"', "a": "1"}}
    return {
        "metadata": metadata,
        "spec": {"serviceAccountName": "robot", "containers": [{"name": "c"}]} | spec,
    }


def projected(*sources: Object, **fields: Any) -> Object:
    return {"name": "v", "projected": {"sources": [*sources]} | fields}


@pytest.fixture
def source() -> FakeObjectSource:
    return FakeObjectSource(
        config_maps={"ns/kube-root-ca.crt": {"ca.crt": "CA"}, "ns/settings": {"a": "1", "b": "2"}},
        secrets={"ns/keys": {"key": b"\x00\xff"}},
    )


@pytest.fixture
def volume(tmp_path: Path, source: FakeObjectSource) -> ProjectedVolume:
    return ProjectedVolume(tmp_path, source, NODE, FakeClock())


def visible(directory: Path) -> dict[str, bytes]:
    return {
        one.name: one.read_bytes() for one in directory.iterdir() if not one.name.startswith("..")
    }


@pytest.mark.rule(
    "volume.token-content",
    "volume.optional",
    "projected.later-source-wins",
    "case.projected.downward",
    "volume.item-mode",
)
@pytest.mark.parametrize(
    ("sources", "files"),
    [
        pytest.param([TOKEN], {"token": b"token-1"}, id="a token, without a newline"),
        pytest.param([ROOT_CA], {"ca.crt": b"CA"}, id="all of a ConfigMap"),
        pytest.param(
            [{"configMap": {"name": "settings", "items": [{"key": "b", "path": "x"}]}}],
            {"x": b"2"},
            id="one key of a ConfigMap",
        ),
        pytest.param([{"secret": {"name": "keys"}}], {"key": b"\x00\xff"}, id="a Secret"),
        pytest.param(
            [
                {
                    "downwardAPI": {
                        "items": [
                            {"path": "ns", "fieldRef": {"fieldPath": "metadata.namespace"}},
                            {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
                            {
                                "path": "cpu",
                                "resourceFieldRef": {
                                    "containerName": "c", "resource": "limits.cpu",
                                },
                            },
                        ]
                    }
                }
            ],
            {"ns": b"ns", "labels": b'a="1"\nb="2\\""', "cpu": b"2"},
            id="facts about the pod",
        ),
        pytest.param(
            [{"secret": {"name": "none", "optional": True}}, TOKEN],
            {"token": b"token-1"},
            id="a missing optional Secret",
        ),
        pytest.param(
            [{"configMap": {"name": "none", "optional": True}}, TOKEN],
            {"token": b"token-1"},
            id="a missing optional ConfigMap",
        ),
        pytest.param(
            [
                {
                    "configMap": {
                        "name": "settings",
                        "items": [{"key": "c", "path": "c"}, {"key": "a", "path": "a"}],
                        "optional": True,
                    }
                }
            ],
            {"a": b"1"},
            id="a missing key of an optional ConfigMap",
        ),
        pytest.param(
            [
                {"configMap": {"name": "settings", "items": [{"key": "a", "path": "token"}]}},
                TOKEN,
            ],
            {"token": b"token-1"},
            id="the later source wins a path",
        ),
        pytest.param([{}, TOKEN], {"token": b"token-1"}, id="an empty source"),
    ],
)  # fmt: skip
async def test_files(
    tmp_path: Path, volume: ProjectedVolume, sources: list[Object], files: dict[str, bytes]
) -> None:
    result = await volume.project(
        pod(),
        projected(*sources),
    )
    assert result.failures == ()
    assert result.written
    assert visible(tmp_path) == files


@pytest.mark.parametrize(
    ("kind", "files"),
    [
        pytest.param({"configMap": {"name": "settings"}}, {"a": b"1", "b": b"2"}, id="configMap"),
        pytest.param({"secret": {"secretName": "keys"}}, {"key": b"\x00\xff"}, id="secret"),
        pytest.param(
            {"downwardAPI": {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]}},
            {"n": b"p"},
            id="downwardAPI",
        ),
    ],
)
async def test_volumes_of_one_source(
    tmp_path: Path, volume: ProjectedVolume, kind: Object, files: dict[str, bytes]
) -> None:
    assert (await volume.project(pod(), {"name": "v"} | kind)).failures == ()
    assert visible(tmp_path) == files


async def test_binary_data_of_a_config_map_is_decoded(tmp_path: Path) -> None:
    class Binary(FakeObjectSource):
        async def config_map(self, namespace: str, name: str) -> Object | None:
            del namespace, name
            return {"binaryData": {"b": "AP8="}}

    writer = ProjectedVolume(tmp_path, Binary(), NODE, FakeClock())
    await writer.project(pod(), projected(ROOT_CA))
    assert visible(tmp_path) == {"b": b"\x00\xff"}


@pytest.mark.rule("volume.token-request")
async def test_the_token_is_asked_for_the_pod(
    volume: ProjectedVolume, source: FakeObjectSource
) -> None:
    plain = {"serviceAccountToken": {"path": "other"}}
    await volume.project(pod(), projected(TOKEN, plain))
    assert source.keys == [
        TokenKey("ns", "robot", ("vault",), 600, "p", "u"),
        TokenKey("ns", "robot", (), 3600, "p", "u"),
    ]


@pytest.mark.rule("volume.optional", "volume.first-mount")
@pytest.mark.parametrize(
    ("sources", "message"),
    [
        pytest.param(
            [{"configMap": {"name": "none"}}], 'configmap "none" not found', id="no ConfigMap"
        ),
        pytest.param([{"secret": {"name": "none"}}], 'secret "none" not found', id="no Secret"),
        pytest.param(
            [{"configMap": {"name": "settings", "items": [{"key": "k", "path": "p"}]}}],
            "configmap references non-existent config key: k",
            id="no key of a ConfigMap",
        ),
        pytest.param(
            [{"secret": {"name": "keys", "items": [{"key": "k", "path": "p"}]}}],
            "references non-existent secret key: k",
            id="no key of a Secret",
        ),
        pytest.param(
            [{"downwardAPI": {"items": [{"path": "p", "fieldRef": {"fieldPath": "spec.x"}}]}}],
            "unsupported fieldPath: spec.x",
            id="no such field",
        ),
        pytest.param(
            [{"clusterTrustBundle": {"path": "p"}}],
            "projected volume source is not supported: clusterTrustBundle",
            id="a source that is not served",
        ),
        pytest.param(
            [{"secret": {"name": "none"}}, {"configMap": {"name": "none"}}],
            '[secret "none" not found, configmap "none" not found]',
            id="two failures in brackets",
        ),
        pytest.param(
            [{"secret": {"name": "none"}}, {"secret": {"name": "none"}}],
            'secret "none" not found',
            id="the same failure twice",
        ),
        pytest.param(
            [{"serviceAccountToken": {"path": "../up"}}],
            "invalid path: must not contain '..': ../up",
            id="a path out of the volume",
        ),
    ],
)
async def test_the_first_time_nothing_is_written_unless_all_is_there(
    tmp_path: Path, volume: ProjectedVolume, sources: list[Object], message: str
) -> None:
    result = await volume.project(pod(), projected(TOKEN, *sources))
    assert result.message == message
    assert not result.written
    assert not volume.published
    assert [*tmp_path.iterdir()] == []


@pytest.mark.rule("volume.failing-source")
async def test_a_broken_source_does_not_stop_the_rotation_beside_it(
    tmp_path: Path, volume: ProjectedVolume, source: FakeObjectSource
) -> None:
    wanted = projected(TOKEN, ROOT_CA)
    await volume.project(pod(), wanted)
    del source.config_maps["ns/kube-root-ca.crt"]
    source.token_text = "token-2"
    result = await volume.project(pod(), wanted)
    assert result.written
    assert result.message == 'configmap "kube-root-ca.crt" not found'
    assert visible(tmp_path) == {"token": b"token-2", "ca.crt": b"CA"}
    source.config_maps["ns/kube-root-ca.crt"] = {"ca.crt": "NEW"}
    assert (await volume.project(pod(), wanted)).failures == ()
    assert visible(tmp_path) == {"token": b"token-2", "ca.crt": b"NEW"}


@pytest.mark.rule("volume.failing-source")
async def test_a_token_that_cannot_be_had_stays_and_the_others_are_written(
    tmp_path: Path, volume: ProjectedVolume, source: FakeObjectSource
) -> None:
    wanted = projected(TOKEN, ROOT_CA)
    await volume.project(pod(), wanted)
    source.token_failure = "failed to fetch token: away"
    source.config_maps["ns/kube-root-ca.crt"] = {"ca.crt": "NEW"}
    result = await volume.project(pod(), wanted)
    assert result.message == "failed to fetch token: away"
    assert visible(tmp_path) == {"token": b"token-1", "ca.crt": b"NEW"}


@pytest.mark.rule("atomic.unchanged")
async def test_what_did_not_change_is_not_written_again(
    volume: ProjectedVolume, tmp_path: Path
) -> None:
    wanted = projected(TOKEN)
    await volume.project(pod(), wanted)
    before = (tmp_path / "..data").readlink()
    assert not (await volume.project(pod(), wanted)).written
    assert (tmp_path / "..data").readlink() == before


async def test_superseded_files_are_pruned(
    volume: ProjectedVolume, tmp_path: Path, source: FakeObjectSource
) -> None:
    await volume.project(pod(), projected(TOKEN))
    source.token_text = "token-2"
    await volume.project(pod(), projected(TOKEN))
    volume.prune()
    assert len([one for one in tmp_path.iterdir() if one.name.startswith("..2")]) == 1


ROOT = os.geteuid() == 0
ME, MY_GROUP = os.geteuid(), os.getegid()


@pytest.mark.rule("volume.mode-plain", "volume.mode-user", "volume.mode-group", "volume.mode-both")
@pytest.mark.parametrize(
    ("context", "container", "mode", "owner", "group"),
    [
        pytest.param({}, {}, 0o644, ME, MY_GROUP, id="nobody in particular"),
        pytest.param({"runAsUser": 4711}, {}, 0o600, 4711, MY_GROUP, id="one user"),
        pytest.param({"fsGroup": 4712}, {}, 0o640, ME, 4712, id="a group"),
        pytest.param(
            {"runAsUser": 4711, "fsGroup": 4712}, {}, 0o640, 4711, 4712, id="user and group"
        ),
        pytest.param({}, {"runAsUser": 4711}, 0o600, 4711, MY_GROUP, id="the only container's"),
        pytest.param({"runAsUser": 1}, {"runAsUser": 2}, 0o600, 2, MY_GROUP, id="it wins"),
    ],
)
async def test_the_token_is_for_those_who_must_read_it(
    tmp_path: Path,
    volume: ProjectedVolume,
    context: Object,
    container: Object,
    mode: int,
    owner: int,
    group: int,
) -> None:
    containers = [{"name": "c", "securityContext": container}]
    wanted = pod(securityContext=context, containers=containers)
    await volume.project(wanted, projected(TOKEN, ROOT_CA))
    status = (tmp_path / "token").stat()
    assert stat.S_IMODE(status.st_mode) == mode
    if ROOT:  # others may not give files away, and need not: the pod runs as them
        assert (status.st_uid, status.st_gid) == (owner, group)
        assert (tmp_path / "token").lstat().st_uid == owner
        assert (tmp_path / "ca.crt").stat().st_gid == group
    assert stat.S_IMODE((tmp_path / "ca.crt").stat().st_mode) == 0o644


@pytest.mark.rule("volume.fs-group-others")
async def test_the_group_may_enter_the_directories(tmp_path: Path, volume: ProjectedVolume) -> None:
    sub = {"serviceAccountToken": {"path": "sub/token"}}
    await volume.project(pod(securityContext={"fsGroup": os.getegid()}), projected(sub))
    assert (tmp_path / "sub").stat().st_mode & 0o2550 == 0o2550


@pytest.mark.rule("volume.common-user")
@pytest.mark.parametrize(
    "containers",
    [
        pytest.param(
            [
                {"name": "a", "securityContext": {"runAsUser": 1}},
                {"name": "b", "securityContext": {"runAsUser": 2}},
            ],
            id="two users",
        ),
        pytest.param(
            [{"name": "a", "securityContext": {"runAsUser": 1}}, {"name": "b"}],
            id="one that does not say",
        ),
    ],
)
async def test_users_that_differ_share_the_default_mode(
    tmp_path: Path, volume: ProjectedVolume, containers: list[Object]
) -> None:
    await volume.project(pod(containers=containers), projected(TOKEN, defaultMode=0o440))
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o440


@pytest.mark.rule("volume.item-mode")
async def test_items_have_modes_of_their_own(tmp_path: Path, volume: ProjectedVolume) -> None:
    items = [{"key": "a", "path": "a", "mode": 0o400}, {"key": "b", "path": "b"}]
    await volume.project(
        pod(), projected({"configMap": {"name": "settings", "items": items}}, defaultMode=0o444)
    )
    modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"}
    assert modes == {"a": 0o400, "b": 0o444}


@pytest.mark.rule("case.projected.missing-key")
async def test_a_missing_key_leaves_nothing_behind(tmp_path: Path, volume: ProjectedVolume) -> None:
    missing = {"configMap": {"name": "settings", "items": [{"key": "none", "path": "x"}]}}
    done = await volume.project(pod(), projected(missing))
    assert done.failures
    assert list(tmp_path.iterdir()) == []


@pytest.mark.rule("case.projected.optional-empty")
async def test_optional_sources_that_are_missing_leave_an_empty_volume(
    tmp_path: Path, volume: ProjectedVolume
) -> None:
    done = await volume.project(pod(), projected({"secret": {"name": "none", "optional": True}}))
    assert not done.failures
    assert visible(tmp_path) == {}
    assert list((tmp_path / "..data").iterdir()) == []


@pytest.mark.rule("case.e2e.projected-secret-namespaces")
async def test_an_object_of_that_name_elsewhere_does_not_matter(
    tmp_path: Path, volume: ProjectedVolume, source: FakeObjectSource
) -> None:
    source.secrets["other/keys"] = {"key": b"foreign", "more": b"x"}
    await volume.project(pod(), projected({"secret": {"name": "keys"}}))
    assert visible(tmp_path) == {"key": b"\x00\xff"}


@pytest.mark.rule("volume.common-user")
@pytest.mark.parametrize(
    ("group", "user", "mode"),
    [
        pytest.param("initContainers", 1, 0o600, id="an init container of the same user"),
        pytest.param("initContainers", 2, 0o640, id="an init container of another user"),
        pytest.param("initContainers", None, 0o640, id="an init container that does not say"),
    ],
)
async def test_all_containers_count_for_a_common_user(
    tmp_path: Path, volume: ProjectedVolume, group: str, user: int | None, mode: int
) -> None:
    one: Object = {"name": "a", "securityContext": {"runAsUser": os.getuid() + 1}}
    context = {} if user is None else {"runAsUser": os.getuid() + user}
    containers = {"containers": [one], group: [{"name": "i", "securityContext": context}]}
    await volume.project(pod(**containers), projected(TOKEN, defaultMode=0o640))
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == mode
