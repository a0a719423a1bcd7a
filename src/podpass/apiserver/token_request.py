"""`POST .../serviceaccounts/NAME/token`: a new token for an account.

In this order: mutating admission (it sees the audiences before they are defaulted), names of the
body, the account, its UID, defaults, field validation, validating admission, the bound object, the
maximum lifetime, claims, signature. Nothing is stored, so a dry run issues a token as well.

Account and bound object are read as the store has them now: a token that names an object of before
would be refused at its first use. The node that a pod is on may come from the cache.

Source: Kubernetes `pkg/registry/core/serviceaccount/storage/token.go`, `TokenREST.Create`.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from podpass.api import errors
from podpass.api.errors import StatusError
from podpass.api.field_errors import invalid
from podpass.api.meta import UserInfo, format_time, uid_of
from podpass.api.resources import AUTHENTICATION, NODES, PODS, SERVICE_ACCOUNTS, Object, Resource
from podpass.apiserver.admission.chain import AdmissionChain, AdmissionRequest
from podpass.apiserver.live_objects import LiveObjects
from podpass.apiserver.signing_keys import SigningFailed, TokenSigner
from podpass.base.clock import Clock
from podpass.base.tasks import new_uid
from podpass.serviceaccount.claims import ObjectRef, encode_claims
from podpass.serviceaccount.issuance import (
    DEFAULT_EXPIRATION_SECONDS,
    Binding,
    IssuancePolicy,
    bound_resource,
    check_binding,
    clamp,
    make_claims,
    node_of,
    validate_expiration,
)

API_VERSION = f"{AUTHENTICATION}/v1"
KIND = "TokenRequest"
ISSUED_CREDENTIAL_ID = "authentication.kubernetes.io/issued-credential-id"
UID_MISMATCH = "authentication.k8s.io/token-request-uid-mismatch"

FreshRead = Callable[[Resource, str, str], Awaitable[Object]]
"""Resource, namespace and name to the object; 404 if there is none."""

_log = logging.getLogger("token-request")


def _invalid_metadata(field: str, value: str, detail: str) -> StatusError:
    return errors.invalid(KIND, "", [invalid(f"metadata.{field}", value, detail)], AUTHENTICATION)


def _check_type(body: Object) -> None:
    version = body.get("apiVersion") or API_VERSION
    if version != API_VERSION:
        raise errors.bad_request(
            f"the API version in the data ({version}) does not match the expected API version "
            f"({API_VERSION})"
        )
    kind = body.get("kind") or KIND
    if kind != KIND:
        raise errors.bad_request(
            f"the kind in the data ({kind}) does not match the expected kind ({KIND})"
        )


@dataclass(frozen=True, slots=True)
class TokenRequests:
    """Issues tokens.

    Attributes:
        policy: Issuer, audiences, limits.
        signer: Signs off the event loop.
        objects: Accounts, pods, secrets and nodes.
        clock: Time.
        fresh: Reads an object as it stands in the store now; through `objects` if there is none.
    """

    policy: IssuancePolicy
    signer: TokenSigner
    objects: LiveObjects
    clock: Clock
    fresh: FreshRead | None = None

    async def create(
        self,
        namespace: str,
        name: str,
        body: Object,
        user: UserInfo,
        *,
        admission: AdmissionChain,
        dry_run: bool = False,
        audit_annotations: dict[str, str] | None = None,
    ) -> tuple[Object, list[str]]:
        """Return the answered TokenRequest, and texts for `Warning` headers.

        Args:
            namespace: Of the account.
            name: Of the account.
            body: The TokenRequest, decoded; changed in place.
            user: Who asks.
            admission: Plugins that see the request.
            dry_run: Passed on to the plugins.
            audit_annotations: Told what was issued.

        Raises:
            StatusError: 400, 403, 404, 409 or 422 as the reference has it; 500, not signed.
        """
        _check_type(body)
        metadata = body["metadata"] = dict(body.get("metadata") or {})
        if metadata.get("namespace") not in (None, "", namespace):
            raise errors.bad_request(
                "the namespace of the provided object does not match the namespace sent on the "
                "request"
            )
        spec = body["spec"] = dict(body.get("spec") or {})
        if spec.get("expirationSeconds") is None:
            spec["expirationSeconds"] = DEFAULT_EXPIRATION_SECONDS
        request = AdmissionRequest(
            operation="CREATE",
            resource=SERVICE_ACCOUNTS,
            subresource="token",
            namespace=namespace,
            name=name,
            object=body,
            user=user,
            dry_run=dry_run,
            audit_annotations={} if audit_annotations is None else audit_annotations,
        )
        await admission.mutate(request)
        account = await self._account(namespace, name, metadata, request.audit_annotations)
        audiences = list(spec.get("audiences") or self.policy.api_audiences)
        now = self.clock.now()
        metadata |= {
            "name": name,
            "namespace": namespace,
            "uid": uid_of(account),
            "creationTimestamp": format_time(now),
        }
        spec["audiences"] = audiences
        self._validate(spec)
        await admission.validate(request)
        binding = await self._binding(namespace, name, spec.get("boundObjectRef"))
        seconds, warning = clamp(spec["expirationSeconds"], self.policy)
        token_id = new_uid()
        claims = make_claims(
            self.policy, account, audiences, seconds, binding=binding, now=now, token_id=token_id
        )
        request.audit_annotations[ISSUED_CREDENTIAL_ID] = f"JTI={token_id}"
        token = await self._sign(encode_claims(claims))
        warnings = [*request.warnings, warning] if warning else request.warnings
        return self._answer(metadata, spec, seconds, token, now), warnings

    async def _account(
        self, namespace: str, name: str, metadata: dict[str, Any], audit_annotations: dict[str, str]
    ) -> Object:
        if not namespace:
            raise errors.bad_request("namespace is required")
        if metadata.get("name") not in (None, "", name):
            raise _invalid_metadata(
                "name", metadata["name"], "must match the service account name if specified"
            )
        wanted = str(metadata.get("uid") or "")
        account = await self._read(SERVICE_ACCOUNTS, namespace, name)
        if wanted and wanted != uid_of(account):
            text = (
                f"the UID in the token request ({wanted}) does not match the UID of the service "
                f"account ({uid_of(account)})"
            )
            audit_annotations[UID_MISMATCH] = text
            raise errors.conflict(KIND, name, text, AUTHENTICATION)
        return account

    def _validate(self, spec: dict[str, Any]) -> None:
        problems = validate_expiration(spec["expirationSeconds"], self.policy.minimum_seconds)
        if problems:
            raise errors.invalid(KIND, "", problems, AUTHENTICATION)

    async def _binding(
        self, namespace: str, account: str, reference: Object | None
    ) -> Binding | None:
        if reference is None:
            return None
        resource = bound_resource(reference)
        bound = await self._read(
            resource,
            "" if resource is NODES else namespace,
            str(reference.get("name") or ""),
        )
        check_binding(reference, bound, account)
        node = node_of(bound) if resource is PODS else ""
        return Binding(resource, bound, await self._node(node) if node else None)

    def _read(self, resource: Resource, namespace: str, name: str) -> Awaitable[Object]:
        read = self.fresh or self.objects.reader.live
        return read(resource, namespace, name)

    async def _node(self, name: str) -> ObjectRef:
        node = await self.objects.find(NODES, "", ObjectRef(name))
        return ObjectRef(name, uid_of(node) if node is not None else "")

    async def _sign(self, payload: bytes) -> str:
        try:
            return await self.signer.sign(payload)
        except SigningFailed as error:
            _log.error("cannot sign: %s", error)
            raise errors.internal(f"failed to generate token: {error}") from None
        except (ValueError, RuntimeError) as error:
            _log.error("cannot sign: %s", type(error).__name__)
            raise errors.internal("failed to generate token: signing failed") from None

    def _answer(
        self,
        metadata: dict[str, Any],
        spec: dict[str, Any],
        seconds: int,
        token: str,
        now: datetime,
    ) -> Object:
        return {
            "kind": KIND,
            "apiVersion": API_VERSION,
            "metadata": metadata,
            "spec": {
                "audiences": spec["audiences"],
                "expirationSeconds": seconds,
                "boundObjectRef": spec.get("boundObjectRef"),
            },
            "status": {
                "token": token,
                "expirationTimestamp": format_time(now + timedelta(seconds=seconds)),
            },
        }
