"""SubjectAccessReview and its kin: may somebody, or may I, do that.

1. Exactly one of resourceAttributes and nonResourceAttributes is given.
2. A SubjectAccessReview names a user or a group.
3. A LocalSubjectAccessReview asks about resources in its own namespace only.
4. `*` asks for every verb, group, resource or name, and is granted only by `*`.

Source: Kubernetes `pkg/apis/authorization/validation` and `pkg/registry/authorization`.
"""

from __future__ import annotations

from podpass.api import errors
from podpass.api.field_errors import FieldError, forbidden, invalid, required
from podpass.api.meta import UserInfo, namespace_of
from podpass.api.resources import AUTHORIZATION, Object
from podpass.apiserver.authorization import Attributes, Authorizer

API_VERSION = f"{AUTHORIZATION}/v1"

_ONE_OF = "exactly one of nonResourceAttributes or resourceAttributes must be specified"


def _validate_attributes(spec: Object) -> list[FieldError]:
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and path is not None:  # 1
        return [
            invalid(
                "spec.nonResourceAttributes",
                path,
                "cannot be specified in combination with resourceAttributes",
            )
        ]
    if resource is None and path is None:
        return [invalid("spec.resourceAttributes", resource, _ONE_OF)]
    return []


def _validate_subject(spec: Object) -> list[FieldError]:
    if spec.get("user") or spec.get("groups"):
        return []
    return [required("spec.user", "at least one of user or group must be specified")]  # 2


def _validate_local(spec: Object, namespace: str) -> list[FieldError]:
    problems: list[FieldError] = []
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and (asked := resource.get("namespace") or "") != namespace:
        field = "spec.resourceAttributes.namespace"
        problems.append(invalid(field, asked, "must match metadata.namespace"))
    if path is not None:
        field = "spec.nonResourceAttributes"
        problems.append(invalid(field, path, "disallowed on this kind of request"))
    return problems


def _check(
    kind: str, body: Object, problems: list[FieldError], *, but: tuple[str, ...] = ()
) -> None:
    metadata = {
        key: value for key, value in (body.get("metadata") or {}).items() if value is not None
    }
    if metadata.keys() - {"managedFields", *but}:
        exception = f" except for {', '.join(but)}" if but else ""
        problems = [*problems, forbidden("metadata", f"must be empty{exception}")]
    if problems:
        raise errors.invalid(kind, "", problems, AUTHORIZATION)


def _attributes(spec: Object, user: UserInfo) -> Attributes:
    path = spec.get("nonResourceAttributes")
    if path is not None:
        return Attributes(user, path.get("verb") or "", path=path.get("path") or "")
    resource = spec["resourceAttributes"]
    return Attributes(
        user,
        resource.get("verb") or "",
        group=resource.get("group") or "",
        version=resource.get("version") or "",
        resource=resource.get("resource") or "",
        subresource=resource.get("subresource") or "",
        namespace=resource.get("namespace") or "",
        name=resource.get("name") or "",
    )


def _subject(spec: Object) -> UserInfo:
    return UserInfo(
        spec.get("user") or "",
        spec.get("uid") or "",
        tuple(spec.get("groups") or ()),
        {key: tuple(values or ()) for key, values in (spec.get("extra") or {}).items()},
    )


class AccessReviews:
    """Answers all three kinds of review."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    async def create(self, body: Object, _user: UserInfo) -> Object:
        """Answer a SubjectAccessReview.

        Raises:
            StatusError: 422, a field breaks a rule.
        """
        spec = body.get("spec") or {}
        kind = "SubjectAccessReview"
        _check(kind, body, [*_validate_attributes(spec), *_validate_subject(spec)])
        return self._answer(kind, spec, _subject(spec))

    async def create_local(self, body: Object, _user: UserInfo) -> Object:
        """Answer a LocalSubjectAccessReview; its namespace is that of the request.

        Raises:
            StatusError: 422, a field breaks a rule.
        """
        spec = body.get("spec") or {}
        kind = "LocalSubjectAccessReview"
        namespace = namespace_of(body)
        problems = [*_validate_attributes(spec), *_validate_subject(spec)]
        _check(kind, body, [*problems, *_validate_local(spec, namespace)], but=("namespace",))
        answer = self._answer(kind, spec, _subject(spec))
        answer["metadata"]["namespace"] = namespace
        return answer

    async def create_self(self, body: Object, user: UserInfo) -> Object:
        """Answer a SelfSubjectAccessReview.

        Raises:
            StatusError: 422, a field breaks a rule.
        """
        spec = body.get("spec") or {}
        kind = "SelfSubjectAccessReview"
        _check(kind, body, _validate_attributes(spec))
        return self._answer(kind, spec, user)

    def _answer(self, kind: str, spec: Object, subject: UserInfo) -> Object:
        decision = self._authorizer.authorize(_attributes(spec, subject))
        status: Object = {"allowed": decision.allowed}
        if decision.reason:
            status["reason"] = decision.reason
        return {
            "kind": kind,
            "apiVersion": API_VERSION,
            "metadata": {"creationTimestamp": None},
            "spec": spec,
            "status": status,
        }
