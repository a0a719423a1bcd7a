"""Metadata of all kinds, and the kinds with few rules."""

import base64
from typing import Any

import pytest

from podpass.api import resources
from podpass.api.resources import Object, Resource
from podpass.api.validation import validate_create, validate_update
from podpass.api.validation.data import MAX_BYTES
from podpass.api.validation.metadata import MAX_ANNOTATIONS_BYTES

RBAC = "rbac.authorization.k8s.io"


def obj(**fields: Any) -> Object:
    return {"metadata": {"name": "x", "namespace": "ns"}, **fields}


def cluster(**fields: Any) -> Object:
    return {"metadata": {"name": "x"}, **fields}


def errors(resource: Resource, value: Object) -> list[str]:
    return [str(error) for error in validate_create(resource, value)]


def update_errors(resource: Resource, new: Object, old: Object) -> list[str]:
    return [str(error) for error in validate_update(resource, new, old)]


def meta_errors(resource: Resource = resources.SERVICE_ACCOUNTS, **metadata: Any) -> list[str]:
    return errors(resource, {"metadata": {"name": "x", "namespace": "ns", **metadata}})


# --- metadata


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        pytest.param({}, [], id="name and namespace"),
        pytest.param(
            {"name": ""},
            ["metadata.name: Required value: name or generateName is required"],
            id="no name",
        ),
        pytest.param({"namespace": ""}, ["metadata.namespace: Required value"], id="no namespace"),
        pytest.param({"generateName": "web-"}, [], id="a base that ends in a dash"),
        pytest.param(
            {"name": "a" * 254},
            [f'metadata.name: Invalid value: "{"a" * 254}": must be no more than 253 bytes'],
            id="a long name",
        ),
        pytest.param(
            {"namespace": "a.b"},
            ['metadata.namespace: Invalid value: "a.b": must not contain dots'],
            id="a namespace with a dot",
        ),
        pytest.param({"annotations": {"A.io/B": "any text\n"}}, [], id="annotations are free"),
        pytest.param(
            {"annotations": {"/a": ""}},
            ['metadata.annotations: Invalid value: "/a": prefix part must be non-empty'],
            id="key of an annotation",
        ),
        pytest.param({"annotations": {"a": "x" * (MAX_ANNOTATIONS_BYTES - 1)}}, [], id="largest"),
        pytest.param(
            {"annotations": {"a": "x" * MAX_ANNOTATIONS_BYTES}},
            ["metadata.annotations: Too long: may not be more than 262144 bytes"],
            id="too large",
        ),
        pytest.param({"finalizers": ["kubernetes", "x.io/y"]}, [], id="finalizers"),
        pytest.param(
            {"finalizers": ["mine"]},
            [
                (
                    'metadata.finalizers: Invalid value: "mine": name is neither a standard '
                    "finalizer name nor is it fully qualified"
                )
            ],
            id="a finalizer without a domain",
        ),
        pytest.param(
            {"finalizers": ["x.io/"]},
            [
                'metadata.finalizers: Invalid value: "x.io/": name part must be non-empty',
                (
                    'metadata.finalizers: Invalid value: "x.io/": name part must consist of '
                    "alphanumeric characters, '-', '_' or '.', and must start and end with an "
                    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex "
                    "used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
                ),
            ],
            id="a finalizer without a name",
        ),
        pytest.param(
            {"finalizers": ["orphan", "foregroundDeletion"]},
            [
                (
                    'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: '
                    "finalizer orphan and foregroundDeletion cannot be both set"
                )
            ],
            id="two that contradict",
        ),
        pytest.param(
            {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}]},
            [],
            id="an owner",
        ),
        pytest.param(
            {"ownerReferences": [{"apiVersion": "apps/"}]},
            [
                (
                    'metadata.ownerReferences[0].apiVersion: Invalid value: "apps/": version must '
                    "not be empty"
                ),
                'metadata.ownerReferences[0].kind: Invalid value: "": must not be empty',
                'metadata.ownerReferences[0].name: Invalid value: "": must not be empty',
                'metadata.ownerReferences[0].uid: Invalid value: "": must not be empty',
            ],
            id="an empty owner",
        ),
    ],
)
def test_metadata(metadata: Object, expected: list[str]) -> None:
    assert meta_errors(**metadata) == expected


