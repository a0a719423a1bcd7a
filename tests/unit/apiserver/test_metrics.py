from __future__ import annotations

import pytest
from apiserver.api_calls import CONFIG_MAPS, PODS, account, call

from podpass.apiserver.metrics import Metrics, shown_user
from podpass.apiserver.request_info import parse_request
from podpass.testing.api_server import RunningApiServer


def test_requests_are_counted_by_kind_and_code() -> None:
    metrics = Metrics()
    info = parse_request("GET", PODS, {})
    metrics.observe(info, 200, 0.005)
    metrics.observe(info, 200, 0.0051)
    metrics.observe(info, 404, 99.0)
    labels = 'verb="LIST",group="",version="v1",resource="pods",subresource="",scope="namespace"'
    text = metrics.render()
    assert f'apiserver_request_total{{code="200",component="apiserver",{labels}}} 2\n' in text
    name = "apiserver_request_duration_seconds"
    labels += ',component="apiserver"'
    assert f'{name}_bucket{{{labels},le="0.005"}} 1\n' in text
    assert f'{name}_bucket{{{labels},le="0.025"}} 2\n' in text
    assert f'{name}_bucket{{{labels},le="60.0"}} 2\n' in text
    assert f'{name}_bucket{{{labels},le="+Inf"}} 3\n' in text
    assert f"{name}_count{{{labels}}} 3\n" in text


def test_a_watch_has_no_duration() -> None:
    metrics = Metrics()
    metrics.observe(parse_request("GET", PODS, {"watch": "1"}), 200, 1800.0)
    text = metrics.render()
    assert 'verb="WATCH"' in text
    assert "apiserver_request_duration_seconds_bucket" not in text


@pytest.mark.parametrize(
    ("method", "path", "query", "kind"),
    [
        pytest.param("GET", PODS, {}, "readOnly", id="list"),
        pytest.param("POST", PODS, {}, "mutating", id="create"),
        pytest.param("GET", PODS, {"watch": "1"}, "", id="a watch is not counted"),
        pytest.param("GET", f"{PODS}/p/log", {}, "", id="a log is not counted"),
        pytest.param("GET", f"{PODS}/p", {}, "readOnly", id="get"),
    ],
)
def test_requests_under_way(method: str, path: str, query: dict[str, str], kind: str) -> None:
    metrics = Metrics()
    info = parse_request(method, path, query)
    begun = metrics.begin(info)
    assert begun == kind
    name = "apiserver_current_inflight_requests"
    assert (f'{name}{{request_kind="{kind}"}} 1\n' in metrics.render()) is bool(kind)
    metrics.observe(info, 200, 0.1, begun)
    assert f'{name}{{request_kind="{kind}"}} 1\n' not in metrics.render()


@pytest.mark.rule("metrics.authentication")
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        pytest.param("admin", "admin", id="well known"),
        pytest.param("somebody", "other", id="anybody"),
        pytest.param("a@example.org", "email_id", id="a mail address"),
        pytest.param(
            "system:serviceaccount:kube-system:default",
            "system:serviceaccount:kube-system:default",
            id="one account by name",
        ),
        pytest.param("system:serviceaccount:default:default", "other", id="all other accounts"),
    ],
)
def test_users_are_shown_as_few_names(name: str, shown: str) -> None:
    assert shown_user(name) == shown


@pytest.mark.rule("metrics.node-graph")
async def test_the_server_shows_what_it_counted_and_no_names_of_clients(
    api: RunningApiServer,
) -> None:
    async with api.admin() as admin:
        await call(admin, "GET", CONFIG_MAPS)
        await call(admin, "GET", "/api/v1/made-up-by-a-client", expect=404)
        text = await call(admin, "GET", "/metrics")
    assert 'resource="configmaps"' in text
    assert "made-up" not in text


@pytest.mark.rule(
    "metrics.tokens",
    "metrics.token-cache",
    "verify.warnafter-absent",
)
async def test_tokens_are_counted_by_outcome_and_the_cache_by_hit_and_miss(
    api: RunningApiServer,
) -> None:
    account_path = "/api/v1/namespaces/default/serviceaccounts"
    async with api.admin() as admin:
        await call(admin, "POST", account_path, account("app"), expect=201)
        body = {"spec": {"expirationSeconds": 600}}
        answer = await call(admin, "POST", f"{account_path}/app/token", body, expect=201)
        async with api.session(token=answer["status"]["token"]) as app:
            for _ in range(2):
                await call(app, "GET", "/api")
            await call(app, "GET", "/metrics", expect=403)
        async with api.session(token="bad") as stranger:
            await call(stranger, "GET", "/api", expect=401)
        async with api.session() as nobody:
            await call(nobody, "GET", "/api", expect=403)
        text = await call(admin, "GET", "/metrics")
    for line in (
        'authentication_attempts{result="error"} 1',
        'authentication_token_cache_request_total{status="hit"} 2',
        'authentication_token_cache_request_total{status="miss"} 2',
        'authentication_token_cache_fetch_total{status="ok"} 1',
        'authentication_token_cache_fetch_total{status="error"} 1',
        'authentication_token_cache_active_fetch_count{status="in_flight"} 0',
        'authenticated_user_requests{username="admin"} 3',
        'authenticated_user_requests{username="other"} 4',
        "serviceaccount_valid_tokens_total 0",
        "serviceaccount_legacy_tokens_total 0",
        'apiserver_current_inflight_requests{request_kind="readOnly"} 1',
    ):
        assert f"{line}\n" in text, text
    for name in (
        "apiserver_audit_event_total", "apiserver_externaljwt_sign_request_total",
        "authentication_duration_seconds_bucket", "node_authorizer_graph_actions_duration_seconds",
        "process_resident_memory_bytes", "serviceaccount_stale_tokens_total",
    ):  # fmt: skip
        assert name in text
