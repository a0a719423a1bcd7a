"""The verbs against a server in memory, which also misbehaves."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from podpass.api.errors import StatusError, not_found, service_unavailable
from podpass.api.resources import CLUSTER_ROLES, CONFIG_MAPS, NODES, PODS, SERVICE_ACCOUNTS, Object
from podpass.client import answers, rest
from podpass.client.config import ClientConfig
from podpass.client.rest import ConnectionFailed, RestClient
from podpass.testing.api_simulator import ApiSimulator
from podpass.testing.fake_clock import FakeClock
from podpass.testing.raw_server import raw_server


def config_map(name: str, **fields: object) -> Object:
    return {"metadata": {"name": name, "namespace": "ns"}, "data": {"k": "v"}} | fields


async def test_create_get_update_patch_delete(simulator: ApiSimulator, client: RestClient) -> None:
    created = await client.create(CONFIG_MAPS, config_map("a"))
    assert await client.get(CONFIG_MAPS, "ns", "a") == created
    updated = await client.update(CONFIG_MAPS, created | {"data": {"k": "w"}})
    assert updated["data"] == {"k": "w"}
    patched = await client.patch(CONFIG_MAPS, "ns", "a", {"data": {"k": None, "n": "1"}})
    assert patched["data"] == {"n": "1"}
    await client.delete(CONFIG_MAPS, "ns", "a")
    assert simulator.objects(CONFIG_MAPS) == []


@pytest.mark.parametrize(
    ("kind", "media_type"),
    [
        pytest.param("merge", "application/merge-patch+json", id="merge patch"),
        pytest.param("strategic", "application/strategic-merge-patch+json", id="strategic patch"),
        pytest.param("json", "application/json-patch+json", id="JSON patch"),
    ],
)
async def test_patches_name_their_kind(
    simulator: ApiSimulator, client: RestClient, kind: rest.PatchKind, media_type: str
) -> None:
    simulator.put(CONFIG_MAPS, config_map("a"))
    await client.patch(CONFIG_MAPS, "ns", "a", {}, kind=kind)
    assert simulator.requests[-1][2]["Content-Type"] == media_type


async def test_paths(simulator: ApiSimulator, client: RestClient) -> None:
    simulator.put(NODES, {"metadata": {"name": "n"}})
    simulator.put(CLUSTER_ROLES, {"metadata": {"name": "system:a/b"}})
    simulator.put(SERVICE_ACCOUNTS, {"metadata": {"name": "sa", "namespace": "ns"}})
    await client.get(NODES, None, "n", subresource="status")
    with pytest.raises(StatusError):
        await client.get(CLUSTER_ROLES, None, "system:a/c")
    await client.list(PODS, field_selector="spec.nodeName=n,status.phase!=Failed", limit=5)
    await client.list(
        PODS, "ns", label_selector="a in (b, c)", continue_token="x", resource_version="0"
    )
    assert [path for _, path, _ in simulator.requests] == [
        "/api/v1/nodes/n/status",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:a%2Fc",
        "/api/v1/pods?fieldSelector=spec.nodeName%3Dn%2Cstatus.phase%21%3DFailed&limit=5",
        "/api/v1/namespaces/ns/pods?labelSelector=a+in+%28b%2C+c%29&resourceVersion=0&continue=x",
    ]


async def test_items_of_a_list_say_what_they_are(
    simulator: ApiSimulator, client: RestClient
) -> None:
    stored = simulator.put(CONFIG_MAPS, config_map("a"))
    del stored["kind"], stored["apiVersion"]
    (item,) = (await client.list(CONFIG_MAPS))["items"]
    assert (item["apiVersion"], item["kind"]) == ("v1", "ConfigMap")


async def test_a_binding_goes_to_the_subresource(
    simulator: ApiSimulator, client: RestClient
) -> None:
    simulator.put(PODS, {"metadata": {"name": "p", "namespace": "ns"}, "spec": {}})
    body = {"target": {"name": "n"}}
    await client.create(PODS, body, namespace="ns", name="p", subresource="binding")
    pod = simulator.object(PODS, "ns", "p")
    assert pod is not None
    assert pod["spec"] == {"nodeName": "n"}


async def test_delete_options(simulator: ApiSimulator, client: RestClient) -> None:
    stored = simulator.put(PODS, {"metadata": {"name": "p", "namespace": "ns"}})
    with pytest.raises(StatusError) as caught:
        await client.delete(PODS, "ns", "p", uid="another", propagation_policy="Foreground")
    assert caught.value.reason == "Conflict"
    await client.delete(
        PODS, "ns", "p", uid=stored["metadata"]["uid"], grace_period_seconds=0, resource_version="1"
    )


async def test_a_refusal_is_the_servers_status_error(
    simulator: ApiSimulator, client: RestClient
) -> None:
    with pytest.raises(StatusError) as caught:
        await client.get(PODS, "ns", "none")
    assert caught.value.to_status() == not_found("pods", "none").to_status()
    simulator.answers = [service_unavailable("later")]
    with pytest.raises(StatusError, match="later"):
        await client.get(PODS, "ns", "none")


async def refusing(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: list[str]
) -> None:
    """Answer each request with the next of `answers`: a status, and what its head says more."""
    while answers:
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
        await reader.readexactly(int(length or 0))
        writer.write(f"HTTP/1.1 {answers.pop(0)}\r\nContent-Length: 2\r\n\r\n{{}}".encode())


@pytest.mark.parametrize(
    ("answers", "writes"),
    [
        pytest.param(["429 X\r\nRetry-After: 2"] * 3, True, id="429 did nothing: again"),
        pytest.param(["503 X\r\nRetry-After: 2"] * 3, False, id="a read after a failure: again"),
    ],
)
async def test_a_busy_server_is_asked_again_when_it_says_so(
    clock: FakeClock, answers: list[str], *, writes: bool
) -> None:
    answers = [*answers, "200 OK"]
    async with (
        raw_server(lambda reader, writer: refusing(reader, writer, answers)) as url,
        RestClient(ClientConfig(url), clock=clock, timeout=30) as client,
    ):
        answering = asyncio.create_task(
            client.create(CONFIG_MAPS, config_map("a")) if writes else client.list(PODS)
        )
        for _ in range(3):
            while not clock.sleeping:  # noqa: ASYNC110 - real I/O comes before each pause
                await asyncio.sleep(0)
            (pause,) = clock.sleeping
            assert 2 <= pause <= 2.5
            await clock.advance(pause)
        await answering


@pytest.mark.parametrize(
    ("answer", "writes", "code"),
    [
        pytest.param("503 X\r\nRetry-After: 1", True, 503, id="a write after a failure"),
        pytest.param("429 X", True, 429, id="no time is named"),
        pytest.param("429 X\r\nRetry-After: soon", True, 429, id="a time that is no number"),
        pytest.param("429 X\r\nRetry-After: 60", False, 429, id="a time behind the deadline"),
        pytest.param("404 X\r\nRetry-After: 1", False, 404, id="a refusal that stays one"),
    ],
)
async def test_other_refusals_are_reported_at_once(
    clock: FakeClock, answer: str, *, writes: bool, code: int
) -> None:
    answers = [answer]
    async with (
        raw_server(lambda reader, writer: refusing(reader, writer, answers)) as url,
        RestClient(ClientConfig(url), clock=clock, timeout=30) as client,
    ):
        with pytest.raises(StatusError) as caught:
            await (client.create(CONFIG_MAPS, config_map("a")) if writes else client.list(PODS))
    assert caught.value.code == code


async def test_a_busy_server_that_names_no_pause_gets_one() -> None:
    answers = ["429 X\r\nRetry-After: 0"] * 2
    async with (
        raw_server(lambda reader, writer: refusing(reader, writer, answers)) as url,
        RestClient(ClientConfig(url), timeout=0.9) as client,
    ):
        with pytest.raises(StatusError, match="429"):
            await client.list(PODS)
    assert len(answers) == 1


async def test_a_watch_waits_for_a_busy_server(clock: FakeClock) -> None:
    answers = ["429 X\r\nRetry-After: 1", "410 Gone"]
    async with (
        raw_server(lambda reader, writer: refusing(reader, writer, answers)) as url,
        RestClient(ClientConfig(url), clock=clock, timeout=30) as client,
        aclosing(client.watch(PODS, resource_version="1")) as events,
    ):
        first = asyncio.ensure_future(anext(events))
        while not clock.sleeping:  # noqa: ASYNC110 - real I/O comes before the pause
            await asyncio.sleep(0)
        await clock.advance(2)
        with pytest.raises(StatusError) as caught:
            await first
    assert caught.value.code == 410


async def test_an_error_that_is_no_status_keeps_its_code(client: RestClient) -> None:
    with pytest.raises(StatusError, match="HTTP status 404") as caught:
        await client.read_path("/nothing/here")
    assert caught.value.code == 404


async def test_the_token_is_read_again_for_each_request(
    simulator: ApiSimulator, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    async with RestClient(ClientConfig(simulator.url, token_file=token)) as client:
        for value in ("one", "another"):
            token.write_text(value)
            await client.list(PODS)
            assert simulator.requests[-1][2]["Authorization"] == f"Bearer {value}"


async def test_a_read_is_repeated_once_when_the_connection_breaks(
    simulator: ApiSimulator, client: RestClient
) -> None:
    simulator.breaks = 1
    assert (await client.list(PODS))["items"] == []
    simulator.breaks = 2
    with pytest.raises(ConnectionFailed):
        await client.list(PODS)


async def test_a_write_is_not_repeated(simulator: ApiSimulator, client: RestClient) -> None:
    simulator.breaks = 1
    with pytest.raises(ConnectionFailed):
        await client.create(CONFIG_MAPS, config_map("a"))
    assert len(simulator.requests) == 1
    assert simulator.objects(CONFIG_MAPS) == []


async def test_a_restarted_server_is_found_again(
    simulator: ApiSimulator, client: RestClient
) -> None:
    await client.list(PODS)
    await simulator.stop()
    with pytest.raises(ConnectionFailed):
        await client.list(PODS)
    await simulator.start()
    await client.create(CONFIG_MAPS, config_map("a"))


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_a_server_that_does_not_answer_is_given_up() -> None:
    async with raw_server(silent) as url, RestClient(ClientConfig(url), timeout=0.05) as client:
        with pytest.raises(ConnectionFailed, match="no answer"):
            await client.list(PODS)
        with pytest.raises(ConnectionFailed, match="no answer"):
            async with aclosing(client.watch(PODS, resource_version="1")) as events:
                await anext(events)


@pytest.mark.parametrize(
    "content",
    [pytest.param(b"<html>", id="no JSON"), pytest.param(b"[]", id="no object")],
)
async def test_an_answer_that_is_no_object_is_a_failed_connection(content: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content) + content)

    async with raw_server(serve) as url, RestClient(ClientConfig(url)) as client:
        with pytest.raises(ConnectionFailed, match="the server's answer is not"):
            await client.list(PODS)


async def test_a_watch_tells_changes_and_bookmarks(
    simulator: ApiSimulator, client: RestClient
) -> None:
    version = (await client.list(CONFIG_MAPS))["metadata"]["resourceVersion"]
    large = "x" * 300_000
    simulator.put(CONFIG_MAPS, config_map("a", data={"k": large}))
    async with aclosing(client.watch(CONFIG_MAPS, resource_version=version)) as events:
        kind, obj = await anext(events)
        assert (kind, obj["data"]["k"]) == ("ADDED", large)
        assert (await anext(events))[0] == "BOOKMARK"
        simulator.put(CONFIG_MAPS, config_map("a"))
        assert (await anext(events))[0] == "MODIFIED"
        assert (await anext(events))[0] == "BOOKMARK"
        simulator.remove(CONFIG_MAPS, "ns", "a")
        assert (await anext(events))[0] == "DELETED"


async def test_a_watch_of_a_forgotten_version_is_410(
    simulator: ApiSimulator, client: RestClient
) -> None:
    simulator.put(CONFIG_MAPS, config_map("a"))
    simulator.compact()
    with pytest.raises(StatusError) as caught:
        async with aclosing(client.watch(CONFIG_MAPS, resource_version="5")) as events:
            await anext(events)
    assert caught.value.code == 410


async def test_an_error_event_ends_a_watch(simulator: ApiSimulator, client: RestClient) -> None:
    async with aclosing(client.watch(CONFIG_MAPS, resource_version="100")) as events:
        await anext(events)
        simulator.fail_watches(StatusError(410, "Expired", "too old"))
        with pytest.raises(StatusError, match="too old"):
            await anext(events)


async def test_a_cut_watch_is_a_failed_connection(
    simulator: ApiSimulator, client: RestClient
) -> None:
    async with aclosing(client.watch(CONFIG_MAPS, resource_version="100")) as events:
        await anext(events)
        simulator.drop_watches()
        with pytest.raises(ConnectionFailed):
            await anext(events)


async def test_a_silent_watch_is_given_up(
    client: RestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "WATCH_SILENCE_SECONDS", 0.05)
    async with aclosing(client.watch(CONFIG_MAPS, resource_version="100")) as events:
        await anext(events)
        with pytest.raises(ConnectionFailed, match="silent"):
            await anext(events)
