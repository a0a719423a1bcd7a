"""What is refused in workloads, in Kubernetes' words."""

import copy
from typing import Any

import pytest

from podpass.api import resources
from podpass.api.defaults import apply_defaults
from podpass.api.resources import Object, Resource
from podpass.api.validation import validate_create, validate_update

LABELS = {"app": "web"}
DEPLOYMENTS, DAEMON_SETS = resources.DEPLOYMENTS, resources.DAEMON_SETS
STATEFUL_SETS, JOBS = resources.STATEFUL_SETS, resources.JOBS
BUDGETS = resources.POD_DISRUPTION_BUDGETS
NOT_NEGATIVE = "must be greater than or equal to 0"
ENDING = 'valid values: "OnFailure", "Never"'


def template(**spec: Any) -> Object:
    return {
        "metadata": {"labels": dict(LABELS)},
        "spec": {"containers": [{"name": "c", "image": "nginx"}]} | spec,
    }


def workload(resource: Resource, name: str = "web", **spec: Any) -> Object:
    base: Object = {"selector": {"matchLabels": dict(LABELS)}, "template": template()}
    if resource is JOBS:
        base["template"]["spec"]["restartPolicy"] = "Never"
        base["manualSelector"] = True
    obj = {"metadata": {"name": name, "namespace": "ns"}, "spec": base | spec}
    apply_defaults(resource, obj)
    return obj


def errors(resource: Resource, **spec: Any) -> list[str]:
    return [str(one) for one in validate_create(resource, workload(resource, **spec))]


@pytest.mark.parametrize(
    "resource",
    [DEPLOYMENTS, resources.REPLICA_SETS, STATEFUL_SETS, DAEMON_SETS, JOBS],
    ids=lambda one: one.kind,
)
def test_a_plain_workload_is_fine(resource: Resource) -> None:
    assert errors(resource) == []


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({"replicas": -1}, [f"spec.replicas: Invalid value: -1: {NOT_NEGATIVE}"],
                     id="negative replicas"),
        pytest.param({"replicas": 0}, [], id="no replicas"),
        pytest.param({"selector": None}, ["spec.selector: Required value"], id="no selector"),
        pytest.param(
            {"selector": {}},
            ["spec.selector: Invalid value: {}: empty selector is invalid for deployment"],
            id="a selector of everything",
        ),
        pytest.param(
            {"selector": {"matchLabels": {"app": "other"}}},
            [
                ('spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not '
                "match template `labels`")
            ],
            id="a selector of other pods",
        ),
        pytest.param(
            {"selector": {"matchExpressions": [{"key": "app", "operator": "In"}]}},
            [
                ("spec.selector.matchExpressions[0].values: Required value: must be specified when "
                "`operator` is 'In' or 'NotIn'")
            ],
            id="In without values",
        ),
        pytest.param(
            {"selector": {"matchExpressions": [
                {"key": "app", "operator": "Exists", "values": ["web"]}]}},
            [
                ("spec.selector.matchExpressions[0].values: Forbidden: may not be specified when "
                "`operator` is 'Exists' or 'DoesNotExist'")
            ],
            id="Exists with values",
        ),
        pytest.param(
            {"selector": {"matchExpressions": [{"key": "app", "operator": "Like"}]}},
            [
                ('spec.selector.matchExpressions[0].operator: Invalid value: "Like": not a valid '
                "selector operator")
            ],
            id="an unknown operator",
        ),
        pytest.param(
            {"selector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}}, [],
            id="a selector of expressions",
        ),
        pytest.param(
            {"template": template(restartPolicy="Never")},
            [
                ('spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: '
                '"Always"')
            ],
            id="pods that end",
        ),
        pytest.param(
            {"template": template(activeDeadlineSeconds=5)},
            [
                ("spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in "
                "ReplicaSet is not Supported")
            ],
            id="pods with a deadline",
        ),
        pytest.param(
            {"template": template(containers=[])},
            ["spec.template.spec.containers: Required value"],
            id="no containers",
        ),
        pytest.param(
            {"template": template(volumes=[{"name": "t", "projected": {"sources": [
                {"serviceAccountToken": {"path": "t"}}]}}])},
            [],
            id="a token, and the account left open",
        ),
        pytest.param(
            {"strategy": {"type": "Recreate", "rollingUpdate": {}}},
            [
                ("spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy "
                "`type` is 'Recreate'")
            ],
            id="limits without rolling",
        ),
        pytest.param({"strategy": {"type": "Recreate"}}, [], id="recreate"),
        pytest.param(
            {"strategy": {"type": "BlueGreen"}},
            [
                ('spec.strategy.type: Unsupported value: "BlueGreen": supported values: '
                '"Recreate", "RollingUpdate"')
            ],
            id="an unknown strategy",
        ),
        pytest.param(
            {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}}},
            [
                ('spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 '
                "when `maxSurge` is 0")
            ],
            id="no room to roll",
        ),
        pytest.param(
            {"strategy": {"rollingUpdate": {"maxSurge": "half"}}},
            [
                ('spec.strategy.rollingUpdate.maxSurge: Invalid value: "half": a valid percent '
                "string must be a numeric string followed by an ending '%' (e.g. '1%',  or "
                "'93%', regex used for validation is '[0-9]+%')")
            ],
            id="no percentage",
        ),
        pytest.param(
            {"strategy": {"rollingUpdate": {"maxSurge": -1}}},
            [f"spec.strategy.rollingUpdate.maxSurge: Invalid value: -1: {NOT_NEGATIVE}"],
            id="a negative surge",
        ),
        pytest.param(
            {"strategy": {"rollingUpdate": {"maxUnavailable": "101%"}}},
            [
                ('spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be '
                "greater than 100%")
            ],
            id="more than all",
        ),
        pytest.param({"strategy": {"rollingUpdate": {"maxUnavailable": "100%"}}}, [], id="all"),
        pytest.param(
            {"minReadySeconds": 600},
            [
                ("spec.progressDeadlineSeconds: Invalid value: 600: must be greater than "
                "minReadySeconds")
            ],
            id="a deadline that cannot be met",
        ),
        pytest.param({"minReadySeconds": 599}, [], id="a deadline that can be met"),
    ],
)  # fmt: skip
def test_deployments(spec: Object, expected: list[str]) -> None:
    obj = workload(DEPLOYMENTS, **{key: value for key, value in spec.items() if value is not None})
    if "selector" in spec and spec["selector"] is None:
        del obj["spec"]["selector"]
    assert [str(one) for one in validate_create(DEPLOYMENTS, obj)] == expected


