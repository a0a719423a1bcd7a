"""What a TokenRequest may ask for, and the claims that answer it.

1. The lifetime asked for is at least the policy's minimum and at most 2^32 seconds.
2. A token may be bound to a Pod, a Secret or a Node of the core group; the version is not looked
   at. A pod must run as the account; only then its UID is compared.
3. A lifetime over the policy's maximum is cut to it, with a warning.
4. A pod's token of exactly 3607 seconds that is for the API server alone lives a year, and says in
   `warnafter` when it should have been replaced. The answer still says 3607 seconds.
5. A pod's token names the node that the pod is on, without UID where the node is not known.

Spans are in seconds. Source: Kubernetes `pkg/registry/core/serviceaccount/storage/token.go`,
`TokenREST.Create`, and `pkg/apis/authentication/validation`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from podpass.api import errors
from podpass.api.field_errors import FieldError, invalid
from podpass.api.meta import name_of, namespace_of, uid_of
from podpass.api.resources import NODES, PODS, SECRETS, Object, Resource
from podpass.serviceaccount.claims import ObjectRef, TokenClaims, username

DEFAULT_EXPIRATION_SECONDS = 3600
MINIMUM_EXPIRATION_SECONDS = 600
MAXIMUM_EXPIRATION_SECONDS = 1 << 32
WARN_AFTER_SECONDS = 3607
EXTENDED_EXPIRATION_SECONDS = 365 * 24 * 3600

_MINUTE = 60
_BINDABLE = {one.kind: one for one in (PODS, SECRETS, NODES)}


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuancePolicy:
    """What this server issues.

    Attributes:
        issuer: `iss` of every token.
        api_audiences: Who a token is for when the request does not say; the API server itself.
        minimum_seconds: Shortest lifetime that may be asked for.
        maximum_seconds: Longest lifetime that is issued; 0 for no limit of its own.
        extend: Whether rule 4 applies.
        extended_seconds: Lifetime of a token under rule 4.
    """

    issuer: str
    api_audiences: tuple[str, ...]
    minimum_seconds: int = MINIMUM_EXPIRATION_SECONDS
    maximum_seconds: int = 0
    extend: bool = True
    extended_seconds: int = EXTENDED_EXPIRATION_SECONDS


def _in_words(seconds: int) -> str:
    if seconds % _MINUTE:
        return f"{seconds} seconds" if seconds != 1 else "1 second"
    minutes = seconds // _MINUTE
    return f"{minutes} minutes" if minutes != 1 else "1 minute"


def validate_expiration(
    seconds: int, minimum_seconds: int, path: str = "spec.expirationSeconds"
) -> list[FieldError]:
    """Return what is wrong with a lifetime that is asked for (rule 1)."""
    if seconds < minimum_seconds:
        return [
            invalid(
                path, seconds, f"may not specify a duration less than {_in_words(minimum_seconds)}"
            )
        ]
    if seconds > MAXIMUM_EXPIRATION_SECONDS:
        return [invalid(path, seconds, "may not specify a duration larger than 2^32 seconds")]
    return []


def bound_resource(reference: Object) -> Resource:
    """Return what kind of object a `boundObjectRef` names (rule 2).

    Raises:
        StatusError: 400, tokens cannot be bound to such objects.
    """
    kind = str(reference.get("kind") or "")
    group, version = _group_and_version(str(reference.get("apiVersion") or ""))
    resource = _BINDABLE.get(kind)
    if group or resource is None:
        raise errors.bad_request(
            f"cannot bind token to object of type {group}/{version}, Kind={kind}"
        )
    return resource


def _group_and_version(api_version: str) -> tuple[str, str]:
    parts = api_version.split("/")
    if len(parts) == 1:
        return "", parts[0]
    return (parts[0], parts[1]) if len(parts) == 2 else ("", "")  # noqa: PLR2004 - group and version


def check_binding(reference: Object, bound: Object, account_name: str) -> None:
    """Make sure that the live object is the one that the request means (rule 2).

    Args:
        reference: `spec.boundObjectRef`.
        bound: The live object.
        account_name: The account of the URL.

    Raises:
        StatusError: 400, the pod runs as another account; 409, the UID is another one.
    """
    resource = bound_resource(reference)
    if resource is PODS:
        runs_as = bound.get("spec", {}).get("serviceAccountName") or ""
        if runs_as != account_name:
            raise errors.bad_request(
                f'cannot bind token for serviceaccount "{account_name}" to pod running with '
                "different serviceaccount name."
            )
    wanted = str(reference.get("uid") or "")
    if wanted and wanted != uid_of(bound):
        raise errors.conflict(resource.kind, name_of(bound), uid_mismatch(wanted))


def uid_mismatch(wanted: str) -> str:
    """Return the text for a bound object that is not the one that was meant."""
    return (
        f"the UID in the bound object reference ({wanted}) does not match the UID in record. "
        "The object might have been deleted and then recreated"
    )


def clamp(seconds: int, policy: IssuancePolicy) -> tuple[int, str]:
    """Return the lifetime that is issued, and a warning or an empty text (rule 3)."""
    maximum = policy.maximum_seconds
    if not 0 < maximum < seconds:
        return seconds, ""
    return maximum, f"requested expiration of {seconds} seconds shortened to {maximum} seconds"


def node_of(pod: Object) -> str:
    """Return the name of the node that a pod is bound to, or an empty string."""
    return str(pod.get("spec", {}).get("nodeName") or "")


@dataclass(frozen=True, slots=True)
class Binding:
    """What a token is bound to.

    Attributes:
        resource: PODS, SECRETS or NODES.
        bound: The live object.
        node: The node of a bound pod; None if it is on none.
    """

    resource: Resource
    bound: Object
    node: ObjectRef | None = None


def make_claims(
    policy: IssuancePolicy,
    account: Object,
    audiences: Sequence[str],
    seconds: int,
    *,
    binding: Binding | None,
    now: datetime,
    token_id: str,
) -> TokenClaims:
    """Return the claims of a new token.

    Args:
        policy: Of this server.
        account: The live ServiceAccount.
        audiences: After the default was put in.
        seconds: Lifetime, after `clamp`.
        binding: What the token is bound to, if anything.
        now: Time of issue.
        token_id: Random UUID.
    """
    lifetime = seconds
    warn_after = None
    pod = secret = node = None
    if binding is not None:
        ref = ObjectRef(name_of(binding.bound), uid_of(binding.bound))
        if binding.resource is PODS:
            pod, node = ref, binding.node  # 5
        elif binding.resource is SECRETS:
            secret = ref
        else:
            node = ref
    if (
        policy.extend
        and pod is not None
        and seconds == WARN_AFTER_SECONDS
        and set(audiences) <= set(policy.api_audiences)
    ):  # 4
        lifetime = policy.extended_seconds
        warn_after = now + timedelta(seconds=seconds)
    namespace = namespace_of(account)
    return TokenClaims(
        issuer=policy.issuer,
        subject=username(namespace, name_of(account)),
        audiences=tuple(audiences),
        issued_at=now,
        not_before=now,
        expires_at=now + timedelta(seconds=lifetime),
        token_id=token_id,
        namespace=namespace,
        service_account=ObjectRef(name_of(account), uid_of(account)),
        pod=pod,
        secret=secret,
        node=node,
        warn_after=warn_after,
    )