def test_a_bad_base_is_reported_beside_the_name() -> None:
    assert len(meta_errors(generateName="-")) == 1
    assert meta_errors(generateName="A-")[0].startswith('metadata.generateName: Invalid value: "A-')


def test_labels() -> None:
    found = meta_errors(labels={"a b": "-"})
    assert found[0].startswith('metadata.labels: Invalid value: "a b": name part must consist')
    assert found[1].startswith('metadata.labels: Invalid value: "-": a valid label must be')


def test_one_controller_at_most() -> None:
    def owner(name: str, *, controller: bool) -> Object:
        return {
            "apiVersion": "v1", "kind": "P", "name": name, "uid": "u", "controller": controller,
        }  # fmt: skip

    assert not meta_errors(
        ownerReferences=[owner("a", controller=True), owner("b", controller=False)]
    )
    (found,) = meta_errors(
        ownerReferences=[owner("a", controller=True), owner("b", controller=True)]
    )
    assert found.endswith('Found "true" in references for a and b')


@pytest.mark.parametrize(
    ("resource", "name", "fine"),
    [
        pytest.param(resources.NAMESPACES, "a-b", True, id="namespace"),
        pytest.param(resources.NAMESPACES, "a.b", False, id="namespace with a dot"),
        pytest.param(resources.NODES, "a.b", True, id="node with a dot"),
        pytest.param(resources.CLUSTER_ROLES, "system:node", True, id="role with a colon"),
        pytest.param(resources.CLUSTER_ROLES, "a/b", False, id="role with a slash"),
        pytest.param(resources.NODES, "a:b", False, id="node with a colon"),
    ],
)
def test_names_by_kind(resource: Resource, name: str, fine: bool) -> None:
    assert (errors(resource, {"metadata": {"name": name}}) == []) is fine


def test_cluster_scoped_kinds_have_no_namespace() -> None:
    assert errors(resources.NODES, obj()) == [
        "metadata.namespace: Forbidden: not allowed on this type"
    ]


def test_what_never_changes_in_metadata() -> None:
    old = obj()
    new: Object = {"metadata": {"name": "x", "namespace": "ns", "uid": "other"}}
    assert update_errors(resources.SERVICE_ACCOUNTS, new, old) == [
        'metadata.uid: Invalid value: "other": field is immutable'
    ]


def test_no_new_finalizers_while_going_away() -> None:
    old: Object = obj()
    old["metadata"] |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["a.io/a"]}
    new: Object = {"metadata": {**old["metadata"], "finalizers": []}}
    assert update_errors(resources.SERVICE_ACCOUNTS, new, old) == []
    new["metadata"]["finalizers"] = ["a.io/a", "b.io/b"]
    assert update_errors(resources.SERVICE_ACCOUNTS, new, old) == [
        (
            "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being "
            'deleted, found new finalizers []string{"b.io/b"}'
        )
    ]


# --- secrets and config maps


