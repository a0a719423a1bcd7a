"""Lets what the operator wrote down about a cluster follow it: to another home, another store.

Manifests on the nodes, the operator's command line and the ConfigMaps of each revision name host
directories and the store. They are changed together, to what the operator would render, so that
it finds nothing to roll out.
"""

from __future__ import annotations

from typing import Any

import orjson

from podpass.bootstrap.cluster import Cluster
from podpass.bootstrap.home import Home
from podpass.bootstrap.operator_seed import operator_settings
from podpass.operator import names
from podpass.operator.deployment import operator_arguments
from podpass.operator.static_pod_template import static_pod
from podpass.operator.target_config import shipped_config
from podpass.storage.interface import KeyValue

_VOLUMES = ("store", "etcd-client")
_VOLUMES_BEFORE = 3
"""Volumes of the API server's pod that come first."""
_NAMESPACES = (names.OPERAND_NAMESPACE, names.OPERATOR_NAMESPACE)
_SECRETS = "/registry/core/secrets/"


class Relocation:
    """From one home and store to others.

    Args:
        before: Root of the home that it was.
        home: Where the cluster will live.
        cluster: As it will be.
    """

    def __init__(self, before: str, home: Home, cluster: Cluster) -> None:
        self._before = f"{before.rstrip('/')}/".encode()
        self._after = f"{home.root}/".encode()
        settings = operator_settings(home, cluster)
        pod = static_pod(settings.control_plane, settings.timing)
        self._volumes = _chosen(pod["spec"]["volumes"])
        self._mounts = _chosen(pod["spec"]["containers"][0]["volumeMounts"])
        shipped = shipped_config(settings.control_plane, settings.timing)["apiServerArguments"]
        self._arguments = {name: one for name, one in shipped.items() if _is_storage(name)}
        self._flags = [one for one in operator_arguments(settings) if one.startswith("--etcd-")]

    def text(self, content: bytes) -> bytes:
        """Return a manifest or a configuration as it must be; anything else stays as it is."""
        content = content.replace(self._before, self._after)
        if b'"apiServerArguments"' not in content and b'"hostPath"' not in content:
            return content
        try:
            found = orjson.loads(content)
        except orjson.JSONDecodeError:
            return content
        option = orjson.OPT_INDENT_2 if b"\n" in content else orjson.OPT_SORT_KEYS
        return orjson.dumps(self._walk(found), option=option)

    def entry(self, entry: KeyValue) -> KeyValue:
        """Return a key of the store as it must be."""
        if entry.key.startswith(_SECRETS) or not any(
            f"/{namespace}/" in entry.key for namespace in _NAMESPACES
        ):
            return entry
        content = entry.value.replace(self._before, self._after)
        try:
            content = orjson.dumps(self._walk(orjson.loads(content)))
        except orjson.JSONDecodeError:
            return entry
        return KeyValue(entry.key, content, entry.create_revision, entry.mod_revision)

    def _walk(self, found: Any) -> Any:
        if isinstance(found, str):
            return self.text(found.encode()).decode() if found.startswith("{") else found
        if isinstance(found, list):
            if found[:1] == ["operator"]:
                return self._with_flags(found)
            return [self._walk(one) for one in found]
        if not isinstance(found, dict):
            return found
        walked = {name: self._walk(one) for name, one in found.items()}
        if isinstance(walked.get("apiServerArguments"), dict):
            kept = {n: one for n, one in walked["apiServerArguments"].items() if not _is_storage(n)}
            walked["apiServerArguments"] = kept | self._arguments
        for name, ours in (("volumes", self._volumes), ("volumeMounts", self._mounts)):
            if any(one["name"] in ("cert-dir", *_VOLUMES) for one in walked.get(name) or ()):
                others = [one for one in walked[name] if one["name"] not in _VOLUMES]
                walked[name] = [*others[:_VOLUMES_BEFORE], *ours, *others[_VOLUMES_BEFORE:]]
        return walked

    def _with_flags(self, arguments: list[str]) -> list[str]:
        kept = [one for one in arguments if not one.startswith("--etcd-")]
        place = next(
            (i for i, one in enumerate(kept) if one.startswith("--issuer-profile")), len(kept)
        )
        return [*kept[:place], *self._flags, *kept[place:]]


def _chosen(volumes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in volumes if one["name"] in _VOLUMES]


def _is_storage(argument: str) -> bool:
    return argument == "storage" or argument.startswith("etcd-")
