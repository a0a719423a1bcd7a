"""Pods: what a spec must have, and what may change."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from podpass.api import resources
from podpass.api.defaults import apply_defaults
from podpass.api.resources import Object
from podpass.api.validation import validate_create, validate_update


def pod(change: Callable[[Object], object] | None = None) -> Object:
    obj: Object = {
        "metadata": {"name": "nginx", "namespace": "default", "uid": "u"},
        "spec": {
            "containers": [{"name": "c", "image": "nginx"}],
            "serviceAccountName": "default",
            "volumes": [{"name": "v", "emptyDir": {}}],
        },
    }
    if change is not None:
        change(obj["spec"])
    apply_defaults(resources.PODS, obj)
    return obj


def errors(obj: Object, **arguments: Any) -> list[str]:
    return [str(error) for error in validate_create(resources.PODS, obj, **arguments)]


def with_spec(**fields: Any) -> Object:
    return pod(lambda spec: spec.update(fields))


def with_container(**fields: Any) -> Object:
    return pod(lambda spec: spec["containers"][0].update(fields))


def with_volume(**source: Any) -> Object:
    return with_spec(volumes=[{"name": "v", **source}])


C = "spec.containers[0]"
V = "spec.volumes[0]"
HTTP = {"httpGet": {"port": 80}}
DNS = "a lowercase RFC 1123 "


def test_the_plain_pod_is_fine() -> None:
    assert errors(pod()) == []


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        pytest.param(with_spec(containers=[]), ["spec.containers: Required value"], id="none"),
        pytest.param(
            with_spec(restartPolicy="Sometimes"),
            [
                (
                    'spec.restartPolicy: Unsupported value: "Sometimes": supported values: '
                    '"Always", "Never", "OnFailure"'
                )
            ],
            id="restart policy",
        ),
        pytest.param(
            with_spec(dnsPolicy=""), ["spec.dnsPolicy: Required value"], id="empty dns policy"
        ),
        pytest.param(
            with_spec(ephemeralContainers=[{"name": "x"}]),
            ["spec.ephemeralContainers: Forbidden: cannot be set on create"],
            id="ephemeral containers",
        ),
        pytest.param(
            with_spec(activeDeadlineSeconds=0),
            [
                (
                    "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and "
                    "2147483647, inclusive"
                )
            ],
            id="deadline",
        ),
        pytest.param(with_spec(activeDeadlineSeconds=1), [], id="shortest deadline"),
        pytest.param(
            with_spec(terminationGracePeriodSeconds=-1),
            [
                (
                    "spec.terminationGracePeriodSeconds: Invalid value: -1: must be greater than "
                    "or equal to 0"
                )
            ],
            id="negative grace",
        ),
        pytest.param(
            with_spec(securityContext={"runAsUser": -1, "supplementalGroups": [0, 2**31]}),
            [
                (
                    "spec.securityContext.runAsUser: Invalid value: -1: must be between 0 and "
                    "2147483647, inclusive"
                ),
                (
                    "spec.securityContext.supplementalGroups[1]: Invalid value: 2147483648: must "
                    "be between 0 and 2147483647, inclusive"
                ),
            ],
            id="ids of the pod",
        ),
        pytest.param(
            with_spec(securityContext={"fsGroup": 2**31 - 1, "fsGroupChangePolicy": "Never"}),
            [
                (
                    'spec.securityContext.fsGroupChangePolicy: Unsupported value: "Never": '
                    'supported values: "Always", "OnRootMismatch"'
                )
            ],
            id="change policy",
        ),
        pytest.param(
            with_container(name="", image=""),
            [f"{C}.name: Required value", f"{C}.image: Required value"],
            id="no name and image",
        ),
        pytest.param(
            with_container(image=" x"),
            [f'{C}.image: Invalid value: " x": must not have leading or trailing whitespace'],
            id="space in an image",
        ),
        pytest.param(
            pod(lambda spec: spec["containers"].append({"name": "c", "image": "x"})),
            ['spec.containers[1].name: Duplicate value: "c"'],
            id="two of a name",
        ),
        pytest.param(
            with_spec(initContainers=[{"name": "c", "image": "x"}]),
            ['spec.initContainers[0].name: Duplicate value: "c"'],
            id="an init container of the same name",
        ),
        pytest.param(
            with_spec(initContainers=[{"name": "i", "image": "x", "livenessProbe": HTTP}]),
            [
                (
                    "spec.initContainers[0].livenessProbe: Forbidden: may not be set for init "
                    "containers without restartPolicy=Always"
                )
            ],
            id="probe of an init container",
        ),
        pytest.param(
            with_spec(
                initContainers=[
                    {"name": "i", "image": "x", "livenessProbe": HTTP, "restartPolicy": "Always"}
                ]
            ),
            [],
            id="probe of a sidecar",
        ),
        pytest.param(
            with_container(restartPolicy="Maybe"),
            [
                (
                    f'{C}.restartPolicy: Unsupported value: "Maybe": supported values: "Always", '
                    '"Never", "OnFailure"'
                )
            ],
            id="restart policy of a container",
        ),
        pytest.param(
            with_container(imagePullPolicy="", terminationMessagePolicy="x"),
            [
                (
                    f'{C}.terminationMessagePolicy: Unsupported value: "x": supported values: '
                    '"FallbackToLogsOnError", "File"'
                ),
                f"{C}.imagePullPolicy: Required value",
            ],
            id="policies of a container",
        ),
        pytest.param(
            with_container(volumeMounts=[{"name": "v", "mountPath": "/a"}]), [], id="a mount"
        ),
        pytest.param(
            with_container(volumeMounts=[{}]),
            [
                f"{C}.volumeMounts[0].name: Required value",
                f'{C}.volumeMounts[0].name: Not found: ""',
                f"{C}.volumeMounts[0].mountPath: Required value",
            ],
            id="an empty mount",
        ),
        pytest.param(
            with_container(volumeMounts=[{"name": "w", "mountPath": "/a"}]),
            [f'{C}.volumeMounts[0].name: Not found: "w"'],
            id="mount of no volume",
        ),
        pytest.param(
            with_container(volumeMounts=[{"name": "v", "mountPath": "/a"}] * 2),
            [f'{C}.volumeMounts[1].mountPath: Invalid value: "/a": must be unique'],
            id="two mounts at a place",
        ),
        pytest.param(
            with_container(volumeMounts=[{"name": "v", "mountPath": "/a", "subPath": "../b"}]),
            [f"{C}.volumeMounts[0].subPath: Invalid value: \"../b\": must not contain '..'"],
            id="sub path upward",
        ),
        pytest.param(
            with_container(
                volumeMounts=[{"name": "v", "mountPath": "/a", "subPath": "b", "subPathExpr": "/c"}]
            ),
            [
                (
                    f'{C}.volumeMounts[0].subPathExpr: Invalid value: "/c": subPathExpr and '
                    "subPath are mutually exclusive"
                ),
                f'{C}.volumeMounts[0].subPathExpr: Invalid value: "/c": must be a relative path',
            ],
            id="two sub paths",
        ),
        pytest.param(
            with_container(volumeMounts=[{"name": "v", "mountPath": "/a", "subPathExpr": "b"}]),
            [],
            id="a sub path from the environment",
        ),
        pytest.param(
            with_container(
                volumeMounts=[{"name": "v", "mountPath": "/a", "mountPropagation": "Up"}]
            ),
            [
                (
                    f'{C}.volumeMounts[0].mountPropagation: Unsupported value: "Up": supported '
                    'values: "Bidirectional", "HostToContainer", "None"'
                )
            ],
            id="propagation",
        ),
        pytest.param(
            with_container(ports=[{"containerPort": 0}, {"containerPort": 65536}]),
            [
                f"{C}.ports[0].containerPort: Required value",
                (
                    f"{C}.ports[1].containerPort: Invalid value: 65536: must be between 1 and "
                    "65535, inclusive"
                ),
            ],
            id="ports out of range",
        ),
        pytest.param(
            with_container(
                ports=[
                    {"name": "web", "containerPort": 1, "hostPort": 70000},
                    {"name": "web", "containerPort": 2, "protocol": "ICMP"},
                ]
            ),
            [
                (
                    f"{C}.ports[0].hostPort: Invalid value: 70000: must be between 1 and 65535, "
                    "inclusive"
                ),
                f'{C}.ports[1].name: Duplicate value: "web"',
                (
                    f'{C}.ports[1].protocol: Unsupported value: "ICMP": supported values: "SCTP", '
                    '"TCP", "UDP"'
                ),
            ],
            id="port of the host, name, protocol",
        ),
        pytest.param(
            with_container(
                ports=[
                    {"containerPort": 1, "hostPort": 80},
                    {"containerPort": 2, "hostPort": 80},
                    {"containerPort": 3, "hostPort": 80, "protocol": "UDP"},
                ]
            ),
            [f'{C}.ports[1].hostPort: Duplicate value: "/80/TCP"'],
            id="a port of the host twice",
        ),
        pytest.param(
            with_spec(
                hostNetwork=True,
                containers=[
                    {"name": "c", "image": "x", "ports": [{"containerPort": 80, "hostPort": 81}]}
                ],
            ),
            [
                (
                    f"{C}.ports[0].containerPort: Invalid value: 80: must match `hostPort` when "
                    "`hostNetwork` is true"
                )
            ],
            id="two ports on the network of the host",
        ),
        pytest.param(
            with_container(resources={"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}),
            [
                (
                    f'{C}.resources.requests: Invalid value: "2": must be less than or equal to '
                    "cpu limit of 1"
                )
            ],
            id="more asked for than allowed",
        ),
        pytest.param(
            with_container(resources={"requests": {"cpu": "-1"}}),
            [
                (
                    f'{C}.resources.requests[cpu]: Invalid value: "-1": must be greater than or '
                    "equal to 0"
                )
            ],
            id="negative request",
        ),
        pytest.param(
            with_container(securityContext={"runAsGroup": -5}),
            [
                (
                    f"{C}.securityContext.runAsGroup: Invalid value: -5: must be between 0 and "
                    "2147483647, inclusive"
                )
            ],
            id="group of a container",
        ),
        pytest.param(
            with_volume(secret={}), [f"{V}.secret.secretName: Required value"], id="no secret"
        ),
        pytest.param(
            with_volume(configMap={"items": [{"key": "k", "path": "/p"}], "defaultMode": 512}),
            [
                f"{V}.configMap.name: Required value",
                (
                    f"{V}.configMap.defaultMode: Invalid value: 512: must be a number between 0 "
                    "and 0777 (octal), both inclusive"
                ),
                f'{V}.configMap.items[0].path: Invalid value: "/p": must be a relative path',
            ],
            id="config map",
        ),
        pytest.param(
            with_volume(hostPath={"path": "", "type": ""}),
            [f"{V}.hostPath.path: Required value"],
            id="no host path",
        ),
        pytest.param(
            with_volume(hostPath={"path": "/a/../b", "type": "Thing"}),
            [
                f"{V}.hostPath.path: Invalid value: \"/a/../b\": must not contain '..'",
                (
                    f'{V}.hostPath.type: Unsupported value: "Thing": supported values: "", '
                    '"BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", '
                    '"FileOrCreate", "Socket"'
                ),
            ],
            id="host path",
        ),
        pytest.param(with_volume(hostPath={"path": "/a", "type": "File"}), [], id="a file"),
        pytest.param(with_volume(emptyDir={"sizeLimit": "1Gi"}), [], id="limited empty dir"),
        pytest.param(
            with_volume(emptyDir={"sizeLimit": "-1"}),
            [
                (
                    f"{V}.emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource "
                    "quantity"
                )
            ],
            id="negative limit",
        ),
        pytest.param(
            with_volume(persistentVolumeClaim={}),
            [f"{V}.persistentVolumeClaim.claimName: Required value"],
            id="claim",
        ),
        pytest.param(
            with_volume(downwardAPI={"items": [{"path": "p"}]}),
            [f"{V}.downwardAPI: Required value: one of fieldRef and resourceFieldRef is required"],
            id="downward API",
        ),
        pytest.param(with_volume(nfs={"path": "x"}), [], id="a kind without rules of ours"),
        pytest.param(
            with_volume(nfs={}, emptyDir={}, projected={}),
            [
                f"{V}.projected: Forbidden: may not specify more than 1 volume type",
                f"{V}.nfs: Forbidden: may not specify more than 1 volume type",
            ],
            id="three kinds",
        ),
        pytest.param(
            with_spec(volumes=[{"name": "", "emptyDir": {}}]),
            [f"{V}.name: Required value"],
            id="volume without a name",
        ),
        pytest.param(
            with_spec(volumes=[{"name": "v", "emptyDir": {}}] * 2),
            ['spec.volumes[1].name: Duplicate value: "v"'],
            id="volumes of one name",
        ),
        pytest.param(
            with_spec(
                serviceAccountName="",
                volumes=[
                    {
                        "name": "v",
                        "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]},
                    }
                ],
            ),
            [
                (
                    f"{V}.projected.sources[0].serviceAccountToken: Forbidden: must not be "
                    "specified when serviceAccountName is not set"
                )
            ],
            id="a token and no account",
        ),
    ],
)
def test_spec(obj: Object, expected: list[str]) -> None:
    assert errors(obj) == expected


def test_volume_of_no_kind() -> None:
    obj = pod()
    obj["spec"]["volumes"] = [{"name": "v"}]
    assert errors(obj) == [f"{V}: Required value: must specify a volume type"]


@pytest.mark.parametrize(
    "key",
    [
        "serviceAccountName", "nodeName", "hostname", "subdomain", "priorityClassName",
        "schedulerName",
    ],
)  # fmt: skip
def test_names_in_the_spec(key: str) -> None:
    found = errors(with_spec(**{key: "a_b!"}))
    assert len(found) == 1
    assert found[0].startswith(f'spec.{key}: Invalid value: "a_b!": ')


def test_labels_of_the_node_selector() -> None:
    found = errors(with_spec(nodeSelector={"a b": "-"}))
    assert [one.partition(":")[0] for one in found] == ["spec.nodeSelector"] * 2


def test_names_of_resources() -> None:
    found = errors(with_container(resources={"requests": {"a b": "1"}}))
    assert len(found) == 1
    assert found[0].startswith(f'{C}.resources.requests: Invalid value: "a b": name part must')


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"privileged": True}, id="privileged"),
        pytest.param({"capabilities": {"add": ["CAP_SYS_ADMIN"]}}, id="the great capability"),
    ],
)
def test_no_escalation_and_privileges_do_not_go_together(fields: Object) -> None:
    (found,) = errors(with_container(securityContext={"allowPrivilegeEscalation": False, **fields}))
    assert found.startswith(f"{C}.securityContext: Invalid value: ")
    assert "cannot set `allowPrivilegeEscalation` to false and" in found
    assert errors(with_container(securityContext=fields)) == []


def test_the_minimum_life_of_tokens_is_a_setting() -> None:
    source = {"serviceAccountToken": {"path": "t", "expirationSeconds": 30}}
    obj = with_volume(projected={"sources": [source]})
    assert len(errors(obj)) == 1
    assert errors(obj, minimum_token_expiration_seconds=30) == []


HANDLER = "must specify a handler type"


@pytest.mark.parametrize(
    ("probe", "expected"),
    [
        pytest.param({"httpGet": {"port": "web"}}, [], id="http"),
        pytest.param({"tcpSocket": {"port": 80}}, [], id="tcp"),
        pytest.param({"grpc": {"port": 80}}, [], id="grpc"),
        pytest.param({"exec": {"command": ["true"]}}, [], id="exec"),
        pytest.param({"sleep": {"seconds": 0}}, [], id="sleep"),
        pytest.param({}, [f": Required value: {HANDLER}"], id="no handler"),
        pytest.param(
            {"exec": {"command": ["true"]}, "tcpSocket": {"port": 80}},
            [".tcpSocket: Forbidden: may not specify more than 1 handler type"],
            id="two handlers",
        ),
        pytest.param({"exec": {}}, [".exec.command: Required value"], id="no command"),
        pytest.param(
            {"httpGet": {"port": 0, "scheme": "FTP", "httpHeaders": [{"value": "x"}]}},
            [
                ".httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive",
                '.httpGet.scheme: Unsupported value: "FTP": supported values: "HTTP", "HTTPS"',
                ".httpGet.httpHeaders: Required value",
            ],
            id="bad http",
        ),
        pytest.param(
            {"tcpSocket": {"port": "80"}},
            ['.tcpSocket.port: Invalid value: "80": must contain at least one letter (a-z)'],
            id="a number as text",
        ),
        pytest.param(
            {"grpc": {}},
            [".grpc.port: Invalid value: 0: must be between 1 and 65535, inclusive"],
            id="no port",
        ),
        pytest.param(
            {"sleep": {"seconds": -1}},
            [".sleep.seconds: Invalid value: -1: must be greater than or equal to 0"],
            id="negative sleep",
        ),
        pytest.param(
            {"tcpSocket": {"port": 80}, "periodSeconds": -1},
            [".periodSeconds: Invalid value: -1: must be greater than or equal to 0"],
            id="negative period",
        ),
        pytest.param(
            {"tcpSocket": {"port": 80}, "successThreshold": 2},
            [".successThreshold: Invalid value: 2: must be 1"],
            id="two successes",
        ),
        pytest.param(
            {"tcpSocket": {"port": 80}, "terminationGracePeriodSeconds": 0},
            [".terminationGracePeriodSeconds: Invalid value: 0: must be greater than 0"],
            id="no grace",
        ),
    ],
)
def test_liveness_probes(probe: Object, expected: list[str]) -> None:
    at = f"{C}.livenessProbe"
    assert errors(with_container(livenessProbe=probe)) == [f"{at}{text}" for text in expected]


def test_http_probe_without_a_path() -> None:
    obj = with_container(livenessProbe={"httpGet": {"port": 1}})
    obj["spec"]["containers"][0]["livenessProbe"]["httpGet"]["path"] = ""
    assert errors(obj) == [f"{C}.livenessProbe.httpGet.path: Required value"]


def test_readiness_probes_may_want_several_successes_but_have_no_grace() -> None:
    probe = {"tcpSocket": {"port": 80}, "successThreshold": 2}
    assert errors(with_container(readinessProbe=probe)) == []
    probe["terminationGracePeriodSeconds"] = 1
    assert errors(with_container(readinessProbe=probe)) == [
        (
            f"{C}.readinessProbe.terminationGracePeriodSeconds: Invalid value: 1: must not be set "
            "for readinessProbes"
        )
    ]


def test_hooks() -> None:
    assert errors(with_container(lifecycle={"preStop": {}, "postStart": {"exec": {}}})) == [
        f"{C}.lifecycle.postStart.exec.command: Required value",
        f"{C}.lifecycle.preStop: Required value: {HANDLER}",
    ]


ONE_SOURCE = (
    "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or "
    "`fileKeyRef`"
)
ONE_FIELD = "may not have more than one field specified at a time"
FIELD = {"fieldPath": "metadata.name"}
KEY = {"name": "s", "key": "k"}


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        pytest.param({"name": "a", "value": "x"}, [], id="a value"),
        pytest.param({"name": "a"}, [], id="no value"),
        pytest.param({"name": ""}, [".name: Required value"], id="no name"),
        pytest.param({"name": "a", "valueFrom": {"fieldRef": FIELD}}, [], id="field"),
        pytest.param({"name": "a", "valueFrom": {"secretKeyRef": KEY}}, [], id="secret"),
        pytest.param(
            {"name": "a", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
            [],
            id="resource",
        ),
        pytest.param(
            {"name": "a", "valueFrom": {}},
            [f'.valueFrom: Invalid value: "": {ONE_SOURCE}'],
            id="no source",
        ),
        pytest.param(
            {"name": "a", "value": "x", "valueFrom": {"secretKeyRef": KEY}},
            ['.valueFrom: Invalid value: "": may not be specified when `value` is not empty'],
            id="value and source",
        ),
        pytest.param(
            {"name": "a", "valueFrom": {"secretKeyRef": KEY, "configMapKeyRef": KEY}},
            [f'.valueFrom: Invalid value: "": {ONE_FIELD}'],
            id="two sources",
        ),
        pytest.param(
            {"name": "a", "valueFrom": {"secretKeyRef": {}}},
            [
                ".valueFrom.secretKeyRef.name: Required value",
                ".valueFrom.secretKeyRef.key: Required value",
            ],
            id="empty reference",
        ),
        pytest.param(
            {"name": "a", "valueFrom": {"configMapKeyRef": {"name": "c", "key": ".."}}},
            [".valueFrom.configMapKeyRef.key: Invalid value: \"..\": must not be '..'"],
            id="bad key",
        ),
        pytest.param(
            {"name": "a", "valueFrom": {"fieldRef": {"fieldPath": ""}}},
            [".valueFrom.fieldRef.fieldPath: Required value"],
            id="no field path",
        ),
        pytest.param(
            {"name": "a", "valueFrom": {"fieldRef": {"fieldPath": "x", "apiVersion": ""}}},
            [".valueFrom.fieldRef.apiVersion: Required value"],
            id="no version",
        ),
        pytest.param(
            {"name": "a", "valueFrom": {"fieldRef": {"fieldPath": "spec.color"}}},
            [
                (
                    '.valueFrom.fieldRef.fieldPath: Invalid value: "spec.color": error converting '
                    "fieldPath: field label not supported: spec.color"
                )
            ],
            id="unknown field",
        ),
        pytest.param(
            {"name": "a", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels"}}},
            [
                (
                    '.valueFrom.fieldRef.fieldPath: Unsupported value: "metadata.labels": '
                    'supported values: "metadata.name", "metadata.namespace", "metadata.uid", '
                    '"spec.nodeName", "spec.serviceAccountName", "status.hostIP", '
                    '"status.hostIPs", "status.podIP", "status.podIPs"'
                )
            ],
            id="a field for volumes only",
        ),
        pytest.param(
            {"name": "a", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['x.io/a']"}}},
            [],
            id="one label",
        ),
        pytest.param(
            {"name": "a", "valueFrom": {"resourceFieldRef": {"resource": ""}}},
            [".valueFrom.resourceFieldRef.resource: Required value"],
            id="no resource",
        ),
        pytest.param(
            {"name": "a", "valueFrom": {"resourceFieldRef": {"resource": "limits.gpu"}}},
            [
                (
                    '.valueFrom.resourceFieldRef.resource: Unsupported value: "limits.gpu": '
                    'supported values: "limits.cpu", "limits.ephemeral-storage", "limits.memory", '
                    '"requests.cpu", "requests.ephemeral-storage", "requests.memory"'
                )
            ],
            id="unknown resource",
        ),
        pytest.param(
            {
                "name": "a",
                "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "2"}},
            },
            [
                (
                    '.valueFrom.resourceFieldRef.divisor: Invalid value: "cpu": only divisor\'s '
                    "values 1, 1m are supported"
                )
            ],
            id="divisor of cpu",
        ),
        pytest.param(
            {
                "name": "a",
                "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}},
            },
            [],
            id="divisor of memory",
        ),
        pytest.param(
            {
                "name": "a",
                "valueFrom": {"resourceFieldRef": {"resource": "limits.hugepages-2Mi"}},
            },
            [],
            id="huge pages",
        ),
    ],
)
def test_environment(variable: Object, expected: list[str]) -> None:
    at = f"{C}.env[0]"
    assert errors(with_container(env=[variable])) == [f"{at}{text}" for text in expected]


def test_a_bad_label_in_a_field_path() -> None:
    reference = {"fieldRef": {"fieldPath": "metadata.annotations['a b']"}}
    (found,) = errors(with_container(env=[{"name": "a", "valueFrom": reference}]))
    assert found.startswith(f'{C}.env[0].valueFrom.fieldRef.fieldPath: Invalid value: "a b": name')


def test_wrong_divisor_of_memory_names_it() -> None:
    reference = {"resourceFieldRef": {"resource": "limits.memory", "divisor": "3"}}
    (found,) = errors(with_container(env=[{"name": "a", "valueFrom": reference}]))
    assert 'Invalid value: "memory": only divisor\'s values 1, 1E, 1Ei, 1G' in found


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param({"secretRef": {"name": "s"}}, [], id="secret"),
        pytest.param({"configMapRef": {}}, [".configMapRef.name: Required value"], id="no name"),
        pytest.param(
            {},
            [': Invalid value: "": must specify one of: `configMapRef` or `secretRef`'],
            id="nothing",
        ),
        pytest.param(
            {"configMapRef": {"name": "c"}, "secretRef": {"name": "s"}},
            [f': Invalid value: "": {ONE_FIELD}'],
            id="both",
        ),
        pytest.param(
            {"prefix": "a=", "secretRef": {"name": "s"}},
            [
                (
                    '.prefix: Invalid value: "a=": a valid environment variable name must consist '
                    "only of printable ASCII characters other than '='"
                )
            ],
            id="prefix",
        ),
    ],
)
def test_environment_from(source: Object, expected: list[str]) -> None:
    at = f"{C}.envFrom[0]"
    assert errors(with_container(envFrom=[source])) == [f"{at}{text}" for text in expected]


EFFECTS = '"NoExecute", "NoSchedule", "PreferNoSchedule"'


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        pytest.param({"operator": "Exists"}, [], id="everything"),
        pytest.param({"key": "a", "value": "b", "effect": "NoSchedule"}, [], id="one taint"),
        pytest.param(
            {"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 0},
            [],
            id="for a while",
        ),
        pytest.param(
            {"key": "a", "operator": "Near"},
            ['.operator: Unsupported value: "Near": supported values: "Equal", "Exists"'],
            id="operator",
        ),
        pytest.param(
            {"key": "a", "effect": "Fly"},
            [f'.effect: Unsupported value: "Fly": supported values: {EFFECTS}'],
            id="effect",
        ),
        pytest.param(
            {"key": "a", "tolerationSeconds": 1, "effect": "NoSchedule"},
            [
                (
                    ".effect: Invalid value: \"NoSchedule\": effect must be 'NoExecute' when "
                    "`tolerationSeconds` is set"
                )
            ],
            id="seconds of another effect",
        ),
        pytest.param(
            {"value": "b"},
            [
                (
                    '.operator: Invalid value: "": operator must be Exists when `key` is empty, '
                    'which means "match all values and all keys"'
                )
            ],
            id="no key",
        ),
    ],
)
def test_tolerations(toleration: Object, expected: list[str]) -> None:
    found = errors(with_spec(tolerations=[toleration]))
    assert found == [f"spec.tolerations[0]{text}" for text in expected]


def test_tolerations_with_odd_texts() -> None:
    (found,) = errors(with_spec(tolerations=[{"key": "a b", "operator": "Exists"}]))
    assert found.startswith('spec.tolerations[0].key: Invalid value: "a b"')
    (found,) = errors(with_spec(tolerations=[{"key": "a", "value": "-"}]))
    assert found.startswith('spec.tolerations[0].operator: Invalid value: "-"')
    (found,) = errors(with_spec(tolerations=[{"key": "a", "operator": "Exists", "value": "b"}]))
    assert found.endswith("value must be empty when `operator` is 'Exists'")


# --- updates


def update_errors(change: Callable[[Object], object], old: Object | None = None) -> list[str]:
    before = pod() if old is None else old
    new = copy.deepcopy(before)
    change(new["spec"])
    return [str(error) for error in validate_update(resources.PODS, new, before)]


TOLERATION = {"key": "a", "operator": "Exists", "effect": "NoExecute"}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(dict, id="nothing"),
        pytest.param(lambda spec: spec["containers"][0].update(image="x"), id="image"),
        pytest.param(lambda spec: spec.update(activeDeadlineSeconds=5), id="a deadline"),
        pytest.param(lambda spec: spec.update(tolerations=[TOLERATION]), id="a toleration"),
    ],
)
def test_what_may_change(change: Callable[[Object], object]) -> None:
    assert update_errors(change) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param(lambda spec: spec.update(nodeName="n"), "spec.nodeName", id="node"),
        pytest.param(lambda spec: spec.pop("dnsPolicy"), "spec.dnsPolicy", id="removed"),
        pytest.param(
            lambda spec: spec["containers"][0].update(args=["x"]), "spec.containers", id="arguments"
        ),
        pytest.param(
            lambda spec: spec.update(terminationGracePeriodSeconds=1),
            "spec.terminationGracePeriodSeconds",
            id="grace",
        ),
        pytest.param(
            lambda spec: spec["volumes"][0].update(emptyDir={"medium": "Memory"}),
            "spec.volumes",
            id="volumes",
        ),
    ],
)
def test_what_may_not_change(change: Callable[[Object], object], named: str) -> None:
    found = update_errors(change)
    assert found[-1] == (
        "spec: Forbidden: pod updates may not change fields other than "
        "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
        "`spec.tolerations` (only additions to existing tolerations),"
        "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously "
        f"negative)\nchanged: {named}"
    )


def test_containers_are_neither_added_nor_removed() -> None:
    added = {"name": "d", "image": "x"}
    (found, *_) = update_errors(lambda spec: spec["containers"].append(added))[-1:]
    assert found == "spec.containers: Forbidden: pod updates may not add or remove containers"
    (found, *_) = update_errors(lambda spec: spec.update(initContainers=[added]))[-1:]
    assert found == "spec.initContainers: Forbidden: pod updates may not add or remove containers"


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        pytest.param(5, [], id="the same"),
        pytest.param(4, [], id="shorter"),
        pytest.param(6, ["6: must be less than or equal to previous value"], id="longer"),
        pytest.param(
            None, ["null: must not update from a positive integer to nil value"], id="none"
        ),
    ],
)
def test_deadlines_only_shrink(after: int | None, expected: list[str]) -> None:
    old = with_spec(activeDeadlineSeconds=5)
    found = update_errors(lambda spec: spec.update(activeDeadlineSeconds=after), old)
    assert found == [f"spec.activeDeadlineSeconds: Invalid value: {text}" for text in expected]


def test_tolerations_only_grow() -> None:
    old = with_spec(tolerations=[TOLERATION])
    longer = [{**TOLERATION, "tolerationSeconds": 9}, {"operator": "Exists"}]
    assert update_errors(lambda spec: spec.update(tolerations=longer), old) == []
    assert update_errors(lambda spec: spec.pop("tolerations"), old) == [
        (
            "spec.tolerations: Forbidden: existing toleration can not be modified except its "
            "tolerationSeconds"
        )
    ]


def test_a_negative_grace_may_become_one() -> None:
    old = pod()
    old["spec"]["terminationGracePeriodSeconds"] = -1
    found = update_errors(lambda spec: spec.update(terminationGracePeriodSeconds=1), old)
    assert found == []


def test_volumes_of_a_stored_pod_are_taken_as_they_are() -> None:
    token = {"serviceAccountToken": {"path": "../old", "expirationSeconds": 10}}
    old = with_volume(projected={"sources": [token]})
    assert len(errors(old)) == 2
    assert update_errors(lambda spec: spec["containers"][0].update(image="x"), old) == []


def test_init_containers_may_get_another_image() -> None:
    old = with_spec(initContainers=[{"name": "i", "image": "x"}])
    assert update_errors(lambda spec: spec["initContainers"][0].update(image="y"), old) == []


def test_status_updates_check_metadata_only() -> None:
    old = pod()
    new = {**copy.deepcopy(old), "spec": {}}
    assert validate_update(resources.PODS, new, old, subresource="status") == []
    assert validate_update(resources.PODS, new, old) != []
