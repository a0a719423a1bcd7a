"""One run: a cluster of three nodes, load on it, and its processes killed one after the other."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness import ClusterUnderTest, eventually, free_port

from podpass.bootstrap.cluster import load_cluster
from podpass.bootstrap.home import Home
from podpass.kubelet.runtime.record import start_ticks
from tests.chaos.etcd_members import MEMBER, WEIGHT, EtcdMembers
from tests.chaos.load import Findings, Load
from tests.chaos.schedule import EVERYTHING, SUPERVISOR, WEIGHTS, Kill, kills, spared
from tests.chaos.victims import Victim, victims

KILL_EVERY = 3.0
"""Mean seconds between two kills."""
RESTART_BACKOFF = {
    "PODPASS_RESTART_BACKOFF": "1",
    "PODPASS_RESTART_BACKOFF_MAXIMUM": "5",
}
"""Seconds. With the usual 10 to 300 most of a run would be spent waiting for containers that are
killed far more often than any fault does it."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a run was and what it found.

    Attributes:
        seed: Of the run.
        seconds: How long processes were killed.
        kills: How often each kind of process was.
        recovery: Seconds from the last kill until the cluster was whole and all was read again.
        findings: What was seen.
    """

    seed: int
    seconds: float
    kills: Counter[str]
    recovery: float
    findings: Findings

    def lines(self) -> list[str]:
        """Return it for people."""
        found = self.findings
        told = ", ".join(f"{kind} {count}" for kind, count in self.kills.most_common())
        ready = f"some API server was ready for {found.reachable:.1%} of the time"
        whole = f"all was whole again {self.recovery:.1f} s after the end"
        writes = f"{found.acknowledged} writes acknowledged, {found.unanswered} without an answer"
        watches = f"{found.resumed} watches resumed, {found.relisted} listed anew"
        return [
            f"seed {self.seed}, {self.seconds:.0f} s, {self.kills.total()} kills: {told}",
            f"{ready}; {whole}",
            f"{writes}, {found.reads} reads",
            f"{found.events} events watched, {watches}",
            f"{found.token_reads} reads of token files, {found.tokens} tokens",
            f"{len(found.violations)} violations",
            *(f"  {one}" for one in found.violations),
        ]


class _Supervised:
    """A `podpass up` that stays, as a service manager would run it."""

    def __init__(self, cluster: ClusterUnderTest) -> None:
        self._cluster = cluster
        self._log = cluster.home.parent / "up.log"
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        one = self._cluster
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [
                    sys.executable, "-m", "podpass", "up", f"--home={one.home}",
                    f"--port={one.port}", f"--nodes={one.nodes}", *one.options,
                ],
                stdout=log, stderr=log, env=os.environ | RESTART_BACKOFF, start_new_session=True,
            )  # fmt: skip

    @property
    def is_up(self) -> bool:
        """Whether it has said that it only waits now."""
        assert self._process.poll() is None, self._log.read_text()[-2000:]
        return "Ctrl-C stops" in self._log.read_text()

    def look(self) -> str:
        """Start it again if it gave up, as it does when a kubelet ends before the cluster is up.

        Returns:
            What it said, or nothing if it runs.
        """
        if self._process.poll() is None:
            return ""
        self._process = self._start()
        return self._log.read_text().splitlines()[-1][:200]

    def kill(self) -> None:
        """Kill it, and start it again."""
        self._process.kill()
        self._process.wait()
        self._process = self._start()

    def end(self) -> None:
        """Kill it for good."""
        self._process.kill()
        self._process.wait()


async def run_chaos(
    directory: Path, *, seed: int, seconds: float, say: Callable[[str], None], etcd: bool = False
) -> Report:
    """Start a cluster, kill its processes for some time, and judge.

    Args:
        directory: For the home.
        etcd: Whether its store is an etcd, whose members are killed too.
        seed: Decides who is killed when, and what is written.
        seconds: How long to go on with it.
        say: Told what happens.

    Raises:
        AssertionError: The cluster did not get whole again.
    """
    members = EtcdMembers(directory / "etcd") if etcd else None
    if members is None:
        return await _run(directory, members, seed=seed, seconds=seconds, say=say)
    try:
        await members.start()
        return await _run(directory, members, seed=seed, seconds=seconds, say=say)
    finally:
        members.end()


async def _run(
    directory: Path,
    members: EtcdMembers | None,
    *,
    seed: int,
    seconds: float,
    say: Callable[[str], None],
) -> Report:
    weights = WEIGHTS if members is None else WEIGHTS | {MEMBER: WEIGHT}
    cluster = ClusterUnderTest(
        directory / "podpass",
        free_port(),
        options=("--min-token-expiration", "10s", *([members.option] if members else [])),
    )
    supervised = _Supervised(cluster)
    try:
        await asyncio.to_thread(
            eventually, lambda: supervised.is_up or None, within=120, what="podpass up"
        )
        home = Home(cluster.home)
        load = Load(home, load_cluster(home.cluster_file), seed=seed)
        await load.start()
        seen = {victim.kind for victim in victims(home)}
        chosen = kills(seed, every=KILL_EVERY, weights=weights)
        killed = await _kill(home, supervised, load, members, chosen, seconds=seconds, say=say)
        ended = time.monotonic()
        supervised.look()
        if members is not None:
            await members.whole()
        findings = await load.finish()
        recovery = time.monotonic() - ended
    finally:
        supervised.end()
        cluster.down()
    left_out = spared(seen, killed, seconds=seconds, weights=weights)
    findings = replace(findings, violations=[*findings.violations, *left_out])
    return Report(seed, seconds, killed, recovery, findings)


async def _kill(
    home: Home,
    supervised: _Supervised,
    load: Load,
    members: EtcdMembers | None,
    chosen: Iterable[Kill],
    *,
    seconds: float,
    say: Callable[[str], None],
) -> Counter[str]:
    killed: Counter[str] = Counter()
    started = time.monotonic()
    complaints = 0
    for kill in chosen:
        left = started + seconds - time.monotonic()
        await asyncio.sleep(max(0.0, min(left, kill.after)))
        if left < kill.after:
            return killed
        moment = f"[{time.monotonic() - started:6.1f}]"
        if said := supervised.look():
            say(f"{moment} started again: {SUPERVISOR}, which had ended: {said}")
        found: Sequence[Victim] = []
        if kill.kind == EVERYTHING:
            found = victims(home)
        elif kill.kind not in (SUPERVISOR, MEMBER):
            found = kill.choose([one for one in victims(home) if one.kind == kill.kind])
        for victim in found:
            if start_ticks(victim.pid) == victim.ticks:
                os.kill(victim.pid, signal.SIGKILL)
                killed[victim.kind] += 1
        if members is not None and kill.kind in (MEMBER, EVERYTHING):
            hit = members.running if kill.kind == EVERYTHING else kill.choose(members.running)
            members.kill(hit)
            killed[MEMBER] += len(hit)
        where = f"{kill.kind}, {len(found)}: {', '.join(victim.node for victim in found)}"
        if kill.kind == MEMBER:
            where = f"{MEMBER}, {len(hit)}"
        if kill.kind in (EVERYTHING, SUPERVISOR):
            where = kill.kind
            killed[SUPERVISOR] += 1
            await asyncio.to_thread(supervised.kill)
        say(f"{moment} {where}")
        wrong = load.interim()
        for text in wrong[complaints:]:
            say(f"{moment} VIOLATION {text}")
        complaints = len(wrong)
    return killed
