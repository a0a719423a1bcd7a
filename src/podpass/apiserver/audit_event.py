"""The audit events of one request, `audit.k8s.io/v1`.

Stages: RequestReceived once it is known who asks; ResponseStarted where the answer is a stream;
ResponseComplete; Panic for what was not expected. A request without a valid credential has one
event, ResponseStarted, as upstream. Source: apiserver `audit/request.go`,
`endpoints/filters/audit.go`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from aiohttp import web

from podpass.api import codec
from podpass.api.errors import StatusError
from podpass.api.json_codec import MalformedBody, parse_json
from podpass.api.meta import UserInfo, format_micro_time
from podpass.api.resources import Object
from podpass.api.yaml_codec import parse_yaml
from podpass.apiserver.audit_policy import LEVEL_NAMES, AuditDecision, Level
from podpass.apiserver.audit_redaction import redacted
from podpass.apiserver.plain_request import HttpRequest
from podpass.apiserver.request_info import RequestInfo
from podpass.base.logs import redact

AUDIT_ID = "Audit-ID"
DECISION = "authorization.k8s.io/decision"
REASON = "authorization.k8s.io/reason"
_MAXIMUM_AGENT = 1024
_MAXIMUM_ID = 64
_CREATED = 201
_ERRORS = 400


def audit_id(http: HttpRequest, make: Callable[[], str]) -> str:
    """Return the id of a request: the client's, cut to 64 characters, or a new one."""
    return http.headers.get(AUDIT_ID, "")[:_MAXIMUM_ID] or make()


def source_ips(http: HttpRequest) -> list[str]:
    """Return where a request came from: what proxies say, then the peer."""
    headers = http.headers
    told = [part.strip() for part in headers.get("X-Forwarded-For", "").split(",")]
    told += [headers.get("X-Real-Ip", "").strip(), http.remote or ""]
    return list(dict.fromkeys(one for one in told if one))


@dataclass(slots=True, kw_only=True)
class RequestAudit:
    """Follows one request, and sends its events.

    Attributes:
        http: The request.
        info: What it is about.
        id: Of all its events.
        user: Who sent it.
        decision: What is to be logged.
        annotations: Filled by whoever has something to say.
        now: The time.
        send: Takes a finished line.
        impersonated: Whom it is judged as, if that is another.
    """

    http: HttpRequest
    info: RequestInfo
    id: str
    user: UserInfo
    decision: AuditDecision
    annotations: dict[str, str]
    now: Callable[[], datetime]
    send: Callable[[bytes], None]
    impersonated: UserInfo | None = None
    _body: bytes = b""
    _received: datetime = field(init=False)

    def __post_init__(self) -> None:
        self._received = self.now()

    def received(self) -> None:
        """Send RequestReceived."""
        self._emit("RequestReceived", {})

    def took_body(self, body: bytes) -> None:
        """Note the body of the request."""
        if self.decision.level >= Level.REQUEST:
            self._body = body

    def started(self, response: web.StreamResponse) -> None:
        """Send ResponseStarted for a stream that begins."""
        self._emit("ResponseStarted", {"responseStatus": _status(response.status, None)})

    def complete(self, response: web.StreamResponse) -> None:
        """Send ResponseComplete."""
        body = _json_body(response)
        facts: Object = {"responseStatus": _status(response.status, body)}
        if self.decision.level >= Level.REQUEST_RESPONSE and body is not None:
            facts["responseObject"] = self._redacted(body)
        created = body if response.status == _CREATED and not self.info.name else None
        self._emit("ResponseComplete", facts, created)

    def panicked(self) -> None:
        """Send Panic; why stands in the server's log."""
        status = {"metadata": {}, "status": "Failure", "reason": "InternalError", "code": 500}
        self._emit("Panic", {"responseStatus": status})

    def unauthenticated(self, message: str) -> None:
        """Send the one event of a request that was refused with 401."""
        status = {"metadata": {}, "status": "Failure", "message": message, "code": 401}
        self._emit("ResponseStarted", {"responseStatus": status})

    def _emit(self, stage: str, facts: Object, created: Any = None) -> None:
        if stage in self.decision.omit_stages:
            return
        agent = self.http.headers.get("User-Agent", "")
        if len(agent) > _MAXIMUM_AGENT:
            agent = f"{agent[:_MAXIMUM_AGENT]}...TRUNCATED"
        event: Object = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": LEVEL_NAMES[self.decision.level],
            "auditID": self.id,
            "stage": stage,
            "requestURI": self.http.raw_path,
            "verb": self.info.verb,
            "user": self.user.to_json() if self.user.name else {},
            "sourceIPs": source_ips(self.http),
            "userAgent": agent,
        }
        if self.impersonated is not None:
            event["impersonatedUser"] = self.impersonated.to_json()
        if self.info.is_resource:
            event["objectRef"] = self._object_ref(created)
        event |= facts
        if self._body and stage != "RequestReceived":
            asked = _decoded(self._body, self.http.headers.get("Content-Type", ""), self.info)
            if asked is not None:
                event["requestObject"] = self._redacted(asked)
        event["requestReceivedTimestamp"] = format_micro_time(self._received)
        event["stageTimestamp"] = format_micro_time(self.now())
        if self.annotations:
            event["annotations"] = dict(self.annotations)
        self.send(redact(orjson.dumps(event).decode()).encode() + b"\n")

    def _redacted(self, body: Any) -> Any:
        return redacted(body, self.info, drop_managed_fields=self.decision.omit_managed_fields)

    def _object_ref(self, created: Any) -> Object:
        info = self.info
        named = created.get("metadata") if isinstance(created, dict) else None
        made = named if isinstance(named, dict) else {}
        members = {
            "resource": info.resource,
            "namespace": info.namespace,
            "name": info.name or made.get("name"),
            "uid": made.get("uid"),
            "apiGroup": info.group,
            "apiVersion": info.version,
            "resourceVersion": made.get("resourceVersion"),
            "subresource": info.subresource,
        }
        return {key: value for key, value in members.items() if value}


def _status(code: int, body: Any) -> Object:
    status: Object = {"metadata": {}, "code": code}
    if code >= _ERRORS and isinstance(body, dict) and body.get("kind") == "Status":
        told = ("status", "message", "reason", "details")
        status |= {key: body[key] for key in told if key in body}
    return status


def _json_body(response: web.StreamResponse) -> Any:
    if not isinstance(response, web.Response) or response.content_type != "application/json":
        return None
    try:
        return orjson.loads(response.body) if isinstance(response.body, bytes) else None
    except orjson.JSONDecodeError:
        return None


def _decoded(body: bytes, content_type: str, info: RequestInfo) -> Any:
    """Return a body as JSON, or None if it is damaged."""
    media_type = content_type.partition(";")[0].strip().lower()
    version = f"{info.group}/{info.version}" if info.group else info.version
    try:
        if media_type == codec.PROTOBUF:
            decoded = codec.decode_body(
                body, content_type, field_validation="Ignore", default_gvk=(version, "")
            )
            return decoded.object
        return parse_yaml(body) if "yaml" in media_type else parse_json(body)
    except (StatusError, MalformedBody):
        return None
