"""The adapters for httpx, requests and aiohttp against a real server: one table for all of them."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import aiohttp
import httpx
import pytest
import requests
from workload.https_server import Asked, Reply, certificate, serving

from podpass.testing.fake_issuer import FakeIssuer
from podpass.workload.aiohttp_middleware import TokenFileMiddleware
from podpass.workload.httpx_auth import TokenFileAuth as HttpxAuth
from podpass.workload.refusal import TokenUnreadable
from podpass.workload.requests_auth import TokenFileAuth as RequestsAuth
from podpass.workload.token_file import TokenFile

ISSUER = FakeIssuer()
OLD, NEW = ISSUER.token(jti="old"), ISSUER.token(jti="new")
CLIENTS = ["httpx", "httpx async", "requests", "aiohttp"]


class Service:
    """Accepts one token; `/rotate` swaps the file before it answers, `/away` leads elsewhere."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.accepts = NEW
        self.elsewhere = ""
        self.asked: list[Asked] = []

    def __call__(self, request: Asked) -> Reply:
        self.asked.append(request)
        if request.path == "/away":
            return Reply(302, b"", {"Location": self.elsewhere})
        if request.path == "/rotate":
            (self.path.parent / "new").write_text(NEW)
            (self.path.parent / "new").rename(self.path)
        good = request.headers.get("Authorization") == f"Bearer {self.accepts}"
        return Reply(200 if good else 401, b"done")

    @property
    def shown(self) -> list[str]:
        """The word of each request's token."""
        names = {f"Bearer {OLD}": "old", f"Bearer {NEW}": "new"}
        return [names.get(one.headers.get("Authorization", ""), "none") for one in self.asked]


@pytest.fixture
def service(tmp_path: Path) -> Service:
    (tmp_path / "token").write_text(OLD)
    return Service(tmp_path / "token")


def send(
    client: str,
    url: str,
    path: Path,
    *,
    body: bytes | io.BytesIO | None = None,
    header: str = "",
) -> int:
    """Send one request; returns the status of the last answer."""
    file = TokenFile(path)
    headers = {"Authorization": header} if header else {}
    method = "GET" if body is None else "POST"
    if client == "httpx":
        with httpx.Client(auth=HttpxAuth(file), follow_redirects=True, trust_env=False) as one:
            return one.request(method, url, content=body, headers=headers).status_code
    if client == "requests":
        with requests.Session() as session:
            session.trust_env = False
            session.auth = RequestsAuth(file)
            return session.request(method, url, data=body, headers=headers).status_code

    async def send_async() -> int:
        if client == "httpx async":
            async with httpx.AsyncClient(
                auth=HttpxAuth(file), follow_redirects=True, trust_env=False
            ) as one:
                answer = await one.request(method, url, content=body, headers=headers)
                return answer.status_code
        origin = "/".join(url.split("/")[:3])
        async with (
            aiohttp.ClientSession(
                middlewares=[TokenFileMiddleware(file, origins=origin)]
            ) as session,
            session.request(method, url, data=body, headers=headers) as response,
        ):
            await response.read()
            return response.status

    return asyncio.run(send_async())


@pytest.mark.parametrize("client", CLIENTS)
def test_the_token_is_shown(client: str, service: Service) -> None:
    service.accepts = OLD
    with serving(service) as url:
        assert send(client, f"{url}/", service.path) == 200
    assert service.shown == ["old"]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("body", [None, b"data"], ids=["without a body", "with a body"])
def test_after_a_401_the_new_token_is_shown_once(
    client: str, body: bytes | None, service: Service
) -> None:
    with serving(service) as url:
        assert send(client, f"{url}/rotate", service.path, body=body) == 200
    assert service.shown == ["old", "new"]
    assert [one.body for one in service.asked] == [body or b""] * 2


@pytest.mark.parametrize("client", CLIENTS)
def test_a_401_without_a_new_token_is_the_answer(client: str, service: Service) -> None:
    with serving(service) as url:
        assert send(client, f"{url}/", service.path) == 401
    assert service.shown == ["old"]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_second_401_is_the_answer(client: str, service: Service) -> None:
    service.accepts = "another"
    with serving(service) as url:
        assert send(client, f"{url}/rotate", service.path) == 401
    assert service.shown == ["old", "new"]


@pytest.mark.parametrize("client", ["httpx", "requests", "aiohttp"])
def test_a_body_that_was_a_stream_is_not_sent_again(client: str, service: Service) -> None:
    with serving(service) as url:
        assert send(client, f"{url}/rotate", service.path, body=io.BytesIO(b"data")) == 401
    assert len(service.asked) == 1


@pytest.mark.parametrize("client", CLIENTS)
def test_a_header_of_the_caller_stays(client: str, service: Service) -> None:
    with serving(service) as url:
        assert send(client, f"{url}/", service.path, header="Basic eA==") == 401
    assert service.asked[0].headers["Authorization"] == "Basic eA=="
    assert len(service.asked) == 1


@pytest.mark.parametrize("client", CLIENTS)
def test_a_redirect_to_somebody_else_carries_no_token(client: str, service: Service) -> None:
    stranger = Service(service.path)
    with serving(service) as url, serving(stranger) as other:
        service.elsewhere = other.replace("127.0.0.1", "localhost") + "/rotate"
        assert send(client, f"{url}/away", service.path) == 401
    assert service.shown[0] == "old"
    assert set(stranger.shown) == {"none"}


@pytest.mark.parametrize("client", CLIENTS)
def test_without_a_token_no_request_goes_out(client: str, service: Service) -> None:
    service.path.unlink()
    with serving(service) as url, pytest.raises(TokenUnreadable):
        send(client, f"{url}/", service.path)
    assert service.asked == []


@pytest.mark.parametrize("origins", [[], "nowhere"], ids=["none", "no URL"])
def test_aiohttp_needs_the_origins_that_may_see_the_token(
    origins: str | list[str], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"name the origins|URL should be absolute"):
        TokenFileMiddleware(TokenFile(tmp_path / "token"), origins=origins)


def test_aiohttp_may_be_given_several_origins(service: Service) -> None:
    service.accepts = OLD
    file = TokenFile(service.path)

    async def ask(url: str) -> int:
        middleware = TokenFileMiddleware(file, origins=["https://a.example:8443", url])
        async with (
            aiohttp.ClientSession(middlewares=[middleware]) as session,
            session.get(url) as answer,
        ):
            return answer.status

    with serving(service) as url:
        assert asyncio.run(ask(url)) == 200


def test_requests_tries_again_with_the_settings_of_the_first_try(
    service: Service, tmp_path: Path
) -> None:
    tls = certificate(tmp_path)
    with serving(service, tls) as url, requests.Session() as session:
        session.trust_env = False
        session.auth = RequestsAuth(TokenFile(service.path))
        answer = session.get(f"{url}/rotate", verify=str(tls[0]))
    assert answer.status_code == 200
    assert answer.request.headers["Authorization"] == f"Bearer {NEW}"
    assert [one.status_code for one in answer.history] == [401]
