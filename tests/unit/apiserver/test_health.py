from __future__ import annotations

import pytest

from podpass.api.errors import StatusError
from podpass.apiserver.health import HealthChecks, NotHealthy, ping


async def broken() -> None:
    raise NotHealthy("a secret reason")


CHECKS = HealthChecks({"livez": {"ping": ping}, "readyz": {"ping": ping, "storage": broken}})


@pytest.mark.parametrize(
    ("path", "query", "code", "text"),
    [
        ("/livez", "", 200, "ok"),
        ("/livez", "verbose", 200, "[+]ping ok\nlivez check passed\n"),
        (
            "/readyz", "", 500,
            "[+]ping ok\n[-]storage failed: reason withheld\nreadyz check failed\n",
        ),
        ("/readyz", "exclude=storage", 200, "ok"),
        (
            "/readyz", "exclude=storage&exclude=x&verbose=1", 200,
            "[+]ping ok\nwarn: x is not a check, nothing was excluded\nreadyz check passed\n",
        ),
        ("/readyz/ping", "", 200, "ok"),
        ("/readyz/storage", "", 500, "[-]storage failed: reason withheld\nreadyz check failed\n"),
    ],
)  # fmt: skip
async def test_checks_are_shown_as_kubernetes_shows_them(
    path: str, query: str, code: int, text: str
) -> None:
    response = await CHECKS.respond(path, query)
    assert (response.status, response.text) == (code, text)


@pytest.mark.parametrize("path", ["/livez/storage", "/healthz", "/readyz/"])
async def test_an_unknown_check_is_404(path: str) -> None:
    if path == "/readyz/":
        assert (await CHECKS.respond(path, "exclude=storage")).status == 200
        return
    with pytest.raises(StatusError) as refused:
        await CHECKS.respond(path, "")
    assert refused.value.code == 404
