"""Serves the metrics of the controller manager to who may read them.

1. `/healthz` is for everybody.
2. Who calls is known by a client certificate or by a token, which the API server reviews; everybody
   else is `system:anonymous`. A token that is not good: 401.
3. `/metrics` is for `system:masters` and for who may `get` that path, as the API server says: 403.
4. What the API server does not answer is refused: 500.

Source: Kubernetes `apiserver/pkg/server/options` (delegated authentication and authorization).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import orjson
from aiohttp import web

from podpass.api.errors import StatusError, internal, unauthorized
from podpass.api.meta import UserInfo
from podpass.api.resources import SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS, Object, Resource
from podpass.base.metrics import CONTENT_TYPE, Registry
from podpass.client.config import ConfigError
from podpass.client.rest import ConnectionFailed, RestClient

MASTERS = "system:masters"
_AUTHENTICATED = "system:authenticated"
_ANONYMOUS = UserInfo("system:anonymous", groups=("system:unauthenticated",))
_BEARER = "bearer "

_log = logging.getLogger("server")


def metrics_app(client: RestClient, metrics: Registry) -> web.Application:
    """Return the application; TLS is the caller's.

    Args:
        client: Asks the API server.
        metrics: What is shown.
    """

    async def health(_request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def show(request: web.Request) -> web.Response:
        await _authorize(client, await _user(client, request), request.path)
        return web.Response(text=metrics.render(), headers={"Content-Type": CONTENT_TYPE})

    app = web.Application(middlewares=[_errors])
    app.router.add_get("/healthz", health)
    app.router.add_get("/metrics", show)
    return app


@web.middleware
async def _errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        status = StatusError(error.status, "", error.reason)
    except StatusError as error:
        status = error
    except (ConnectionFailed, ConfigError) as error:
        _log.warning("%s: %s", request.path, error)
        status = internal("the API server cannot be asked")
    return web.Response(
        body=orjson.dumps(status.to_status()), status=status.code, content_type="application/json"
    )


async def _user(client: RestClient, request: web.Request) -> UserInfo:
    transport = request.transport
    certificate = transport.get_extra_info("peercert") if transport is not None else None
    if certificate:
        subject = [(key, value) for part in certificate["subject"] for key, value in part]
        name = next((value for key, value in subject if key == "commonName"), "")
        groups = tuple(value for key, value in subject if key == "organizationName")
        return UserInfo(name, groups=(*groups, _AUTHENTICATED))
    header = request.headers.get("Authorization", "")
    if header[: len(_BEARER)].lower() != _BEARER:
        return _ANONYMOUS
    return await _owner(client, header[len(_BEARER) :].strip())


async def _owner(client: RestClient, token: str) -> UserInfo:
    answer = await client.create(TOKEN_REVIEWS, _review(TOKEN_REVIEWS, {"token": token}))
    status = answer.get("status") or {}
    if not status.get("authenticated"):
        raise unauthorized()
    user = status.get("user") or {}
    extra = {key: tuple(values) for key, values in (user.get("extra") or {}).items()}
    groups = tuple(user.get("groups") or ())
    return UserInfo(user.get("username", ""), user.get("uid", ""), groups, extra)


async def _authorize(client: RestClient, user: UserInfo, path: str) -> None:
    if MASTERS in user.groups:
        return
    asked: Object = {
        "user": user.name,
        "uid": user.uid,
        "groups": list(user.groups),
        "extra": {key: list(values) for key, values in user.extra.items()},
        "nonResourceAttributes": {"path": path, "verb": "get"},
    }
    answer = await client.create(SUBJECT_ACCESS_REVIEWS, _review(SUBJECT_ACCESS_REVIEWS, asked))
    if not (answer.get("status") or {}).get("allowed"):
        raise StatusError(
            403, "Forbidden", f'forbidden: User "{user.name}" cannot get path "{path}"'
        )


def _review(resource: Resource, spec: Object) -> Object:
    return {"apiVersion": resource.api_version, "kind": resource.kind, "spec": spec}
