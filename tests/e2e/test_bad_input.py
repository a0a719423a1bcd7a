"""Refused requests get the code, reason and field path that Kubernetes gives."""

from __future__ import annotations

import json
from typing import Any

import pytest
from harness import ClusterUnderTest, eventually


def pod_with_projection(namespace: str, source: dict[str, Any], **spec: Any) -> str:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "bad", "namespace": namespace},
        "spec": {
            "containers": [{"name": "c", "image": "nginx"}],
            "volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": source}]}}],
        }
        | spec,
    }
    return json.dumps(pod)


@pytest.mark.rule("projected.token-path", "projected.token-defaults")
@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param(
            {"path": "t", "expirationSeconds": 9},
            "spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: "
            "Invalid value: 9: may not specify a duration less than 10 seconds",
            id="a life below the minimum",
        ),
        pytest.param(
            {"path": "../x"},
            "spec.volumes[0].projected.path: Invalid value: \"../x\": must not contain '..'",
            id="a path that leaves the volume",
        ),
        pytest.param(
            {"path": "/x"},
            'spec.volumes[0].projected.path: Invalid value: "/x": must be a relative path',
            id="an absolute path",
        ),
        pytest.param(
            {"path": ""},
            "spec.volumes[0].projected.path: Required value",
            id="no path",
        ),
    ],
)
def test_a_bad_projection_is_refused(
    cluster: ClusterUnderTest, namespace: str, source: dict[str, Any], message: str
) -> None:
    result = cluster.oc("create", "-f", "-", stdin=pod_with_projection(namespace, source))
    assert result.code == 1
    assert 'The Pod "bad" is invalid' in result.err
    assert message in result.err


@pytest.mark.rule("admission.account-missing")
def test_a_missing_account_is_refused(cluster: ClusterUnderTest, namespace: str) -> None:
    manifest = pod_with_projection(namespace, {"path": "t"}, serviceAccountName="nobody")
    result = cluster.oc("create", "-f", "-", stdin=manifest)
    assert result.code == 1
    assert (
        f'pods "bad" is forbidden: error looking up service account {namespace}/nobody: '
        'serviceaccount "nobody" not found' in result.err
    )


@pytest.mark.rule(
    "token-request.account-missing",
    "binding.missing",
    "binding.uid-mismatch",
    "kubectl.server-errors",
)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(("nobody",), 'serviceaccounts "nobody" not found', id="missing account"),
        pytest.param(
            ("build-robot", "--duration", "9s"),
            "spec.expirationSeconds: Invalid value: 9: may not specify a duration less than",
            id="too short",
        ),
        pytest.param(
            ("build-robot", "--bound-object-kind", "Pod", "--bound-object-name", "none"),
            'pods "none" not found',
            id="missing bound pod",
        ),
        pytest.param(
            (
                "build-robot",
                "--bound-object-kind",
                "Secret",
                "--bound-object-name",
                "s",
                "--bound-object-uid",
                "other",
            ),
            "the UID in the bound object reference (other) does not match the UID in record",
            id="stale UID",
        ),
    ],
)
def test_a_bad_token_request_is_refused(
    cluster: ClusterUnderTest, namespace: str, arguments: tuple[str, ...], message: str
) -> None:
    cluster.ok("create", "-n", namespace, "secret", "generic", "s")
    result = cluster.oc("create", "token", "-n", namespace, *arguments)
    assert result.code == 1
    assert message in result.err


def test_an_unknown_image_waits_and_says_what_to_do(
    cluster: ClusterUnderTest, namespace: str
) -> None:
    cluster.ok("run", "-n", namespace, "ghost", "--image", "no-such-image")

    def message() -> str | None:
        pod = cluster.get("-n", namespace, "pod", "ghost")
        for status in pod["status"].get("containerStatuses", []):
            waiting = status["state"].get("waiting", {})
            if waiting.get("reason") in {"ErrImagePull", "ImagePullBackOff"}:
                return str(waiting["message"])
        return None

    assert "podpass image add" in eventually(message)


def test_a_strict_client_is_told_of_an_unknown_field(
    cluster: ClusterUnderTest, namespace: str
) -> None:
    manifest = pod_with_projection(namespace, {"path": "t"}, colour="red")
    result = cluster.oc("create", "-f", "-", stdin=manifest)
    assert result.code == 1
    assert 'unknown field "spec.colour"' in result.err


def test_a_stale_resource_version_is_a_conflict(cluster: ClusterUnderTest, namespace: str) -> None:
    cluster.ok("create", "-n", namespace, "cm", "c", "--from-literal=a=1")
    old = cluster.ok("get", "-n", namespace, "cm", "c", "-o", "json")
    cluster.ok("label", "-n", namespace, "cm", "c", "x=y")
    result = cluster.oc("replace", "-f", "-", stdin=old)
    assert result.code == 1
    assert "the object has been modified" in result.err


def test_a_broken_manifest_is_reported_and_the_other_pods_go_on(cluster: ClusterUnderTest) -> None:
    directory = cluster.home / "nodes" / "master-0" / "manifests"
    broken = directory / "broken.yaml"
    broken.write_text("kind: Pod\nspec: [")
    good = directory / "good.yaml"
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "good", "namespace": "kube-system"},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "c", "image": "busybox", "command": ["sleep", "600"]}],
        },
    }
    good.write_text(json.dumps(pod))
    try:
        eventually(lambda: cluster.oc("get", "-n", "kube-system", "pod", "good-master-0").code == 0)
        cluster.wait_ready("good-master-0", "kube-system")
        log = cluster.home / "nodes" / "master-0" / "kubelet.log"
        assert "broken.yaml" in log.read_text()
        cluster.wait_ready("kube-apiserver-master-0", "openshift-kube-apiserver")
    finally:
        broken.unlink()
        good.unlink()
    eventually(
        lambda: cluster.oc("get", "-n", "kube-system", "pod", "good-master-0").code == 1, within=60
    )
