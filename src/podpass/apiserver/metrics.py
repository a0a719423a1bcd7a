"""What an API server counts, under the upstream names.

Durations are in seconds. Labels are of low cardinality: never a name or a user that is not known
to everybody. Source: apiserver `endpoints/metrics`, `endpoints/filters/metrics.go`,
`authentication/token/cache/stats.go`, `audit/metrics.go`; Kubernetes
`pkg/serviceaccount/metrics.go`.
"""

from __future__ import annotations

from podpass.apiserver.request_info import RequestInfo
from podpass.base.metrics import CONTENT_TYPE, Registry
from podpass.base.process_metrics import add_process_metrics

__all__ = ["BUCKETS", "CONTENT_TYPE", "Metrics"]

BUCKETS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 6.0, 10.0, 30.0, 60.0)
"""Upper bounds of the duration of requests."""

_FAST_BUCKETS = tuple(0.001 * 2**power for power in range(15))
_GRAPH_BUCKETS = tuple(0.0001 * 2**power for power in range(12))
_SHOWN_USERS = frozenset(
    {"admin", "client", "kube_proxy", "kubelet", "system:serviceaccount:kube-system:default"}
)


def _scope(info: RequestInfo) -> str:
    if not info.is_resource:
        return ""
    if info.name:
        return "resource"
    return "namespace" if info.namespace else "cluster"


def shown_user(name: str) -> str:
    """Return the label for a user: a few well-known names, all others are one."""
    if name in _SHOWN_USERS:
        return name
    return "email_id" if "@" in name else "other"


class AuthenticationMetrics:
    """Attempts to authenticate, and the cache of tokens."""

    def __init__(self, registry: Registry) -> None:
        self._attempts = registry.counter(
            "authentication_attempts", "Requests by outcome of authentication.", "result"
        )
        self._durations = registry.histogram(
            "authentication_duration_seconds",
            "Time that authentication took, by outcome.",
            "result",
            buckets=_FAST_BUCKETS,
        )
        self._users = registry.counter(
            "authenticated_user_requests", "Authenticated requests by user.", "username"
        )
        cache = "authentication_token_cache"
        self._requests = registry.counter(
            f"{cache}_request_total", "Look-ups of tokens in the cache.", "status"
        )
        self._request_durations = registry.histogram(
            f"{cache}_request_duration_seconds", "Time of look-ups, with validation.", "status"
        )
        self._fetches = registry.counter(
            f"{cache}_fetch_total", "Validations that the cache could not answer.", "status"
        )
        self._active = registry.gauge(
            f"{cache}_active_fetch_count", "Validations under way.", "status"
        )

    def attempt(self, result: str, username: str, seconds: float) -> None:
        """Count a request.

        Args:
            result: `success`, `failure` (nobody) or `error` (a bad credential).
            username: Of a success.
            seconds: How long it took.
        """
        self._attempts.inc(result)
        self._durations.observe(seconds, result)
        if result == "success":
            self._users.inc(shown_user(username))

    def looked_up(self, status: str, seconds: float) -> None:
        """Count a `hit` or a `miss` of the token cache."""
        self._requests.inc(status)
        self._request_durations.observe(seconds, status)

    def fetch_begins(self) -> None:
        """Note that a token is validated."""
        self._active.add(1, "in_flight")

    def blocked(self, change: int) -> None:
        """Count requests that wait for a validation which another one began."""
        if change:
            self._active.add(change, "blocked")

    def fetch_ended(self, status: str) -> None:
        """Count the outcome of a validation, `ok` or `error`."""
        self._active.add(-1, "in_flight")
        self._fetches.inc(status)


class TokenMetrics:
    """Kinds of service account tokens that were accepted."""

    def __init__(self, registry: Registry) -> None:
        self.valid = registry.counter(
            "serviceaccount_valid_tokens_total", "Extended tokens used before their warning."
        )
        self.stale = registry.counter(
            "serviceaccount_stale_tokens_total", "Extended tokens used after their warning."
        )
        self.legacy = registry.counter(
            "serviceaccount_legacy_tokens_total", "Tokens without audience that were used."
        )
        self.manual = registry.counter(
            "serviceaccount_legacy_manual_token_uses_total", "Uses of tokens of Secrets."
        )
        self.auto = registry.counter(
            "serviceaccount_legacy_auto_token_uses_total",
            "Uses of tokens of Secrets that accounts list.",
        )
        self.invalid_auto = registry.counter(
            "serviceaccount_invalid_legacy_auto_token_uses_total",
            "Refused uses of tokens that were marked invalid.",
        )


