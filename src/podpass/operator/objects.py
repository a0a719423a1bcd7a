"""Writes the ConfigMaps, Secrets and pods of the operator, and says so in events."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from podpass.api.errors import StatusError
from podpass.api.meta import name_of, namespace_of
from podpass.api.resources import CONFIG_MAPS, PODS, SECRETS, Object, Resource
from podpass.client.events import EventRecorder, EventType
from podpass.client.rest import RestClient
from podpass.operator import names

_ABOUT: Object = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": names.OPERATOR, "namespace": names.OPERATOR_NAMESPACE},
}
"""What the operator's events are about."""

_CONFLICT = 409
_NOT_FOUND = 404


class OperatorObjects:
    """The objects in the namespaces of operator and operand."""

    def __init__(self, client: RestClient, recorder: EventRecorder) -> None:
        self._client = client
        self._recorder = recorder

    def event(self, type_: EventType, reason: str, message: str) -> None:
        """Record an event about the operator."""
        self._recorder.record(_ABOUT, type_, reason, message)

    async def config_maps(self, namespace: str = names.OPERAND_NAMESPACE) -> dict[str, Object]:
        """Return the ConfigMaps of a namespace by name, as the API has them now."""
        return await self._all(CONFIG_MAPS, namespace)

    async def secrets(self, namespace: str = names.OPERAND_NAMESPACE) -> dict[str, Object]:
        """Return the Secrets of a namespace by name, as the API has them now."""
        return await self._all(SECRETS, namespace)

    async def find(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """Return an object as the API has it now, or None."""
        try:
            return await self._client.get(resource, namespace, name)
        except StatusError as error:
            if error.code == _NOT_FOUND:
                return None
            raise

    async def apply_config_map(
        self, namespace: str, name: str, data: Mapping[str, str], *, silent: bool = False
    ) -> bool:
        """Make `data` the content of a ConfigMap; tell whether anything was written."""
        return await self._apply(CONFIG_MAPS, namespace, name, {"data": dict(data)}, silent=silent)

    async def apply_secret(self, namespace: str, name: str, data: Mapping[str, str]) -> bool:
        """Make `data`, as text, the content of a Secret; tell whether anything was written."""
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
        return await self._apply(SECRETS, namespace, name, {"data": encoded, "type": "Opaque"})

    async def create_pod(self, pod: Object) -> bool:
        """Create a pod; tell whether it was not there."""
        try:
            await self._client.create(PODS, pod)
        except StatusError as error:
            if error.reason == "AlreadyExists":
                return False
            raise
        self.event(
            "Normal",
            "PodCreated",
            f"Created Pod/{name_of(pod)} -n {namespace_of(pod)} because it was missing",
        )
        return True

    async def delete(self, resource: Resource, namespace: str, name: str) -> bool:
        """Delete an object; tell whether it was there."""
        try:
            await self._client.delete(resource, namespace, name, propagation_policy="Background")
        except StatusError as error:
            if error.code == _NOT_FOUND:
                return False
            raise
        return True

    async def create(self, resource: Resource, obj: Object) -> Object:
        """Create an object.

        Raises:
            StatusError: The API refused, also because it is there.
        """
        return await self._client.create(resource, obj)

    async def update(self, resource: Resource, obj: Object) -> Object:
        """Replace an object.

        Raises:
            StatusError: The API refused.
        """
        return await self._client.update(resource, obj)

    async def _all(self, resource: Resource, namespace: str) -> dict[str, Object]:
        found = await self._client.list(resource, namespace)
        return {name_of(one): one for one in found["items"]}

    async def _apply(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        content: Object,
        *,
        silent: bool = False,
    ) -> bool:
        current = await self.find(resource, namespace, name)
        if current is None:
            obj = {
                "apiVersion": resource.api_version,
                "kind": resource.kind,
                "metadata": {"name": name, "namespace": namespace},
            }
            await self._client.create(resource, obj | content)
            if not silent:
                self.event(
                    "Normal",
                    f"{resource.kind}Created",
                    f"Created {resource.kind}/{name} -n {namespace} because it was missing",
                )
            return True
        if (current.get("data") or {}) == content["data"]:
            return False
        changed = sorted(_changed_keys(current.get("data") or {}, content["data"]))
        await self._client.update(resource, current | content)
        if not silent:
            cause = ",".join(f"data.{key}" for key in changed)
            self.event(
                "Normal",
                f"{resource.kind}Updated",
                f"Updated {resource.kind}/{name} -n {namespace}:\ncause by changes in {cause}",
            )
        return True


def _changed_keys(old: Mapping[str, str], new: Mapping[str, str]) -> set[str]:
    return {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}


def content_of(obj: Object | None) -> dict[str, str] | None:
    """Return `data` and `binaryData` as one, to compare; None if there is no object."""
    if obj is None:
        return None
    return {**(obj.get("data") or {}), **(obj.get("binaryData") or {})}


def secret_text(obj: Object | None) -> dict[str, str] | None:
    """Return the content of a Secret as text; None if there is no object."""
    if obj is None:
        return None
    data = obj.get("data") or {}
    return {key: base64.b64decode(one).decode(errors="replace") for key, one in data.items()}