def encoded(size: int) -> str:
    return base64.b64encode(b"x" * size).decode()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"type": "Opaque", "data": {"a.b": "eA=="}}, [], id="opaque"),
        pytest.param({"data": {"a": encoded(MAX_BYTES)}}, [], id="largest"),
        pytest.param(
            {"data": {"a": encoded(MAX_BYTES), "b": "eA=="}},
            ["data: Too long: may not be more than 1048576 bytes"],
            id="a byte more",
        ),
        pytest.param(
            {"data": {"..": "eA=="}},
            ["data[..]: Invalid value: \"..\": must not be '..'"],
            id="a key",
        ),
        pytest.param(
            {"type": "kubernetes.io/service-account-token"},
            ["metadata.annotations[kubernetes.io/service-account.name]: Required value"],
            id="a token of nobody",
        ),
        pytest.param(
            {"type": "kubernetes.io/basic-auth"},
            ["data[username]: Required value", "data[password]: Required value"],
            id="neither user nor password",
        ),
        pytest.param(
            {"type": "kubernetes.io/basic-auth", "data": {"password": "eA=="}}, [], id="password"
        ),
        pytest.param(
            {"type": "kubernetes.io/tls", "data": {"tls.key": "eA=="}},
            ["data[tls.crt]: Required value"],
            id="a key without a certificate",
        ),
        pytest.param(
            {"type": "kubernetes.io/dockercfg", "data": {".dockercfg": "e30="}}, [], id="docker"
        ),
        pytest.param(
            {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "eA=="}},
            ['data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": must be JSON'],
            id="docker without json",
        ),
    ],
)
def test_secrets(fields: Object, expected: list[str]) -> None:
    assert errors(resources.SECRETS, obj(**fields)) == expected


@pytest.mark.rule("legacy.secret-annotation")
def test_a_token_secret_of_an_account() -> None:
    secret = obj(type="kubernetes.io/service-account-token")
    secret["metadata"]["annotations"] = {"kubernetes.io/service-account.name": "default"}
    assert errors(resources.SECRETS, secret) == []


@pytest.mark.parametrize(
    ("new", "old", "expected"),
    [
        pytest.param({"type": "a"}, {"type": "a"}, [], id="nothing"),
        pytest.param(
            {"type": "b"},
            {"type": "a"},
            ['type: Invalid value: "b": field is immutable'],
            id="type",
        ),
        pytest.param({"immutable": True}, {}, [], id="becomes immutable"),
        pytest.param(
            {"data": {"a": "eA=="}},
            {"immutable": True},
            [
                "immutable: Forbidden: field is immutable when `immutable` is set",
                "data: Forbidden: field is immutable when `immutable` is set",
            ],
            id="is immutable",
        ),
        pytest.param({"immutable": True}, {"immutable": True}, [], id="stays as it is"),
    ],
)
def test_secret_updates(new: Object, old: Object, expected: list[str]) -> None:
    assert update_errors(resources.SECRETS, obj(**new), obj(**old)) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"data": {"a": "text"}, "binaryData": {"b": "eA=="}}, [], id="both"),
        pytest.param(
            {"data": {"a": ""}, "binaryData": {"a": ""}},
            ['data[a]: Invalid value: "a": duplicate of key present in binaryData'],
            id="a key in both",
        ),
        pytest.param(
            {"binaryData": {"..": ""}},
            ["binaryData[..]: Invalid value: \"..\": must not be '..'"],
            id="a key",
        ),
        pytest.param({"data": {"a": "x" * MAX_BYTES}}, [], id="largest"),
        pytest.param(
            {"data": {"a": "x" * MAX_BYTES}, "binaryData": {"b": "eA=="}},
            ["Too long: may not be more than 1048576 bytes"],
            id="a byte more",
        ),
    ],
)
def test_config_maps(fields: Object, expected: list[str]) -> None:
    assert errors(resources.CONFIG_MAPS, obj(**fields)) == expected


def test_immutable_config_maps() -> None:
    old = obj(immutable=True, data={"a": "1"})
    new = obj(immutable=True, data={"a": "2"})
    assert update_errors(resources.CONFIG_MAPS, new, old) == [
        "data: Forbidden: field is immutable when `immutable` is set"
    ]


# --- RBAC


