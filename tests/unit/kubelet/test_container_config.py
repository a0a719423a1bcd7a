"""`kubelet.container_config`: what the runtime is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from podpass.api.resources import Object
from podpass.kubelet.container_config import (
    ConfigRefused,
    container_config,
    host_name,
    log_path,
    sandbox_config,
)
from podpass.kubelet.runtime.interface import ContainerConfig, ImageInfo, Mount
from podpass.kubelet.settings import KubeletSettings

HERE = Path("/nowhere")
SETTINGS = KubeletSettings(
    node_name="master-0",
    node_ip="127.0.0.11",
    root_dir=HERE,
    kubeconfig=HERE,
    runtime_dir=HERE,
    images_dir=HERE,
    pod_logs_dir=Path("/logs"),
    api_endpoints=(Path("/run/api.sock"),),
)


def pod(**spec: Any) -> Object:
    return {"metadata": {"name": "p", "namespace": "ns", "uid": "u"}, "spec": spec}


def config(
    container: Object,
    *,
    wanted: Object | None = None,
    image_user: int = 0,
    environment: dict[str, str] | None = None,
    paths: dict[str, Path] | None = None,
) -> ContainerConfig:
    return container_config(
        wanted or pod(),
        {"name": "c", "image": "nginx"} | container,
        attempt=1,
        image=ImageInfo("nginx", "sha256:1", 1, user=image_user),
        environment=environment or {},
        volume_paths=paths or {},
        settings=SETTINGS,
    )


def test_a_sandbox_with_a_network_of_its_own() -> None:
    wanted = pod(hostAliases=[{"ip": "10.0.0.1", "hostnames": ["a", "b"]}])
    made = sandbox_config(wanted, 2, "10.128.0.7", SETTINGS)
    assert (made.namespace, made.name, made.uid, made.attempt) == ("ns", "p", "u", 2)
    assert (made.pod_ip, made.host_network) == ("10.128.0.7", False)
    assert made.api_endpoints == (Path("/run/api.sock"),)
    assert made.service_address == ("172.30.0.1", 443)
    assert made.log_directory == Path("/logs/ns_p_u")
    assert made.hosts["127.0.0.1"] == ("localhost",)
    assert made.hosts["10.128.0.7"] == ("p",)
    assert "kubernetes.default.svc" in made.hosts["172.30.0.1"]
    assert made.hosts["10.0.0.1"] == ("a", "b")


def test_a_sandbox_on_the_nodes_network() -> None:
    made = sandbox_config(pod(hostNetwork=True), 0, None, SETTINGS)
    assert (made.host_network, made.pod_ip, made.api_endpoints) == (True, None, ())
    assert made.service_address is None
    assert made.hostname == "master-0"
    assert made.hosts["127.0.0.1"][0] == "localhost"
    assert "kubernetes" in made.hosts["127.0.0.1"]


@pytest.mark.parametrize(
    ("spec", "name", "expected"),
    [
        pytest.param({}, "p", "p", id="the pod's"),
        pytest.param({"hostname": "h"}, "p", "h", id="as asked for"),
        pytest.param({"subdomain": "s"}, "p", "p", id="a domain is no part of it"),
        pytest.param(
            {"subdomain": "s", "setHostnameAsFQDN": True},
            "p",
            "p.s.ns.svc.cluster.local",
            id="with its domain",
        ),
        pytest.param({"setHostnameAsFQDN": True}, "p", "p", id="without a domain"),
        pytest.param(
            {"hostnameOverride": "a.b", "subdomain": "s"}, "p", "a.b", id="what overrides all"
        ),
        pytest.param({"hostNetwork": True, "subdomain": "s"}, "p", "master-0", id="the node's"),
        pytest.param({}, "x" * 62 + "-y", "x" * 62, id="cut where a name may end"),
    ],
)
def test_host_names(spec: Object, name: str, expected: str) -> None:
    wanted = pod(**spec)
    wanted["metadata"]["name"] = name
    assert host_name(wanted, SETTINGS) == expected


def test_a_pod_with_a_domain_finds_itself_by_both_names() -> None:
    made = sandbox_config(pod(subdomain="s", hostname="h"), 0, "10.128.0.7", SETTINGS)
    assert made.hosts["10.128.0.7"] == ("h.s.ns.svc.cluster.local", "h")


def test_capabilities_are_passed_on() -> None:
    capabilities = {"add": ["NET_ADMIN"], "drop": ["ALL"]}
    made = config({"securityContext": {"capabilities": capabilities}})
    assert (made.add_capabilities, made.drop_capabilities) == (("NET_ADMIN",), ("ALL",))


def test_a_plain_container() -> None:
    made = config({}, environment={"A": "1"})
    assert (made.name, made.attempt, made.image) == ("c", 1, "nginx")
    assert made.log_path == Path("/logs/ns_p_u/c/1.log") == log_path(pod(), "c", 1, SETTINGS)
    assert made.env == {"HOSTNAME": "p", "A": "1"}
    assert (made.run_as_user, made.run_as_group, made.supplemental_groups) == (None, None, ())
    assert not made.read_only_root


def test_command_and_arguments_are_expanded() -> None:
    made = config(
        {"command": ["sh", "$(A)"], "args": ["$(B)"], "workingDir": "/w", "tty": True},
        environment={"A": "1"},
    )
    assert (made.command, made.args) == (("sh", "1"), ("$(B)",))
    assert (made.working_dir, made.tty, made.stdin) == ("/w", True, False)


def test_the_containers_security_context_wins_over_the_pods() -> None:
    context = {"runAsUser": 1, "runAsGroup": 2, "fsGroup": 3, "supplementalGroups": [4]}
    made = config(
        {"securityContext": {"runAsUser": 0, "readOnlyRootFilesystem": True}},
        wanted=pod(securityContext=context),
    )
    assert (made.run_as_user, made.run_as_group, made.supplemental_groups) == (0, 2, (4, 3))
    assert made.read_only_root


@pytest.mark.parametrize(
    ("context", "image_user", "message"),
    [
        pytest.param({}, 0, "image will run as root", id="the image's user is root"),
        pytest.param({"runAsUser": 0}, 1, "runAsUser is 0", id="root is asked for"),
        pytest.param({}, 1, "", id="the image's user is not root"),
        pytest.param({"runAsUser": 1}, 0, "", id="another user is asked for"),
    ],
)
def test_a_container_that_must_not_be_root(context: Object, image_user: int, message: str) -> None:
    container = {"securityContext": context | {"runAsNonRoot": True}}
    if message:
        with pytest.raises(ConfigRefused, match=message):
            config(container, image_user=image_user)
    else:
        assert config(container, image_user=image_user).name == "c"


def mount(**fields: Any) -> Object:
    return {"volumeMounts": [{"name": "v", "mountPath": "/m"} | fields]}


def test_mounts(tmp_path: Path) -> None:
    made = config(mount(readOnly=True), paths={"v": tmp_path})
    assert made.mounts == (Mount(tmp_path, "/m", read_only=True),)


def test_a_mount_without_its_volume_is_refused() -> None:
    with pytest.raises(ConfigRefused, match='no volume "v" is set up'):
        config(mount())


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"subPath": "a/b"}, id="given"),
        pytest.param({"subPathExpr": "$(A)/b"}, id="expanded"),
    ],
)
def test_a_sub_path_is_made(tmp_path: Path, fields: Object) -> None:
    made = config(mount(**fields), paths={"v": tmp_path}, environment={"A": "a"})
    assert made.mounts[0].host_path == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b").is_dir()


@pytest.mark.rule("volume.sub-path", "edge.sub-path")
def test_a_sub_path_of_a_projected_volume_is_the_file_of_now(tmp_path: Path) -> None:
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..2026" / "token").write_text("t")
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "token").symlink_to("..data/token")
    made = config(mount(subPath="token"), paths={"v": tmp_path})
    assert made.mounts[0].host_path == tmp_path / "..2026" / "token"


def test_a_sub_path_may_not_lead_out_of_its_volume(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "out").symlink_to("/etc")
    with pytest.raises(ConfigRefused, match="leads out of volume"):
        config(mount(subPath="out/passwd"), paths={"v": volume})


def test_a_sub_path_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigRefused, match="cannot make subPath"):
        config(mount(subPath="file/x"), paths={"v": tmp_path})


def test_settings_know_where_a_pod_is() -> None:
    settings = replace(SETTINGS, root_dir=Path("/root-dir"))
    assert settings.pod_directory("u") == Path("/root-dir/pods/u")