def test_a_deployment_without_a_deadline_is_fine() -> None:
    obj = workload(DEPLOYMENTS)
    del obj["spec"]["progressDeadlineSeconds"]
    assert validate_create(DEPLOYMENTS, obj) == []


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param(
            {"podManagementPolicy": "Any"},
            [
                (
                    "spec.podManagementPolicy: Invalid value: \"Any\": must be 'OrderedReady' or "
                    "'Parallel'"
                )
            ],
            id="an unknown policy",
        ),
        pytest.param({"podManagementPolicy": "Parallel"}, [], id="parallel"),
        pytest.param(
            {"updateStrategy": {"type": "Never"}},
            [
                (
                    'spec.updateStrategy: Invalid value: {"type":"Never"}: must be '
                    "'RollingUpdate' or 'OnDelete'"
                )
            ],
            id="an unknown strategy",
        ),
        pytest.param(
            {"updateStrategy": {"type": "OnDelete", "rollingUpdate": {"partition": 1}}},
            [
                (
                    'spec.updateStrategy.rollingUpdate: Invalid value: {"partition":1}: '
                    "only allowed "
                    "for updateStrategy 'RollingUpdate'"
                )
            ],
            id="a partition on delete",
        ),
        pytest.param(
            {"updateStrategy": {"rollingUpdate": {"partition": -1}}},
            [f"spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: {NOT_NEGATIVE}"],
            id="a negative partition",
        ),
        pytest.param(
            {"ordinals": {"start": -1}},
            [f"spec.ordinals.start: Invalid value: -1: {NOT_NEGATIVE}"],
            id="a negative start",
        ),
        pytest.param(
            {"volumeClaimTemplates": [{}]},
            ["spec.volumeClaimTemplates: Forbidden: this cluster has no persistent volumes"],
            id="claims",
        ),
    ],
)
def test_stateful_sets(spec: Object, expected: list[str]) -> None:
    assert errors(STATEFUL_SETS, **spec) == expected