def rule(**fields: Any) -> Object:
    return {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], **fields}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        pytest.param([rule()], [], id="a rule"),
        pytest.param(
            [{}],
            [
                "rules[0].verbs: Required value: verbs must contain at least one value",
                (
                    "rules[0].apiGroups: Required value: resource rules must supply at least one "
                    "api group"
                ),
                (
                    "rules[0].resources: Required value: resource rules must supply at least one "
                    "resource"
                ),
            ],
            id="an empty rule",
        ),
        pytest.param(
            [{"verbs": ["get"], "nonResourceURLs": ["/x"]}],
            [
                (
                    'rules[0].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot '
                    "apply to non-resource URLs"
                )
            ],
            id="a path in a namespace",
        ),
    ],
)
def test_roles(rules: list[Object], expected: list[str]) -> None:
    assert errors(resources.ROLES, obj(rules=rules)) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"rules": [{"verbs": ["get"], "nonResourceURLs": ["/x"]}]}, [], id="a path"),
        pytest.param(
            {"rules": [rule(nonResourceURLs=["/x"])]},
            [
                (
                    'rules[0].nonResourceURLs: Invalid value: ["/x"]: rules cannot apply to both '
                    "regular resources and non-resource URLs"
                )
            ],
            id="paths and resources",
        ),
        pytest.param({"aggregationRule": {"clusterRoleSelectors": [{}]}}, [], id="aggregated"),
        pytest.param(
            {"aggregationRule": {}},
            [
                (
                    "aggregationRule.clusterRoleSelectors: Required value: at least one "
                    "clusterRoleSelector required if aggregationRule is non-nil"
                )
            ],
            id="aggregated of nothing",
        ),
    ],
)
def test_cluster_roles(fields: Object, expected: list[str]) -> None:
    assert errors(resources.CLUSTER_ROLES, cluster(**fields)) == expected


ROLE = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "view"}


@pytest.mark.parametrize(
    ("role", "subject", "expected"),
    [
        pytest.param(ROLE, {"kind": "User", "apiGroup": RBAC, "name": "u"}, [], id="user"),
        pytest.param(ROLE, {"kind": "ServiceAccount", "name": "s"}, [], id="account"),
        pytest.param(
            {},
            {},
            [
                f'roleRef.apiGroup: Unsupported value: "": supported values: "{RBAC}"',
                'roleRef.kind: Unsupported value: "": supported values: "ClusterRole", "Role"',
                "roleRef.name: Required value",
                "subjects[0].name: Required value",
                (
                    'subjects[0].kind: Unsupported value: "": supported values: "Group", '
                    '"ServiceAccount", "User"'
                ),
            ],
            id="nothing",
        ),
        pytest.param(
            ROLE | {"name": "a/b"},
            {"kind": "Group", "name": "g"},
            [
                "roleRef.name: Invalid value: \"a/b\": may not contain '/'",
                f'subjects[0].apiGroup: Unsupported value: "": supported values: "{RBAC}"',
            ],
            id="name of the role, group of the subject",
        ),
        pytest.param(
            ROLE,
            {"kind": "ServiceAccount", "apiGroup": RBAC, "name": "s"},
            [f'subjects[0].apiGroup: Unsupported value: "{RBAC}": supported values: ""'],
            id="an account has no group",
        ),
        pytest.param(
            ROLE, {"kind": "ServiceAccount"}, ["subjects[0].name: Required value"], id="no account"
        ),
    ],
)
def test_role_bindings(role: Object, subject: Object, expected: list[str]) -> None:
    binding = obj(roleRef=role, subjects=[subject])
    assert errors(resources.ROLE_BINDINGS, binding) == expected


def test_accounts_of_cluster_role_bindings_need_a_namespace() -> None:
    binding = cluster(roleRef=ROLE, subjects=[{"kind": "ServiceAccount", "name": "s"}])
    assert errors(resources.CLUSTER_ROLE_BINDINGS, binding) == [
        "subjects[0].namespace: Required value"
    ]
    binding["subjects"] = [{"kind": "ServiceAccount", "name": "s_", "namespace": "ns"}]
    assert len(errors(resources.CLUSTER_ROLE_BINDINGS, binding)) == 1


