"""`/livez`, `/readyz` and `/healthz`: named checks, shown as kube-apiserver shows them.

1. `ok` when all pass; `?verbose` lists them; `?exclude=NAME` leaves one out.
2. One failing check makes it 500 with the list; why stays in the log.
3. `/readyz/NAME` asks one check.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

from aiohttp import web

from podpass.api import errors
from podpass.apiserver.responses import text_response

_log = logging.getLogger("health")

Check = Callable[[], Awaitable[None]]
"""Returns when all is well, raises NotHealthy otherwise."""

ENDPOINTS = ("livez", "readyz", "healthz")


class NotHealthy(Exception):
    """A check failed; the text says why and goes to the log only."""


async def ping() -> None:
    """Pass: whoever can ask is answered."""


@dataclass(frozen=True, slots=True)
class HealthChecks:
    """The checks behind each endpoint.

    Attributes:
        endpoints: Endpoint (`livez`, ...) to its checks by name, in the order shown.
    """

    endpoints: Mapping[str, Mapping[str, Check]]

    async def respond(self, path: str, query: str) -> web.Response:
        """Answer a health request.

        Raises:
            StatusError: 404, there is no such endpoint or check.
        """
        endpoint, _, single = path.strip("/").partition("/")
        checks = self.endpoints.get(endpoint)
        if checks is None or (single and single not in checks):
            raise errors.no_such_path()
        parameters = parse_qs(query, keep_blank_values=True)
        excluded = set(parameters.get("exclude", ()))
        chosen = [single] if single else [name for name in checks if name not in excluded]
        lines: list[str] = []
        failed: list[str] = []
        for name in chosen:
            try:
                await checks[name]()
                lines.append(f"[+]{name} ok\n")
            except NotHealthy as error:
                failed.append(name)
                lines.append(f"[-]{name} failed: reason withheld\n")
                _log.info("%s check %s failed: %s", endpoint, name, error)
        unknown = sorted(excluded - set(checks))
        lines += [f"warn: {name} is not a check, nothing was excluded\n" for name in unknown]
        if failed:
            return text_response(f"{''.join(lines)}{endpoint} check failed\n", code=500)
        if "verbose" in parameters:
            return text_response(f"{''.join(lines)}{endpoint} check passed\n")
        return text_response("ok")
