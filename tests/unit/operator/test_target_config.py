"""What the API servers are started with."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from click.testing import CliRunner

from podpass.api.resources import Object
from podpass.cli.apiserver import command as apiserver
from podpass.operator.settings import OPENSHIFT
from podpass.operator.static_pod_template import fill_in, static_pod
from podpass.operator.target_config import (
    ConfigMissing,
    merge,
    override_paths,
    render_config,
    render_config_maps,
    shipped_config,
)
from podpass.testing.operator_cluster import FAST, PLANE, make_settings

OBSERVED: Object = {"observedConfig": {"apiServerArguments": {"service-account-issuer": ["x"]}}}


@pytest.mark.parametrize(
    ("base", "over", "merged"),
    [
        pytest.param({"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}, id="objects"),
        pytest.param({"a": [1, 2]}, {"a": [3]}, {"a": [3]}, id="lists are replaced"),
        pytest.param({"a": {"b": 1}}, {"a": 1}, {"a": 1}, id="the later part wins"),
        pytest.param({"a": 1}, {}, {"a": 1}, id="what is not there changes nothing"),
    ],
)
def test_merging(base: Object, over: Object, merged: Object) -> None:
    assert merge(base, over) == merged


def test_without_an_observation_there_is_nothing_to_render() -> None:
    with pytest.raises(ConfigMissing, match="no observedConfig"):
        render_config({}, PLANE, FAST)


def test_overrides_win_over_what_was_observed() -> None:
    forced = {"apiServerArguments": {"service-account-issuer": ["y"]}}
    text = render_config(OBSERVED | {"unsupportedConfigOverrides": forced}, PLANE, FAST)
    arguments = orjson.loads(text)["apiServerArguments"]
    assert arguments["service-account-issuer"] == ["y"]
    assert arguments["api-audiences"] == ["https://kubernetes.default.svc"]


def test_the_api_server_knows_every_shipped_argument() -> None:
    known = {option for one in apiserver.params for option in one.opts}
    for name in shipped_config(PLANE, FAST)["apiServerArguments"]:
        assert f"--{name}" in known
    assert CliRunner().invoke(apiserver, ["--help"]).exit_code == 0


def test_the_times_of_openshift() -> None:
    config = shipped_config(PLANE, OPENSHIFT)["apiServerArguments"]
    assert config["shutdown-delay-duration"] == ["70000ms"]
    assert static_pod(PLANE, OPENSHIFT)["spec"]["terminationGracePeriodSeconds"] == 135


@pytest.mark.parametrize(("level", "number"), [("", "2"), ("Normal", "2"), ("TraceAll", "10")])
def test_a_log_level_is_a_change_of_the_pod(level: str, number: str) -> None:
    annotations = static_pod(PLANE, FAST, log_level=level)["metadata"]["annotations"]
    assert annotations["operator.openshift.io/verbosity"] == number


def test_a_reason_to_redeploy_is_a_change_of_the_pod_config_map() -> None:
    data = render_config_maps(OBSERVED | {"forceRedeploymentReason": "why"}, make_settings())
    assert data["kube-apiserver-pod"]["forceRedeploymentReason"] == "why"


def test_the_template_is_filled_in_for_a_node() -> None:
    text = render_config_maps(OBSERVED, make_settings())["kube-apiserver-pod"]["pod.yaml"]
    pod = orjson.loads(fill_in(text, revision=12, node_name="master-1", node_ip="127.0.0.12"))
    assert pod["metadata"]["labels"]["revision"] == "12"
    paths = [one["hostPath"]["path"] for one in pod["spec"]["volumes"]]
    assert paths[:2] == [
        "/home/cluster/nodes/master-1/resources/kube-apiserver-pod-12",
        "/home/cluster/nodes/master-1/resources/kube-apiserver-certs",
    ]
    probe = pod["spec"]["containers"][0]["readinessProbe"]
    assert probe["httpGet"]["host"] == "127.0.0.12"


def test_the_shared_address_of_one_node_is_not_bound_twice() -> None:
    plane = replace(PLANE, shared_ip="NODE_IP")
    assert shipped_config(plane, FAST)["apiServerArguments"]["bind-address"] == ["NODE_IP"]


@pytest.mark.parametrize(
    ("endpoint", "inside", "directories"),
    [
        pytest.param(
            "/run/kms/s.sock",
            "/var/lib/podpass/signer/s.sock",
            [("/run/kms", "/var/lib/podpass/signer")],
            id="the directory of a path is mounted",
        ),
        pytest.param("@kms.prod", "@kms.prod", [], id="an abstract socket needs no directory"),
    ],
)
def test_an_external_signer_takes_the_place_of_the_key_files(
    endpoint: str, inside: str, directories: list[tuple[str, str]]
) -> None:
    plane = replace(PLANE, signing_endpoint=endpoint)
    config = shipped_config(plane, FAST)
    assert config["apiServerArguments"]["service-account-signing-endpoint"] == [inside]
    assert "service-account-signing-key-file" not in config["apiServerArguments"]
    assert config["serviceAccountPublicKeyFiles"] == []
    spec = static_pod(plane, FAST)["spec"]
    hosts = {one["name"]: one["hostPath"]["path"] for one in spec["volumes"]}
    mounts = {one["name"]: one["mountPath"] for one in spec["containers"][0]["volumeMounts"]}
    usual = {one["name"] for one in static_pod(PLANE, FAST)["spec"]["volumes"]}
    assert [(hosts[name], mounts[name]) for name in hosts.keys() - usual] == directories


@pytest.mark.parametrize(
    ("overrides", "paths"),
    [
        pytest.param({"b": 1, "a": {"d": [], "c": {}}}, ["a.c", "a.d", "b"], id="sorted leaves"),
        pytest.param({}, [], id="none"),
    ],
)
def test_paths_of_overrides(overrides: Object, paths: list[str]) -> None:
    assert override_paths(overrides) == paths