def test_the_name_of_a_stateful_set_becomes_a_host_name() -> None:
    found = validate_create(STATEFUL_SETS, workload(STATEFUL_SETS, "a.b"))
    assert [str(one) for one in found] == [
        'metadata.name: Invalid value: "a.b": must not contain dots'
    ]


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        pytest.param({"type": "OnDelete"}, [], id="on delete"),
        pytest.param(
            {"type": "Never"},
            [
                (
                    'spec.updateStrategy.type: Unsupported value: "Never": supported values: '
                    '"OnDelete", "RollingUpdate"'
                )
            ],
            id="an unknown strategy",
        ),
        pytest.param(
            {"rollingUpdate": {"maxUnavailable": 1, "maxSurge": 1}},
            [
                (
                    "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not "
                    "be set when "
                    "maxUnavailable is non-zero"
                )
            ],
            id="both limits",
        ),
        pytest.param(
            {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 0}},
            [
                (
                    "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: 0: "
                    "cannot be 0 "
                    "when maxSurge is 0"
                )
            ],
            id="neither limit",
        ),
        pytest.param({"rollingUpdate": {"maxUnavailable": 0, "maxSurge": "10%"}}, [], id="surge"),
        pytest.param(
            {"rollingUpdate": {"maxUnavailable": "x"}},
            [
                (
                    'spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: "x": a valid '
                    "percent string must be a numeric string followed by an ending '%' "
                    "(e.g. '1%',  "
                    "or '93%', regex used for validation is '[0-9]+%')"
                )
            ],
            id="no percentage",
        ),
    ],
)
def test_daemon_sets(strategy: Object, expected: list[str]) -> None:
    assert errors(DAEMON_SETS, updateStrategy=strategy) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param(
            {"template": template()},
            [f"spec.template.spec.restartPolicy: Required value: {ENDING}"],
            id="pods that never end",
        ),
        pytest.param(
            {"backoffLimit": -1}, [f"spec.backoffLimit: Invalid value: -1: {NOT_NEGATIVE}"],
            id="a negative limit",
        ),
        pytest.param(
            {"completionMode": "Indexed"},
            [
                ('spec.completionMode: Unsupported value: "Indexed": supported values: '
                '"NonIndexed"')
            ],
            id="indexes",
        ),
        pytest.param(
            {"successPolicy": {"rules": []}},
            ["spec.successPolicy: Forbidden: not supported by this cluster"],
            id="a success policy",
        ),
        pytest.param({"selector": {}}, ["spec.selector: Required value"], id="no selector"),
        pytest.param(
            {"selector": {"matchLabels": {"app": "other"}}},
            [
                ('spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not '
                "match template `labels`")
            ],
            id="a selector of other pods",
        ),
    ],
)  # fmt: skip
def test_jobs(spec: Object, expected: list[str]) -> None:
    assert errors(JOBS, **spec) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({"minAvailable": 1}, [], id="a number"),
        pytest.param({"maxUnavailable": "30%"}, [], id="a percentage"),
        pytest.param({}, [], id="neither"),
        pytest.param(
            {"minAvailable": 1, "maxUnavailable": 1},
            [
                (
                    'spec: Invalid value: {"minAvailable":1,"maxUnavailable":1}: minAvailable and '
                    "maxUnavailable cannot be both set"
                )
            ],
            id="both",
        ),
        pytest.param(
            {"minAvailable": "101%"},
            ['spec.minAvailable: Invalid value: "101%": must not be greater than 100%'],
            id="more than all",
        ),
        pytest.param(
            {"unhealthyPodEvictionPolicy": "Maybe"},
            [
                (
                    'spec.unhealthyPodEvictionPolicy: Unsupported value: "Maybe": '
                    "supported values: "
                    '"AlwaysAllow", "IfHealthyBudget"'
                )
            ],
            id="an unknown policy",
        ),
    ],
)
def test_disruption_budgets(spec: Object, expected: list[str]) -> None:
    budget = {"metadata": {"name": "x", "namespace": "ns"}, "spec": spec}
    assert [str(one) for one in validate_create(BUDGETS, budget)] == expected


REVISION: Object = {"metadata": {"name": "x", "namespace": "ns"}, "data": {"a": 1}, "revision": 1}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({}, [], id="fine"),
        pytest.param({"data": None}, ["data: Required value: data is mandatory"], id="no data"),
        pytest.param(
            {"revision": -1}, [f"revision: Invalid value: -1: {NOT_NEGATIVE}"], id="negative"
        ),
    ],
)
def test_revisions(fields: Object, expected: list[str]) -> None:
    found = validate_create(resources.CONTROLLER_REVISIONS, REVISION | fields)
    assert [str(one) for one in found] == expected


def test_only_the_number_of_a_revision_changes() -> None:
    revisions = resources.CONTROLLER_REVISIONS
    assert validate_update(revisions, REVISION | {"revision": 2}, REVISION) == []
    found = validate_update(revisions, REVISION | {"data": {"a": 2}}, REVISION)
    assert [str(one) for one in found] == ['data: Invalid value: {"a":2}: field is immutable']


def changed(resource: Resource, **spec: Any) -> list[str]:
    old = workload(resource)
    new = copy.deepcopy(old)
    new["spec"] |= spec
    return [str(one) for one in validate_update(resource, new, old)]


@pytest.mark.parametrize(
    "resource", [DEPLOYMENTS, resources.REPLICA_SETS, DAEMON_SETS], ids=lambda one: one.kind
)
def test_the_selector_stays(resource: Resource) -> None:
    selector = {"matchExpressions": [{"key": "app", "operator": "Exists"}]}
    assert changed(resource, minReadySeconds=3) == []
    (found,) = changed(resource, selector=selector)
    assert found.startswith("spec.selector: Invalid value: ")
    assert found.endswith("field is immutable")


def test_little_may_change_in_a_stateful_set() -> None:
    assert changed(STATEFUL_SETS, replicas=3) == []
    (found,) = changed(STATEFUL_SETS, serviceName="other")
    assert found == (
        "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', "
        "'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', "
        "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
    )


def test_what_a_job_does_stays() -> None:
    assert changed(JOBS, parallelism=3) == []
    assert changed(JOBS, completions=3) == [
        "spec.completions: Invalid value: 3: field is immutable"
    ]


def test_a_status_is_not_judged_by_the_spec() -> None:
    old = workload(DEPLOYMENTS)
    new = copy.deepcopy(old)
    new["spec"]["replicas"] = -1
    assert validate_update(DEPLOYMENTS, new, old, subresource="status") == []
