"""The other kinds in a table: nodes, events, accounts, secrets, leases, RBAC.

Source: Kubernetes `pkg/printers/internalversion/printers.go`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from podpass.api.meta import find_condition, labels_of, name_of
from podpass.api.resources import Object
from podpass.api.tables.columns import NONE, UNKNOWN, Column, Printer, age, since

ROLE_LABEL: Final = "node-role.kubernetes.io/"
OLD_ROLE_LABEL: Final = "kubernetes.io/role"


def _node(node: Object, now: datetime) -> list[Any]:
    status = node.get("status", {})
    info = status.get("nodeInfo", {})
    addresses = status.get("addresses") or ()
    return [
        name_of(node),
        _node_status(node),
        ",".join(_node_roles(node)) or NONE,
        age(node, now),
        info.get("kubeletVersion", ""),
        _address(addresses, "InternalIP"),
        _address(addresses, "ExternalIP"),
        info.get("osImage") or UNKNOWN,
        info.get("kernelVersion") or UNKNOWN,
        info.get("containerRuntimeVersion") or UNKNOWN,
    ]


def _node_status(node: Object) -> str:
    ready = find_condition(node.get("status", {}).get("conditions") or (), "Ready")
    word = "Unknown"
    if ready is not None:
        word = "Ready" if ready.get("status") == "True" else "NotReady"
    return f"{word},SchedulingDisabled" if node.get("spec", {}).get("unschedulable") else word


def _node_roles(node: Object) -> list[str]:
    roles = set()
    for key, value in labels_of(node).items():
        if key.startswith(ROLE_LABEL):
            roles.add(key.removeprefix(ROLE_LABEL))
        elif key == OLD_ROLE_LABEL:
            roles.add(value)
    return sorted(roles - {""})


def _address(addresses: Any, type_: str) -> str:
    return next((one["address"] for one in addresses if one.get("type") == type_), NONE)


def _event(event: Object, now: datetime) -> list[Any]:
    first = event.get("firstTimestamp") or event.get("eventTime")
    last = event.get("lastTimestamp") or first
    count = event.get("count") or 1
    series = event.get("series")
    if series:
        last, count = series.get("lastObservedTime"), series.get("count", 0)
    involved = event.get("involvedObject", {})
    kind = involved.get("kind", "").lower()
    source = event.get("source") or {}
    component = source.get("component") or event.get("reportingComponent", "")
    host = source.get("host") or event.get("reportingInstance", "")
    return [
        since(last, now),
        event.get("type", ""),
        event.get("reason", ""),
        f"{kind}/{involved['name']}" if involved.get("name") else kind,
        involved.get("fieldPath", ""),
        f"{component}, {host}" if host else component,
        str(event.get("message", "")).strip(),
        since(first, now),
        count,
        name_of(event),
    ]


def _created(obj: Object) -> str:
    return str(obj.get("metadata", {}).get("creationTimestamp") or UNKNOWN)


def _binding(binding: Object, now: datetime) -> list[Any]:
    role = binding.get("roleRef", {})
    subjects = binding.get("subjects") or ()

    def named(kind: str, show: Callable[[Object], str]) -> str:
        return ", ".join(show(one) for one in subjects if one.get("kind") == kind)

    return [
        name_of(binding),
        f"{role.get('kind', '')}/{role.get('name', '')}",
        age(binding, now),
        named("User", name_in),
        named("Group", name_in),
        named("ServiceAccount", lambda one: f"{one.get('namespace', '')}/{name_in(one)}"),
    ]


def name_in(reference: Object) -> str:
    """Return the name in a reference, or an empty string."""
    return str(reference.get("name", ""))


def _data_size(obj: Object) -> int:
    return len(obj.get("data") or ()) + len(obj.get("binaryData") or ())


def _with_age(title: str, value: Callable[[Object], Any], type_: str = "string") -> Printer:
    return Printer(
        (Column("Name"), Column(title, type_), Column("Age")),
        lambda obj, now: [name_of(obj), value(obj), age(obj, now)],
    )


_BINDINGS: Final = Printer(
    (
        Column("Name"),
        Column("Role"),
        Column("Age"),
        Column("Users", wide=True),
        Column("Groups", wide=True),
        Column("ServiceAccounts", wide=True),
    ),
    _binding,
)

PLAIN: Final = Printer(
    (Column("Name"), Column("Created At", "date")), lambda obj, _now: [name_of(obj), _created(obj)]
)
"""For kinds with nothing worth a column."""

PRINTERS: Final[dict[str, Printer]] = {
    "Namespace": _with_age("Status", lambda obj: obj.get("status", {}).get("phase", "")),
    "ServiceAccount": _with_age("Secrets", lambda obj: len(obj.get("secrets") or ()), "integer"),
    "ConfigMap": _with_age("Data", _data_size, "integer"),
    "Lease": _with_age("Holder", lambda obj: obj.get("spec", {}).get("holderIdentity", "")),
    "CustomResourceDefinition": Printer(
        (Column("Name"), Column("Created At", "date")),
        lambda obj, _: [name_of(obj), obj.get("metadata", {}).get("creationTimestamp", UNKNOWN)],
    ),
    "Secret": Printer(
        (Column("Name"), Column("Type"), Column("Data", "integer"), Column("Age")),
        lambda obj, now: [name_of(obj), obj.get("type", ""), _data_size(obj), age(obj, now)],
    ),
    "Node": Printer(
        (
            Column("Name"),
            Column("Status"),
            Column("Roles"),
            Column("Age"),
            Column("Version"),
            Column("Internal-IP", wide=True),
            Column("External-IP", wide=True),
            Column("OS-Image", wide=True),
            Column("Kernel-Version", wide=True),
            Column("Container-Runtime", wide=True),
        ),
        _node,
    ),
    "Event": Printer(
        (
            Column("Last Seen"),
            Column("Type"),
            Column("Reason"),
            Column("Object"),
            Column("Subobject", wide=True),
            Column("Source", wide=True),
            Column("Message"),
            Column("First Seen", wide=True),
            Column("Count", "integer", wide=True),
            Column("Name", wide=True),
        ),
        _event,
    ),
    "RoleBinding": _BINDINGS,
    "ClusterRoleBinding": _BINDINGS,
}
"""By kind; pods are added in the package."""
