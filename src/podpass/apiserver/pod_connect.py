"""Subresources of a pod that its kubelet answers: log, exec, attach and portforward.

1. Pod, container and node are looked up first: 404 and 400 as Kubernetes words them.
2. Logs are streamed as they come. The others are websockets, passed on message by message with
   the subprotocol that the kubelet chose.
3. SPDY of older clients is passed on as bytes in a websocket (`spdy_upgrade`).
4. kubectl repeats a failed try with SPDY, so a refusal of the kubelet travels inside the
   websocket, on the error channel, where there is one.

Source: `registry/core/pod/strategy.go` (ResourceLocation), KEP-4006.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from urllib.parse import parse_qsl

import aiohttp
import orjson
from aiohttp import web

from podpass.api import errors, field_errors
from podpass.api.meta import annotations_of, name_of, namespace_of
from podpass.api.resources import PODS, Object
from podpass.apiserver.kubelet_client import (
    KubeletAddress,
    KubeletClient,
    no_answer,
    upgrade_refusal,
)
from podpass.apiserver.object_reader import ObjectReader
from podpass.apiserver.request_context import RequestContext
from podpass.apiserver.request_info import is_true
from podpass.apiserver.spdy_upgrade import TUNNEL_PREFIX, choose_protocol, relay_bytes, upgraded
from podpass.apiserver.stream_protocols import BEARER_PROTOCOL_PREFIX, offered_protocols

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
_ERROR_CHANNEL = b"\x03"
_LOG_PARAMETERS = (
    "follow", "tailLines", "sinceSeconds", "sinceTime", "timestamps", "previous", "limitBytes",
)  # fmt: skip
_STREAMS = {"stdin": "input", "stdout": "output", "stderr": "error", "tty": "tty"}
_REMOTE_COMMAND = ("v4.channel.k8s.io",)
_PORT_FORWARD = ("portforward.k8s.io",)
_HEADS = {"exec": "exec", "attach": "attach", "portforward": "portForward"}
"""Subresource to the first word of the kubelet's path."""


def _containers(pod: Object) -> list[str]:
    spec = pod["spec"]
    groups = ("containers", "initContainers", "ephemeralContainers")
    return [one["name"] for group in groups for one in spec.get(group) or ()]


def choose_container(pod: Object, wanted: str) -> str:
    """Return the container that a request is about.

    Args:
        pod: The pod.
        wanted: Name from the request; empty for the only, or the annotated, container.

    Raises:
        StatusError: 400, there is no such container or more than one could be meant.
    """
    names = _containers(pod)
    if wanted:
        if wanted not in names:
            raise errors.bad_request(f"container {wanted} is not valid for pod {name_of(pod)}")
        return wanted
    main = [one["name"] for one in pod["spec"]["containers"]]
    annotated = annotations_of(pod).get(DEFAULT_CONTAINER, "")
    if annotated in main:
        return annotated
    if len(main) == 1:
        return str(main[0])
    raise errors.bad_request(
        f"a container name must be specified for pod {name_of(pod)}, "
        f"choose one of: [{' '.join(main)}]"
    )


def log_query(query: dict[str, str]) -> list[tuple[str, str]]:
    """Return the kubelet's query for `PodLogOptions`.

    Raises:
        StatusError: 422, a number or a combination is not allowed.
    """
    problems: list[field_errors.FieldError] = []
    for name, least in (("tailLines", 0), ("sinceSeconds", 1), ("limitBytes", 1)):
        text = query.get(name, "")
        if text and not (text.lstrip("-").isdigit() and text.isascii()):
            raise errors.bad_request(f'invalid {name}: "{text}" is not an integer')
        if text and int(text) < least:
            what = "greater than or equal to 0" if least == 0 else "greater than 0"
            problems.append(field_errors.invalid(name, int(text), f"must be {what}"))
    if query.get("sinceSeconds") and query.get("sinceTime"):
        problems.append(
            field_errors.forbidden("", "at most one of `sinceTime` or `sinceSeconds` may be set")
        )
    if problems:
        raise errors.invalid("PodLogOptions", "", problems)
    return [(name, query[name]) for name in _LOG_PARAMETERS if query.get(name)]


def connect_query(raw_query: str) -> list[tuple[str, str]]:
    """Return the kubelet's query for `Pod{Exec,Attach,PortForward}Options`."""
    pairs = parse_qsl(raw_query, keep_blank_values=True)
    out = [pair for pair in pairs if pair[0] == "command"]
    out += [("port", value) for key, value in pairs if key == "ports"]
    out += [(_STREAMS[key], "1") for key, value in pairs if key in _STREAMS and is_true(value)]
    return out


