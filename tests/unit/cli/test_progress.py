"""Progress is one changing line on a terminal and plain lines in a pipe."""

from __future__ import annotations

import io
import re

from podpass.cli.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def written(stream: io.StringIO) -> str:
    progress = Progress(stream)
    progress.show("one")
    progress.show("one")
    progress.show("two")
    progress.done("ready")
    return re.sub(r"\[ *[0-9.]+s\]", "[t]", stream.getvalue())


def test_a_pipe_gets_plain_lines() -> None:
    assert written(io.StringIO()) == "[t] one\n[t] two\n[t] ready\n"


def test_a_terminal_gets_one_line_that_changes() -> None:
    assert written(Terminal()) == "\r\x1b[K[t] one\r\x1b[K[t] two\r\x1b[K[t] ready\n"
