"""Query parameters of list, watch and deletecollection, checked as Kubernetes checks them.

Source: apimachinery `apis/meta/internalversion/validation`, API concepts "Resource versions".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from podpass.api import errors, field_errors
from podpass.api.meta import labels_of
from podpass.api.resources import Resource
from podpass.api.selectors import FieldSelector, LabelSelector
from podpass.apiserver.request_context import RequestContext
from podpass.storage.stored_object import StoredObject

Match = Literal["", "Exact", "NotOlderThan"]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of a collection are meant; None where there is no condition."""

    labels: LabelSelector | None = None
    fields: FieldSelector | None = None

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return self.labels is None and self.fields is None

    def matches(self, stored: StoredObject) -> bool:
        """Tell whether the object is meant."""
        obj = stored.object
        if self.labels is not None and not self.labels.matches(labels_of(obj)):
            return False
        return self.fields is None or self.fields.matches(obj)

    def choose(self, items: list[StoredObject]) -> list[StoredObject]:
        """Return the objects that are meant."""
        return items if self.is_everything else [one for one in items if self.matches(one)]


@dataclass(frozen=True, slots=True)
class ListOptions:
    """What a list or watch asks for.

    Attributes:
        selection: Label and field selectors.
        resource_version: None for "the newest"; 0 for "whatever you have".
        match: How `resource_version` is meant.
        limit: Most items of a page; 0 for all.
        continue_token: Of the page before.
        timeout_seconds: When a watch ends; None for the server's choice.
        bookmarks: Whether a watch may send bookmarks.
        send_initial_events: Whether a watch starts with the state; None if not said.
    """

    selection: Selection
    resource_version: int | None
    match: Match
    limit: int
    continue_token: str
    timeout_seconds: int | None
    bookmarks: bool
    send_initial_events: bool | None


def parse_selection(context: RequestContext, resource: Resource) -> Selection:
    """Read the two selectors.

    Raises:
        StatusError: 400, one of them cannot be read.
    """
    labels = context.query.get("labelSelector", "").strip()
    fields = context.query.get("fieldSelector", "").strip()
    return Selection(
        LabelSelector.parse(labels) if labels else None,
        FieldSelector.parse(fields, resource) if fields else None,
    )


def parse_list_options(
    context: RequestContext, resource: Resource, *, watch: bool = False
) -> ListOptions:
    """Read all parameters.

    Raises:
        StatusError: 400 for what cannot be read, 422 for what does not go together.
    """
    query = context.query
    text = query.get("resourceVersion", "")
    version = context.resource_version()
    initial = context.flag("sendInitialEvents") if query.get("sendInitialEvents") else None
    match = query.get("resourceVersionMatch", "")
    continue_token = query.get("continue", "")
    problems = _problems(
        match=match, version=text, continue_token=continue_token, initial=initial, watch=watch
    )
    if problems:
        raise errors.invalid("ListOptions", "", problems, "meta.k8s.io")
    if continue_token and text not in {"", "0"}:
        raise errors.bad_request("specifying resource version is not allowed when using continue")
    return ListOptions(
        selection=parse_selection(context, resource),
        resource_version=version,
        match="Exact" if match == "Exact" else "NotOlderThan" if match else "",
        limit=context.number("limit") or 0,
        continue_token=continue_token,
        timeout_seconds=context.number("timeoutSeconds"),
        bookmarks=context.flag("allowWatchBookmarks"),
        send_initial_events=initial,
    )


def _problems(
    *, match: str, version: str, continue_token: str, initial: bool | None, watch: bool
) -> list[field_errors.FieldError]:
    forbidden = field_errors.forbidden
    if initial is not None and not watch:
        return [forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list")]
    if watch:
        if initial is not None and not match:
            return [
                forbidden(
                    "resourceVersionMatch",
                    "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
                )
            ]
        if match and initial is None:
            return [
                forbidden(
                    "resourceVersionMatch",
                    "resourceVersionMatch is forbidden for watch unless sendInitialEvents is "
                    "provided",
                )
            ]
        if match and match != "NotOlderThan":
            return [field_errors.not_supported("resourceVersionMatch", match, ("NotOlderThan",))]
        if match and continue_token:
            return [_match_and_continue()]
        return []
    if not match:
        return []
    if match not in {"Exact", "NotOlderThan"}:
        return [
            field_errors.not_supported("resourceVersionMatch", match, ("Exact", "NotOlderThan", ""))
        ]
    if not version:
        return [
            forbidden(
                "resourceVersionMatch",
                "resourceVersionMatch is forbidden unless resourceVersion is provided",
            )
        ]
    if continue_token:
        return [_match_and_continue()]
    if match == "Exact" and version == "0":
        return [
            forbidden(
                "resourceVersionMatch",
                'resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
            )
        ]
    return []


def _match_and_continue() -> field_errors.FieldError:
    return field_errors.forbidden(
        "resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided"
    )
