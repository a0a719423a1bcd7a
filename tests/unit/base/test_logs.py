"""`base.logs`: secrets never print."""

from __future__ import annotations

import io
import logging

import pytest

from podpass.base.logs import Secret, configure_logging, redact

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"


def test_a_secret_shows_itself_only_when_asked() -> None:
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]}"
    assert secret.reveal() == "hunter2"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param(f"got {TOKEN} from x", "got [token] from x", id="a token"),
        pytest.param(f"{TOKEN},{TOKEN}", "[token],[token]", id="two tokens"),
        pytest.param("eyJust a word", "eyJust a word", id="no token"),
    ],
)
def test_what_looks_like_a_token_is_replaced(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_log_lines_are_redacted(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        configure_logging(verbose=True)
        logging.getLogger("part").info("refused %s", TOKEN)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    assert "part refused [token]" in stream.getvalue()