class PodConnect:
    """Serves what the kubelet of a pod's node knows."""

    def __init__(self, reader: ObjectReader, kubelets: KubeletClient) -> None:
        self._reader = reader
        self._kubelets = kubelets

    async def log(self, context: RequestContext) -> web.StreamResponse:
        """GET `pods/NAME/log`.

        Raises:
            StatusError: Of the lookup (rule 1) or the kubelet.
        """
        pod = await self._pod(context)
        container = choose_container(pod, context.query.get("container", ""))
        query = log_query(context.query)
        response = web.StreamResponse(
            headers={"Content-Type": "text/plain", "Cache-Control": "no-cache, private"}
        )
        node = pod["spec"].get("nodeName")
        if not node:
            context.begin_stream(response)
            await response.prepare(context.streaming)
            await response.write_eof()
            return response
        at = await self._address(pod, str(node), "containerLogs", container, query)
        async with self._kubelets.stream(at) as upstream:
            context.begin_stream(response)
            await response.prepare(context.streaming)
            async for chunk in upstream.content.iter_any():
                await response.write(chunk)
        await response.write_eof()
        return response

    async def connect(self, context: RequestContext) -> web.StreamResponse:
        """Exec, attach and portforward.

        Raises:
            StatusError: Of the lookup (rule 1), 400 for what is no upgrade.
        """
        kind = context.info.subresource
        pod = await self._pod(context)
        node = pod["spec"].get("nodeName")
        if not node:
            raise errors.bad_request(f"pod {name_of(pod)} does not have a host assigned")
        container = ""
        if kind != "portforward":
            container = choose_container(pod, context.query.get("container", ""))
        query = connect_query(context.raw_query)
        if kind == "exec" and not any(key == "command" for key, _ in query):
            raise errors.bad_request("you must specify at least 1 command for the container")
        at = await self._address(pod, str(node), _HEADS[kind], container, query)
        upgrade = context.http.headers.get("Upgrade", "").lower()
        if upgrade.startswith("spdy"):
            served = _PORT_FORWARD if kind == "portforward" else _REMOTE_COMMAND
            return await self._tunnel(context, at, choose_protocol(context.streaming, served))
        if upgrade != "websocket":
            raise errors.bad_request("Upgrade request required")
        protocols = [
            one for one in offered_protocols(context.streaming)
            if not one.startswith(BEARER_PROTOCOL_PREFIX)
        ]  # fmt: skip
        return await self._proxy(context, at, protocols)

    async def _pod(self, context: RequestContext) -> Object:
        return await self._reader.live(PODS, context.info.namespace, context.info.name)

    async def _address(
        self, pod: Object, node: str, head: str, container: str, query: Sequence[tuple[str, str]]
    ) -> KubeletAddress:
        path = f"/{head}/{namespace_of(pod)}/{name_of(pod)}/{container}".rstrip("/")
        return await self._kubelets.address(node, path, query)

    async def _proxy(
        self, context: RequestContext, at: KubeletAddress, protocols: Sequence[str]
    ) -> web.StreamResponse:
        try:
            async with self._kubelets.websocket(at, protocols) as upstream:
                chosen = (upstream.protocol,) if upstream.protocol else ()
                client = web.WebSocketResponse(protocols=chosen, max_msg_size=0, compress=False)
                context.begin_stream(client)
                await client.prepare(context.streaming)
                await _relay(client, upstream)
                return client
        except aiohttp.WSServerHandshakeError as error:
            refusal = upgrade_refusal(error)
        except aiohttp.ClientError as error:
            refusal = no_answer(at, error)
        if not any(one.endswith(".channel.k8s.io") for one in protocols):
            raise refusal
        return await _refuse(context.streaming, protocols, refusal)

    async def _tunnel(
        self, context: RequestContext, at: KubeletAddress, protocol: str
    ) -> web.StreamResponse:
        try:
            async with (
                self._kubelets.websocket(at, [TUNNEL_PREFIX + protocol]) as upstream,
                upgraded(context.streaming, protocol) as (response, reader, writer),
            ):
                context.begin_stream(response)
                await relay_bytes(upstream, reader, writer)
                return response
        except aiohttp.WSServerHandshakeError as error:
            raise upgrade_refusal(error) from error
        except aiohttp.ClientError as error:
            raise no_answer(at, error) from error


async def _refuse(
    request: web.BaseRequest, protocols: Sequence[str], refusal: errors.StatusError
) -> web.StreamResponse:
    client = web.WebSocketResponse(protocols=protocols)
    await client.prepare(request)
    await client.send_bytes(_ERROR_CHANNEL + orjson.dumps(refusal.to_status()))
    await client.close()
    return client


async def _relay(client: web.WebSocketResponse, upstream: aiohttp.ClientWebSocketResponse) -> None:
    """Pass messages both ways until one side closes; the close travels too."""
    tasks = {
        asyncio.create_task(_pump(client, upstream)),
        asyncio.create_task(_pump(upstream, client)),
    }
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await upstream.close()
        code = upstream.close_code
        if code is None or code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE:
            code = aiohttp.WSCloseCode.OK  # 1006 is never sent: it says that no code came
        await client.close(code=code)


async def _pump(
    source: web.WebSocketResponse | aiohttp.ClientWebSocketResponse,
    target: web.WebSocketResponse | aiohttp.ClientWebSocketResponse,
) -> None:
    try:
        async for message in source:
            if message.type is aiohttp.WSMsgType.BINARY:
                await target.send_bytes(message.data)
            elif message.type is aiohttp.WSMsgType.TEXT:
                await target.send_str(message.data)
    except ConnectionError:
        return