@pytest.mark.parametrize(
    ("resource", "make"),
    [
        pytest.param(resources.ROLE_BINDINGS, obj, id="in a namespace"),
        pytest.param(resources.CLUSTER_ROLE_BINDINGS, cluster, id="in the cluster"),
    ],
)
def test_a_binding_keeps_its_role(resource: Resource, make: Any) -> None:
    old, same = make(roleRef=ROLE), make(roleRef=dict(ROLE), subjects=[])
    assert update_errors(resource, same, old) == []
    (found,) = update_errors(resource, make(roleRef=ROLE | {"name": "edit"}), old)
    assert found.startswith("roleRef: Invalid value: ")
    assert found.endswith(": cannot change roleRef")


# --- the rest


def test_namespaces() -> None:
    assert errors(resources.NAMESPACES, cluster(spec={"finalizers": ["kubernetes"]})) == []
    (found,) = errors(resources.NAMESPACES, cluster(spec={"finalizers": ["mine"]}))
    assert found.startswith('spec.finalizers: Invalid value: "mine"')


@pytest.mark.parametrize(
    ("taints", "expected"),
    [
        pytest.param([{"key": "a", "effect": "NoSchedule"}], [], id="a taint"),
        pytest.param([{"key": "a"}], ["spec.taints[0].effect: Required value"], id="no effect"),
        pytest.param(
            [{"key": "a", "effect": "Fly"}],
            [
                (
                    'spec.taints[0].effect: Unsupported value: "Fly": supported values: '
                    '"NoExecute", "NoSchedule", "PreferNoSchedule"'
                )
            ],
            id="effect",
        ),
        pytest.param(
            [{"key": "a", "effect": "NoSchedule"}] * 2,
            ['spec.taints[1]: Duplicate value: {"key":"a","effect":"NoSchedule"}'],
            id="twice",
        ),
        pytest.param(
            [{"key": "a", "effect": "NoSchedule"}, {"key": "a", "effect": "NoExecute"}],
            [],
            id="two effects",
        ),
    ],
)
def test_nodes(taints: list[Object], expected: list[str]) -> None:
    assert errors(resources.NODES, cluster(spec={"taints": taints})) == expected
    new = cluster(spec={"taints": taints})
    assert update_errors(resources.NODES, new, cluster()) == expected


def test_texts_of_taints() -> None:
    found = errors(
        resources.NODES,
        cluster(spec={"taints": [{"key": "a b", "value": "-", "effect": "NoExecute"}]}),
    )
    assert [one.partition(": ")[0] for one in found] == [
        "spec.taints[0].key", "spec.taints[0].value",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({}, [], id="nothing said"),
        pytest.param({"leaseDurationSeconds": 1, "leaseTransitions": 0}, [], id="least"),
        pytest.param(
            {"leaseDurationSeconds": 0, "leaseTransitions": -1},
            [
                "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
                "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0",
            ],
            id="less",
        ),
    ],
)
def test_leases(spec: Object, expected: list[str]) -> None:
    assert errors(resources.LEASES, obj(spec=spec)) == expected


@pytest.mark.parametrize(
    ("namespace", "involved", "fine"),
    [
        pytest.param("ns", "ns", True, id="the same"),
        pytest.param("ns", "other", False, id="another"),
        pytest.param("default", "", True, id="of a node, in default"),
        pytest.param("kube-system", "", True, id="of a node, in kube-system"),
        pytest.param("ns", "", False, id="of a node, elsewhere"),
    ],
)
def test_events(namespace: str, involved: str, fine: bool) -> None:
    event = {
        "metadata": {"name": "e", "namespace": namespace},
        "involvedObject": {"namespace": involved},
    }
    expected = [
        f'involvedObject.namespace: Invalid value: "{involved}": does not match event.namespace'
    ]
    assert errors(resources.EVENTS, event) == ([] if fine else expected)
