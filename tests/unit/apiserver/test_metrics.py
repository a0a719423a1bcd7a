from __future__ import annotations

from apiserver.api_calls import CONFIG_MAPS, PODS, call

from podpass.apiserver.metrics import Metrics
from podpass.apiserver.request_info import parse_request
from podpass.testing.api_server import RunningApiServer


def test_requests_are_counted_by_kind_and_code() -> None:
    metrics = Metrics()
    info = parse_request("GET", PODS, {})
    metrics.observe(info, 200, 0.005)
    metrics.observe(info, 200, 0.0051)
    metrics.observe(info, 404, 99.0)
    labels = 'verb="LIST",group="",version="v1",resource="pods",subresource=""'
    text = metrics.render()
    counted = f'code="200",component="apiserver",{labels},scope="namespace"'
    assert f"apiserver_request_total{{{counted}}} 2\n" in text
    name = "apiserver_request_duration_seconds"
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
    assert "_bucket{" not in text


async def test_the_server_shows_what_it_counted_and_no_names_of_clients(
    api: RunningApiServer,
) -> None:
    async with api.admin() as admin:
        await call(admin, "GET", CONFIG_MAPS)
        await call(admin, "GET", "/api/v1/made-up-by-a-client", expect=404)
        text = await call(admin, "GET", "/metrics")
    assert 'resource="configmaps"' in text
    assert "made-up" not in text
