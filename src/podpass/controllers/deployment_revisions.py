"""The replica sets of a deployment as its revisions. Pure.

The revision whose template is the deployment's is the new one; when it was an old one before (a
rollback) it gets the highest number.

Source: Kubernetes, `pkg/controller/deployment/util/deployment_util.go`, `sync.go`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence

from podpass.api.meta import annotations_of, is_terminating, name_of, namespace_of
from podpass.api.resources import DEPLOYMENTS, REPLICA_SETS, Object
from podpass.controllers.claims import controller_reference
from podpass.controllers.deployment_limits import limits_of, replicas_of
from podpass.controllers.pod_templates import (
    TEMPLATE_HASH_LABEL,
    content_hash,
    same_template,
    without_hash,
)
from podpass.controllers.pods import created_at

REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_NOT_COPIED = frozenset(
    {LAST_APPLIED, REVISION, REVISION_HISTORY, DESIRED_REPLICAS, MAX_REPLICAS,
     "deprecated.deployment.rollback.to"}
)  # fmt: skip


def number_in(obj: Object, annotation: str) -> int:
    """Return the number in an annotation, or 0."""
    text = annotations_of(obj).get(annotation, "")
    return int(text) if text.isascii() and text.isdigit() else 0


def revision_of(replica_set: Object) -> int:
    """Return the revision of a replica set, 0 for none."""
    return number_in(replica_set, REVISION)


def by_creation(replica_sets: Iterable[Object]) -> list[Object]:
    """Return replica sets, oldest first."""
    return sorted(replica_sets, key=lambda one: (created_at(one), name_of(one)))


def find_new(deployment: Object, replica_sets: Iterable[Object]) -> Object | None:
    """Return the replica set of the deployment's template; the oldest of several."""
    template = deployment["spec"]["template"]
    return next(
        (
            one
            for one in by_creation(replica_sets)
            if same_template(one["spec"]["template"], template)
        ),
        None,
    )


def sizes(deployment: Object) -> dict[str, str]:
    """Return the annotations by which a later look knows that the deployment was scaled."""
    wanted = replicas_of(deployment)
    return {DESIRED_REPLICAS: str(wanted), MAX_REPLICAS: str(wanted + limits_of(deployment).surge)}


def annotations_of_new(
    deployment: Object, revision: int, current: Object | None = None
) -> dict[str, str]:
    """Return the annotations of the new replica set.

    Args:
        deployment: Its own annotations are copied, but for the bookkeeping of tools.
        revision: The revision it is to have, unless it has a higher one.
        current: The replica set, if it is there.
    """
    former = annotations_of(current) if current is not None else {}
    annotations = dict(former)
    annotations |= {
        key: value for key, value in annotations_of(deployment).items() if key not in _NOT_COPIED
    }
    if current is None:
        return annotations | {REVISION: str(revision)} | sizes(deployment)
    before = revision_of(current)
    if before < revision:
        annotations[REVISION] = str(revision)
        if before:
            past = former.get(REVISION_HISTORY, "")
            history = past.split(",") if past else []
            if str(before) not in history:
                annotations[REVISION_HISTORY] = ",".join([*history, str(before)])
    return annotations


def new_replica_set(deployment: Object, revision: int, replicas: int) -> Object:
    """Return the replica set of the deployment's template.

    Args:
        deployment: The deployment.
        revision: Its number.
        replicas: Pods to start with.
    """
    spec = deployment["spec"]
    template = copy.deepcopy(without_hash(spec["template"]))
    collisions = int((deployment.get("status") or {}).get("collisionCount") or 0)
    label = {TEMPLATE_HASH_LABEL: content_hash(template, collisions)}
    template["metadata"]["labels"] |= label
    selector = copy.deepcopy(spec["selector"])
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), **label}
    return {
        "apiVersion": REPLICA_SETS.api_version,
        "kind": REPLICA_SETS.kind,
        "metadata": {
            "name": f"{name_of(deployment)}-{label[TEMPLATE_HASH_LABEL]}",
            "namespace": namespace_of(deployment),
            "labels": dict(template["metadata"]["labels"]),
            "annotations": annotations_of_new(deployment, revision),
            "ownerReferences": [controller_reference(DEPLOYMENTS, deployment)],
        },
        "spec": {
            "replicas": replicas,
            "minReadySeconds": int(spec.get("minReadySeconds") or 0),
            "selector": selector,
            "template": template,
        },
    }


def history_to_drop(deployment: Object, old: Sequence[Object]) -> list[Object]:
    """Return the old replica sets beyond the history limit, oldest revision first.

    One that still has pods, or whose controller has not caught up, stays.
    """
    limit = deployment["spec"].get("revisionHistoryLimit")
    if limit is None:
        return []
    ordered = sorted(
        (one for one in old if not is_terminating(one)),
        key=lambda one: (revision_of(one), created_at(one)),
    )
    return [one for one in ordered[: max(0, len(ordered) - int(limit))] if _is_empty(one)]


def _is_empty(replica_set: Object) -> bool:
    status = replica_set.get("status") or {}
    seen = int(status.get("observedGeneration") or 0)
    return (
        not status.get("replicas")
        and replicas_of(replica_set) == 0
        and int(replica_set["metadata"].get("generation") or 0) <= seen
    )
