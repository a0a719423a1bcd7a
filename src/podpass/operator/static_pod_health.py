"""Conditions about the pods of a rollout: installers that hang, static pods that fail or stay away.

Source: openshift/library-go, `staticpod/controller/{staticpodstate,installerstate,
missingstaticpod}`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from podpass.api.meta import find_condition, labels_of, name_of, parse_time
from podpass.api.resources import Object
from podpass.operator import names
from podpass.operator.conditions import AS_EXPECTED, SYNC_ERROR, Condition
from podpass.operator.observations import mirror_pods, node_of

STATIC_PODS_DEGRADED = "StaticPodsDegraded"
INSTALLER_PENDING = "InstallerPodPendingDegraded"
INSTALLER_WAITING = "InstallerPodContainerWaitingDegraded"
MISSING_STATIC_POD = "MissingStaticPodControllerDegraded"
_INITIALIZING = "PodInitializing"


def static_pods_condition(pods: Iterable[Object]) -> Condition:
    """Return what is wrong with containers of the API servers."""
    lines = sorted(
        line for pod in mirror_pods(pods).values() for line in _container_complaints(pod)
    )
    return Condition(STATIC_PODS_DEGRADED, bool(lines), "Error" if lines else "", "\n".join(lines))


def _container_complaints(pod: Object) -> Iterator[str]:
    status = pod.get("status") or {}
    for key in ("initContainerStatuses", "containerStatuses"):
        for one in status.get(key) or ():
            state = one.get("state") or {}
            about = f'pod/{name_of(pod)} container "{one.get("name")}"'
            if waiting := state.get("waiting"):
                if waiting.get("reason") not in (_INITIALIZING, "ContainerCreating", None):
                    text = f"{about} is waiting: {waiting.get('reason')}: "
                    yield text + waiting.get("message", "") + _last_words(one)
            elif (ended := state.get("terminated")) and ended.get("exitCode"):
                yield f"{about} is terminated: {ended.get('reason')}: {ended.get('message', '')}"


def _last_words(status: Object) -> str:
    """Return, on one line, what a container that is to be started anew said at its end; ours."""
    ended = (status.get("lastState") or {}).get("terminated") or {}
    message = " ".join(str(ended.get("message") or "").split())
    return f"; it ended with {ended.get('exitCode')}: {message}" if message else ""


def installer_conditions(
    pods: Iterable[Object], currents: Mapping[str, int], *, now: datetime, limit: timedelta
) -> tuple[Condition, Condition]:
    """Return what is wrong with installers that are pending for longer than `limit`.

    Args:
        pods: Of the operand's namespace.
        currents: `currentRevision` by node; an installer of a lower one no longer matters.
        now: Current time.
        limit: How long is normal.
    """
    pending: list[tuple[str, str]] = []
    waiting: list[tuple[str, str]] = []
    for pod in sorted(pods, key=name_of):
        if not _hangs(pod, currents, now, limit):
            continue
        status = pod.get("status") or {}
        node, since = node_of(pod), pod["metadata"]["creationTimestamp"]
        complaint = _unready(status) or {}
        why = complaint.get("message") or status.get("message") or "it was not started"
        about = f'Pod "{name_of(pod)}" on node "{node}"'
        pending.append(
            (
                str(complaint.get("reason") or "PodPending"),
                f"{about} is Pending since {since} because {why}",
            )
        )
        for one in status.get("containerStatuses") or ():
            held = (one.get("state") or {}).get("waiting") or {}
            if not held.get("reason") or held["reason"] == _INITIALIZING:
                continue
            because = f'"{held["message"]}"' if held.get("message") else held["reason"]
            container = f'container "{one.get("name")}"'
            text = f"{about} {container} is waiting since {since} because {because}"
            waiting.append((str(held["reason"]), text))
    return _joined(INSTALLER_PENDING, pending), _joined(INSTALLER_WAITING, waiting)


def _hangs(pod: Object, currents: Mapping[str, int], now: datetime, limit: timedelta) -> bool:
    labels = labels_of(pod)
    revision = labels.get(names.REVISION_LABEL, "")
    created = pod["metadata"].get("creationTimestamp")
    return (
        labels.get("app") == "installer"
        and revision.isdecimal()
        and int(revision) > currents.get(node_of(pod), 0)
        and (pod.get("status") or {}).get("phase", "Pending") == "Pending"
        and bool(created)
        and now - parse_time(created) >= limit
    )


def _unready(status: Object) -> Object | None:
    """Return the condition that says why a pod does not start."""
    conditions = status.get("conditions") or ()
    for type_ in ("PodScheduled", "Initialized", "ContainersReady", "Ready"):
        found = find_condition(conditions, type_)
        if found is not None and found.get("status") != "True":
            return found
    return None


def _joined(type_: str, complaints: list[tuple[str, str]]) -> Condition:
    if not complaints:
        return Condition(type_, status=False)
    return Condition(
        type_,
        status=True,
        reason=complaints[0][0],
        message="\n".join(text for _, text in complaints),
    )


def missing_static_pods(pods: Iterable[Object], *, now: datetime, limit: timedelta) -> Condition:
    """Return which static pods did not show up although their installer succeeded.

    Args:
        pods: Of the operand's namespace.
        now: Current time.
        limit: How long after the installer's end that is normal.
    """
    found = list(pods)
    mirrors = mirror_pods(found)
    lines = []
    for node, (revision, ended) in sorted(_last_installed(found).items()):
        label = labels_of(mirrors.get(node, {})).get(names.REVISION_LABEL, "")
        running = int(label) if label.isdecimal() else 0
        if running < revision and now - ended > limit:
            waited = round((now - ended).total_seconds())
            lines.append(
                f'static pod lifecycle failure - static pod: "{names.STATIC_POD}" in namespace: '
                f'"{names.OPERAND_NAMESPACE}" for revision: {revision} on node: "{node}" '
                f"didn't show up, waited: {waited}s"
            )
    reason = SYNC_ERROR if lines else AS_EXPECTED
    return Condition(MISSING_STATIC_POD, bool(lines), reason, "\n".join(lines))


def _last_installed(pods: Iterable[Object]) -> dict[str, tuple[int, datetime]]:
    """Return, by node, the newest revision whose installer succeeded, and when it ended."""
    newest: dict[str, tuple[int, datetime]] = {}
    for pod in pods:
        labels, status = labels_of(pod), pod.get("status") or {}
        label = labels.get(names.REVISION_LABEL, "")
        if labels.get("app") != "installer" or status.get("phase") != "Succeeded":
            continue
        ends = [
            parse_time(ended["finishedAt"])
            for one in status.get("containerStatuses") or ()
            if (ended := (one.get("state") or {}).get("terminated") or {}).get("finishedAt")
        ]
        if label.isdecimal() and ends:
            entry = (int(label), max(ends))
            newest[node_of(pod)] = max(newest.get(node_of(pod), entry), entry)
    return newest