class ExternalJwtMetrics:
    """Calls of an external signer; `code` is the name of a gRPC status, e.g. `OK`."""

    def __init__(self, registry: Registry) -> None:
        prefix = "apiserver_externaljwt"
        self.fetched = registry.gauge(
            f"{prefix}_fetch_keys_success_timestamp", "When keys were last fetched, Unix time."
        )
        self.data = registry.gauge(
            f"{prefix}_fetch_keys_data_timestamp", "When the fetched keys were made, Unix time."
        )
        self.fetches = registry.counter(
            f"{prefix}_fetch_keys_request_total", "Requests for keys.", "code"
        )
        self.signs = registry.counter(
            f"{prefix}_sign_request_total", "Requests for signatures.", "code"
        )
        self.durations = registry.histogram(
            f"{prefix}_request_duration_seconds", "Time of requests.", "method", "code"
        )


class Metrics:
    """What is counted in one process.

    Attributes:
        registry: All of it; parts that are optional add their own families.
        authentication: Attempts and the token cache.
        tokens: Kinds of tokens.
        external_jwt: Calls of an external signer.
        audit_events: Events that were generated.
        audit_errors: Events that could not be written, by plugin.
        graph_actions: Durations of changes to the node authorizer's graph.
    """

    def __init__(self) -> None:
        registry = self.registry = Registry()
        self._requests = registry.counter(
            "apiserver_request_total",
            "Requests by what they asked for and the code of the answer.",
            "code", "component", "verb", "group", "version", "resource", "subresource", "scope",
        )  # fmt: skip
        self._durations = registry.histogram(
            "apiserver_request_duration_seconds",
            "Time of requests; watches have none.",
            "verb", "group", "version", "resource", "subresource", "scope", "component",
            buckets=BUCKETS,
        )  # fmt: skip
        self._inflight = registry.gauge(
            "apiserver_current_inflight_requests",
            "Requests under way; watches and streams are not counted.",
            "request_kind",
        )
        self._watchers = registry.gauge("apiserver_registered_watchers", "Watches under way.")
        self.audit_events = registry.counter("apiserver_audit_event_total", "Audit events.")
        self.audit_errors = registry.counter(
            "apiserver_audit_error_total", "Audit events that were lost.", "plugin"
        )
        self.graph_actions = registry.histogram(
            "node_authorizer_graph_actions_duration_seconds",
            "Time of changes to the graph of the node authorizer.",
            "operation",
            buckets=_GRAPH_BUCKETS,
        )
        self.authentication = AuthenticationMetrics(registry)
        self.tokens = TokenMetrics(registry)
        self.external_jwt = ExternalJwtMetrics(registry)
        add_process_metrics(registry)

    def begin(self, info: RequestInfo) -> str:
        """Count a request that begins; returns what `observe` wants back."""
        if info.verb == "watch" or info.subresource in {"exec", "attach", "portforward", "log"}:
            return ""
        kind = "readOnly" if info.verb in {"get", "list"} else "mutating"
        self._inflight.add(1, kind)
        return kind

    def observe(self, info: RequestInfo, code: int, seconds: float, begun: str = "") -> None:
        """Count one finished request.

        Args:
            info: What it was about, in names of ours.
            code: Of the answer.
            seconds: How long it took.
            begun: What `begin` returned.
        """
        if begun:
            self._inflight.add(-1, begun)
        labels = (info.verb.upper(), info.group, info.version, info.resource, info.subresource)
        scope = _scope(info)
        self._requests.inc(str(code), "apiserver", *labels, scope)
        if info.verb != "watch":
            self._durations.observe(seconds, *labels, scope, "apiserver")

    @property
    def watchers(self) -> int:
        """Watches under way."""
        return int(self._watchers.value())

    @watchers.setter
    def watchers(self, count: int) -> None:
        self._watchers.set(count)

    def render(self) -> str:
        """Return the exposition."""
        return self.registry.render()
