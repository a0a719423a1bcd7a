"""Hosts made of network namespaces, on one bridge.

Each has an address of its own and a link that can be cut. They share the machine's files, so that
each has a home of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from harness import Result, run

from podpass.base.tasks import random_suffix

_PREFIX = "podpass-"  # an interface's name has 15 letters at most


def why_not() -> str:
    """Return why this machine cannot make such hosts, empty if it can."""
    if os.geteuid() != 0:
        return "network namespaces for hosts need root"
    if shutil.which("ip") is None:
        return "there is no `ip` (iproute2)"
    name = f"{_PREFIX}{random_suffix()}"
    made = subprocess.run(["ip", "netns", "add", name], check=False, capture_output=True, text=True)
    if made.returncode:
        return f"no network namespaces: {made.stderr.strip()}"
    _ip("netns", "del", name)
    return ""


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


class NetworkHosts:
    """Some hosts on a bridge; `close` removes all of it."""

    def __init__(self, homes: Path, count: int) -> None:
        """Make the hosts.

        Args:
            homes: Where their homes go, `1` to `count`.
            count: How many.
        """
        self._tag = f"{_PREFIX}{random_suffix()}"
        self._homes = homes
        self._numbers = range(1, count + 1)
        _ip("link", "add", self._tag, "type", "bridge")
        try:
            _ip("link", "set", self._tag, "up")
            for number in self._numbers:
                self._add(number)
        except BaseException:
            self.close()
            raise

    def _add(self, number: int) -> None:
        name = self._link(number)
        _ip("netns", "add", name)
        _ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("link", "set", name, "master", self._tag, "up")
        _ip("-n", name, "addr", "add", f"{self.address(number)}/24", "dev", "eth0")
        for device in ("eth0", "lo"):
            _ip("-n", name, "link", "set", device, "up")

    def _link(self, number: int) -> str:
        return f"{self._tag}{number}"

    def address(self, number: int) -> str:
        """Return the address of a host."""
        return f"10.77.0.{number}"

    def home(self, number: int) -> Path:
        """Return the home of a host."""
        return self._homes / str(number)

    def command(self, number: int, *command: str) -> list[str]:
        """Return the command that runs this one on a host."""
        return ["ip", "netns", "exec", self._link(number), *command]

    def on(
        self,
        number: int,
        *command: str,
        env: dict[str, str] | None = None,
        stdin: str | None = None,
    ) -> Result:
        """Run a command on a host."""
        return run(self.command(number, *command), timeout=180, env=env, stdin=stdin)

    def cut_off(self, number: int) -> None:
        """Take the link of a host down."""
        _ip("link", "set", self._link(number), "down")

    def connect(self, number: int) -> None:
        """Take it up again."""
        _ip("link", "set", self._link(number), "up")

    def close(self) -> None:
        """Remove hosts, links and bridge, as far as they are there."""
        for arguments in (
            *(("netns", "del", self._link(number)) for number in self._numbers),
            *(("link", "del", self._link(number)) for number in self._numbers),
            ("link", "del", self._tag),
        ):
            subprocess.run(["ip", *arguments], check=False, capture_output=True)
