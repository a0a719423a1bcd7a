"""Versions of the pod template of a stateful or daemon set, kept as ControllerRevisions.

1. The revision with the set's template is its update revision; it is created when it is missing,
   and gets the highest number when it was an old one (a rollback).
2. Those that no pod has, beyond the history limit, are dropped, oldest first.

Source: Kubernetes, `pkg/controller/history`, `stateful_set_control.go`, `daemon/update.go`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from podpass.api.errors import StatusError
from podpass.api.meta import (
    is_terminating,
    labels_of,
    name_of,
    namespace_of,
    resource_version_of,
    uid_of,
)
from podpass.api.resources import CONTROLLER_REVISIONS, Object, Resource
from podpass.api.strategic_patch import DIRECTIVE
from podpass.client.informer import Informer
from podpass.client.rest import RestClient
from podpass.controllers.claims import Claims, controller_reference, is_controlled_by
from podpass.controllers.pod_templates import content_hash
from podpass.controllers.refusals import is_conflict, is_not_found

HASH_LABEL = "controller.kubernetes.io/hash"
POD_LABEL = "controller-revision-hash"


@dataclass(frozen=True, slots=True)
class Collision:
    """Another template has the name of the wanted revision: count it, and come again."""


def template_data(template: Object) -> Object:
    """Return what a revision keeps: a strategic patch that brings the template back."""
    return {"spec": {"template": template | {DIRECTIVE: "replace"}}}


def template_in(revision: Object) -> Object:
    """Return the template that a revision keeps."""
    template = revision["data"]["spec"]["template"]
    return {key: value for key, value in template.items() if key != DIRECTIVE}


def number_of(revision: Object) -> int:
    """Return the number of a revision."""
    return int(revision.get("revision") or 0)


def hash_of(revision: Object) -> str:
    """Return the hash that tells the revision from others of its set."""
    return labels_of(revision).get(HASH_LABEL, "")


def in_order(revisions: Collection[Object]) -> list[Object]:
    """Return revisions, lowest number first."""
    return sorted(revisions, key=lambda one: (number_of(one), name_of(one)))


def new_revision(kind: Resource, owner: Object, number: int) -> Object:
    """Return the revision of the set's template.

    Args:
        kind: Kind of the set.
        owner: The set.
        number: Of the revision.
    """
    template = owner["spec"]["template"]
    data = template_data(template)
    collisions = int((owner.get("status") or {}).get("collisionCount") or 0)
    digest = content_hash(data, collisions)
    return {
        "apiVersion": CONTROLLER_REVISIONS.api_version,
        "kind": CONTROLLER_REVISIONS.kind,
        "metadata": {
            "name": f"{name_of(owner)}-{digest}",
            "namespace": namespace_of(owner),
            "labels": labels_of(template) | {HASH_LABEL: digest},
            "ownerReferences": [controller_reference(kind, owner)],
        },
        "data": data,
        "revision": number,
    }


def revisions_to_drop(owner: Object, revisions: Sequence[Object], live: set[str]) -> list[Object]:
    """Return the revisions beyond the history limit (rule 2).

    Args:
        owner: The set.
        revisions: All that it owns.
        live: Names of those in use.
    """
    limit = owner["spec"].get("revisionHistoryLimit")
    if limit is None:
        return []
    unused = [
        one for one in in_order(revisions) if name_of(one) not in live and not is_terminating(one)
    ]
    return unused[: max(0, len(unused) - int(limit))]


class RevisionHistory:
    """Reads and writes the revisions of the sets of one kind."""

    def __init__(self, client: RestClient, kind: Resource, revisions: Informer) -> None:
        """Prepare.

        Args:
            client: The API server.
            kind: Kind of the sets.
            revisions: All ControllerRevisions.
        """
        self._client = client
        self._kind = kind
        self._revisions = revisions
        self._claims = Claims(client, kind, CONTROLLER_REVISIONS)

    async def of(self, owner: Object) -> list[Object]:
        """Return the revisions of a set, lowest number first.

        Raises:
            StatusError: The API server refused.
            ConnectionFailed: The API server was not reached.
        """
        return in_order(await self._claims.claim(owner, self._revisions.list(namespace_of(owner))))

    async def update_revision(
        self, owner: Object, revisions: Sequence[Object]
    ) -> Object | Collision:
        """Return the revision of the set's template (rule 1).

        Args:
            owner: The set.
            revisions: All that it owns, lowest number first.

        Raises:
            StatusError: The API server refused.
            ConnectionFailed: The API server was not reached.
        """
        highest = number_of(revisions[-1]) if revisions else 0
        wanted = new_revision(self._kind, owner, highest + 1)
        equal = [one for one in revisions if one.get("data") == wanted["data"]]
        if equal:
            found = equal[-1]
            return found if found is revisions[-1] else await self._renumber(found, highest + 1)
        try:
            return await self._client.create(CONTROLLER_REVISIONS, wanted)
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise
        found = await self._client.get(CONTROLLER_REVISIONS, namespace_of(wanted), name_of(wanted))
        same = found.get("data") == wanted["data"] and is_controlled_by(found, owner)
        return found if same else Collision()

    async def drop(self, owner: Object, revisions: Sequence[Object], live: set[str]) -> None:
        """Delete what `revisions_to_drop` says.

        Raises:
            StatusError: The API server refused.
            ConnectionFailed: The API server was not reached.
        """
        for one in revisions_to_drop(owner, revisions, live):
            try:
                await self._client.delete(
                    CONTROLLER_REVISIONS, namespace_of(one), name_of(one), uid=uid_of(one)
                )
            except StatusError as error:
                if not (is_not_found(error) or is_conflict(error)):
                    raise

    async def _renumber(self, revision: Object, number: int) -> Object:
        metadata = {"uid": uid_of(revision), "resourceVersion": resource_version_of(revision)}
        return await self._client.patch(
            CONTROLLER_REVISIONS,
            namespace_of(revision),
            name_of(revision),
            {"metadata": metadata, "revision": number},
        )
