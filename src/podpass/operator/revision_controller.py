"""Makes revisions: numbered copies of everything that an API server is started with.

1. The record `revision-status-N` comes first, not ready; then the copies, owned by it; then it is
   marked ready; then `latestAvailableRevision` follows. Killed anywhere, the next look goes on.
2. Everything is read from the API anew: a copy of yesterday could use a number twice.
"""

from __future__ import annotations

from podpass.api.meta import annotations_of, name_of, uid_of
from podpass.api.resources import CONFIG_MAPS, SECRETS, Object
from podpass.operator import names
from podpass.operator.node_status import is_managed, latest_revision
from podpass.operator.objects import content_of
from podpass.operator.parts import Parts
from podpass.operator.revision import (
    CorrectStatus,
    Incomplete,
    Input,
    NewRevision,
    RevisionRecord,
    decide_revision,
)
from podpass.operator.sync_loop import DegradedWords, SyncError, SyncLoop

INPUTS = (
    *(Input("secret", name, required=True) for name in names.REQUIRED_SECRETS),
    *(Input("secret", name, required=False) for name in names.OPTIONAL_SECRETS),
    *(Input("configmap", name, required=True) for name in names.REQUIRED_CONFIG_MAPS),
    *(Input("configmap", name, required=False) for name in names.OPTIONAL_CONFIG_MAPS),
)
_NAMES = frozenset(one.name for one in INPUTS)
_OWNER_LABEL = "operator.openshift.io/controller-instance-name"
_OWNER = "kube-apiserver-RevisionController"


class RevisionController:
    """Keeps `latestAvailableRevision` and what belongs to it."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def loop(self) -> SyncLoop:
        """Return the loop that runs it."""
        loop = self._parts.loop(DegradedWords("RevisionController"), self.sync)
        loop.follow(self._parts.live.config_maps, lambda obj: name_of(obj) in _NAMES)
        loop.follow(self._parts.live.secrets, lambda obj: name_of(obj) in _NAMES)
        return loop

    async def sync(self) -> None:
        """Make a new revision if one is due.

        Raises:
            SyncError: A required input is missing.
        """
        operator = await self._parts.status.read()
        if not is_managed(operator):
            return
        latest = latest_revision(operator)
        objects = {
            "configmap": await self._parts.objects.config_maps(),
            "secret": await self._parts.objects.secrets(),
        }
        records = read_records(objects["configmap"])
        numbers = {latest} | {one.number for one in records if one.number > latest}
        decision = decide_revision(
            latest,
            records,
            INPUTS,
            {one: content_of(objects[one.kind].get(one.name)) for one in INPUTS},
            {
                number: {
                    one: content_of(objects[one.kind].get(names.revisioned(one.name, number)))
                    for one in INPUTS
                }
                for number in numbers
            },
            self._parts.settings.profile,
        )
        if isinstance(decision, CorrectStatus):
            await self._publish(decision.latest)
        elif isinstance(decision, Incomplete):
            raise SyncError(decision.error)
        elif isinstance(decision, NewRevision):
            await self._make(decision, objects)

    async def _make(self, new: NewRevision, objects: dict[str, dict[str, Object]]) -> None:
        told = f'new revision {new.number} triggered by "{new.reason}"'
        self._parts.objects.event("Normal", "StartingNewRevision", told)
        record = await self._record(new, objects["configmap"])
        owner = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": name_of(record),
            "uid": uid_of(record),
        }
        for one in INPUTS:
            live = objects[one.kind].get(one.name)
            name = names.revisioned(one.name, new.number)
            if live is not None and name not in objects[one.kind]:
                await self._copy(one, live, name, owner)
        record["metadata"].setdefault("annotations", {})[names.REVISION_READY] = "true"
        await self._parts.objects.update(CONFIG_MAPS, record)
        await self._publish(new.number)
        self._parts.objects.event("Normal", "RevisionTriggered", told)

    async def _record(self, new: NewRevision, config_maps: dict[str, Object]) -> Object:
        """Return the record of the number, which may be there from an unfinished attempt."""
        name = names.revisioned(names.REVISION_STATUS, new.number)
        if name in config_maps:
            return config_maps[name]
        return await self._parts.objects.create(
            CONFIG_MAPS,
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {
                    "name": name,
                    "namespace": names.OPERAND_NAMESPACE,
                    "labels": {_OWNER_LABEL: _OWNER},
                    "annotations": {names.REVISION_READY: "false"},
                },
                "data": {"revision": str(new.number), "reason": new.reason},
            },
        )

    async def _copy(self, one: Input, live: Object, name: str, owner: Object) -> None:
        resource = SECRETS if one.kind == "secret" else CONFIG_MAPS
        copy = {
            key: value
            for key, value in live.items()
            if key in ("apiVersion", "kind", "data", "binaryData", "type")
        }
        copy["metadata"] = {
            "name": name,
            "namespace": names.OPERAND_NAMESPACE,
            "ownerReferences": [owner],
        }
        await self._parts.objects.create(resource, copy)

    async def _publish(self, latest: int) -> None:
        def change(operator: Object) -> None:
            status = operator.setdefault("status", {})
            status["latestAvailableRevision"] = max(latest, latest_revision(operator))

        await self._parts.status.update_status(change)


def read_records(config_maps: dict[str, Object]) -> list[RevisionRecord]:
    """Return the revisions that there are records of."""
    found = []
    for name, obj in config_maps.items():
        prefix, _, number = name.rpartition("-")
        if prefix == names.REVISION_STATUS and number.isdecimal():
            ready = annotations_of(obj).get(names.REVISION_READY) == "true"
            found.append(RevisionRecord(int(number), ready))
    return found
