"""What goes on in the cluster while its processes are killed, and what is checked at the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from podpass.api.errors import StatusError
from podpass.api.resources import CONFIG_MAPS, NAMESPACES, PODS, Object
from podpass.base.clock import SystemClock
from podpass.bootstrap.cluster import Cluster
from podpass.bootstrap.home import Home
from podpass.client.config import load_kubeconfig
from podpass.client.rest import ConnectionFailed, RestClient
from podpass.jose.key_set import KeySet
from podpass.jose.pem import load_public_keys
from podpass.storage.interface import StoreUnavailable
from tests.chaos.config_map_registers import ConfigMapRegisters, Refused
from tests.chaos.history import Record, problems
from tests.chaos.register_client import RegisterClient
from tests.chaos.token_reader import TokenReader
from tests.chaos.tokens_read import Reachability, expiry_problems
from tests.chaos.watched import Listed, WatchLog, watch_problems
from tests.chaos.watcher import Watcher

NAMESPACE = "chaos"
KEYS = tuple(f"chaos-{number}" for number in range(8))
TOKEN_LIVES = (40, 90)
"""Seconds."""
PAUSE = 0.1
"""Mean seconds between two requests of one client; there are four."""
PATIENCE = 180.0
"""Seconds for the cluster to be whole again."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What a run saw.

    Attributes:
        acknowledged: Writes that an API server said are done.
        unanswered: Writes without an answer.
        reads: Reads that were answered.
        events: Watch events, of all watchers.
        resumed: Watches that went on where they had stood.
        relisted: Watches that had to list anew.
        token_reads: Reads of token files.
        tokens: Different tokens read.
        reachable: Share of the time in which some API server was ready.
        violations: What must not be.
    """

    acknowledged: int
    unanswered: int
    reads: int
    events: int
    resumed: int
    relisted: int
    token_reads: int
    tokens: int
    reachable: float
    violations: list[str]


def keeper(node: str, lives: Sequence[int] = TOKEN_LIVES) -> Object:
    """Return a pod that does nothing but hold tokens, of these lives in seconds."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"keeper-{node}", "namespace": NAMESPACE},
        "spec": {
            "nodeName": node,
            "terminationGracePeriodSeconds": 1,
            "containers": [
                {
                    "name": "keeper",
                    "image": "python",
                    "command": ["python3", "-c", "import signal; signal.pause()"],
                    "volumeMounts": [{"name": "t", "mountPath": "/var/run/secrets/tokens"}],
                }
            ],
            "volumes": [
                {
                    "name": "t",
                    "projected": {
                        "sources": [
                            {
                                "serviceAccountToken": {
                                    "path": f"life-{life}",
                                    "expirationSeconds": life,
                                    "audience": "vault",
                                }
                            }
                            for life in lives
                        ]
                    },
                }
            ],
        },
    }


async def insist(request: Callable[[], Awaitable[object]], *, seconds: float = PATIENCE) -> None:
    """Ask until there is a good answer; that a thing exists already is one.

    Raises:
        AssertionError: There was none in time.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            if await request() is not False:
                return
            trouble = "not yet"
        except StatusError as error:
            if error.reason == "AlreadyExists":
                return
            trouble = str(error)
        except (ConnectionFailed, StoreUnavailable) as error:
            trouble = str(error)
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {trouble}"
        await asyncio.sleep(0.2)


class Load:
    """Writers, watchers and readers of a running cluster.

    Args:
        home: Of the cluster.
        cluster: Its nodes.
        seed: Decides what the writers write.
        lives: Of the tokens, in seconds.
    """

    def __init__(
        self, home: Home, cluster: Cluster, *, seed: int, lives: Sequence[int] = TOKEN_LIVES
    ) -> None:
        self._home = home
        self._cluster = cluster
        self._seed = seed
        self._lives = lives
        shared = load_kubeconfig(home.admin_kubeconfig)
        self._shared = RestClient(shared)
        self._own = [
            RestClient(
                replace(shared, server=f"https://{node.ip}:{cluster.port}"),
                timeout=10.0,
                user_agent="chaos",
            )
            for node in cluster.nodes
        ]
        self._records: dict[int, Record] = {}
        self._looks: list[tuple[float, bool]] = []
        self._watchers: list[Watcher] = []
        self._reader: TokenReader | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._watching: list[asyncio.Task[None]] = []
        self._refusals: list[str] = []

    async def start(self) -> None:
        """Make the pods, and begin.

        Raises:
            AssertionError: The cluster does not get ready.
        """
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        await insist(lambda: self._shared.create(NAMESPACES, namespace))
        for node in self._cluster.nodes:
            pod = keeper(node.name, self._lives)
            await insist(lambda pod=pod: self._shared.create(PODS, pod))  # type: ignore[misc]
        await insist(self._pods_run)
        self._reader = TokenReader(await self._token_files(), self._keys())
        started = await ConfigMapRegisters(self._shared, NAMESPACE).current_revision()
        for number, client in enumerate([*self._own, self._shared]):
            log = WatchLog(f"w{number}", started)
            first = number % len(self._own)
            others = self._own[first:] + self._own[:first]
            clients = [client] if client is self._shared else others
            self._watchers.append(Watcher(log, clients, NAMESPACE, KEYS))
        self._watching = [asyncio.create_task(self._heed(one.run())) for one in self._watchers]
        work = [self._heed(self._client(n, c)) for n, c in enumerate([*self._own, self._shared])]
        work += [self._look(), self._reader.run()]
        self._tasks = [asyncio.create_task(one) for one in work]

    async def _client(self, number: int, client: RestClient) -> None:
        registers = ConfigMapRegisters(client, NAMESPACE)
        await RegisterClient(
            registers, KEYS, name=f"c{number}", seed=self._seed, keep=self._keep
        ).run(pause=PAUSE)

    def _keep(self, record: Record) -> None:
        self._records[id(record)] = record

    async def _heed(self, work: Awaitable[None]) -> None:
        try:
            await work
        except Refused as error:
            self._refusals.append(str(error))

    async def _look(self) -> None:
        """Note whether any API server is ready, again and again."""
        probes = [RestClient(client.config, timeout=2.0) for client in self._own]

        async def ready(client: RestClient) -> bool:
            try:
                return await client.read_path("/readyz") == b"ok"
            except (StatusError, ConnectionFailed):
                return False

        while True:
            answers = await asyncio.gather(*(ready(client) for client in probes))
            self._looks.append((SystemClock().now().timestamp(), any(answers)))
            await asyncio.sleep(0.5)

    async def _pods_run(self) -> bool:
        found = await self._shared.list(PODS, NAMESPACE)
        return len(found["items"]) == len(self._cluster.nodes) and all(
            any(
                one["type"] == "Ready" and one["status"] == "True"
                for one in (pod.get("status") or {}).get("conditions", [])
            )
            for pod in found["items"]
        )

    async def _token_files(self) -> list[tuple[str, Path]]:
        found = await self._shared.list(PODS, NAMESPACE)
        return [
            (
                f"{pod['metadata']['name']}/life-{life}",
                self._home.node(pod["spec"]["nodeName"]).kubelet
                / f"pods/{pod['metadata']['uid']}/volumes/kubernetes.io~projected/t/life-{life}",
            )
            for pod in found["items"]
            for life in self._lives
        ]

    def _keys(self) -> KeySet:
        return KeySet(load_public_keys((self._home.pki / "sa.pub").read_bytes()))

    @property
    def acknowledged(self) -> int:
        """How many writes were, so far."""
        return sum(one.acknowledged for one in self._records.values())

    def interim(self) -> list[str]:
        """Return what is wrong so far; cheap."""
        assert self._reader is not None
        return [*self._refusals, *self._reader.torn]

    async def finish(self) -> Findings:
        """Wait until the cluster is whole again, stop, and judge.

        Raises:
            AssertionError: It does not get whole.
        """
        trouble = []
        for client in self._own:
            await insist(lambda client=client: client.read_path("/readyz"))  # type: ignore[misc]
        await insist(self._pods_run)
        await self._cancel(self._tasks)
        await self._read_all()
        await insist(lambda: self._fence("chaos-fence"))
        reached = await ConfigMapRegisters(self._shared, NAMESPACE).current_revision()
        await insist(lambda: self._all_told(reached))
        await self._cancel(self._watching)
        trouble += await self._what_is_left()
        for client in (*self._own, self._shared):
            await client.close()
        return self._judge(trouble)

    async def _fence(self, name: str) -> object:
        obj = {"apiVersion": "v1", "kind": "ConfigMap"}
        return await self._shared.create(
            CONFIG_MAPS, {**obj, "metadata": {"name": name, "namespace": NAMESPACE}}
        )

    async def _all_told(self, reached: int) -> bool:
        return all(one.log.reached >= reached for one in self._watchers)

    async def _cancel(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        self._refusals += [repr(one) for one in done if isinstance(one, Exception)]

    async def _read_all(self) -> None:
        """Read every key from every API server, into the history."""
        for client in self._own:
            registers = ConfigMapRegisters(client, NAMESPACE)
            for key in KEYS:
                record = Record("get", key, time.monotonic())
                found = await registers.get(key)
                record.ended = time.monotonic()
                record.outcome = "missing" if found is None else "found"
                if found is not None:
                    record.revision, record.seen = found.mod_revision, found.value.decode()
                self._keep(record)

    async def _what_is_left(self) -> list[str]:
        """Compare what every API server lists with what watchers were told."""
        trouble = []
        told: dict[str, int] = {}
        for event in self._watchers[0].log.events:
            told.pop(event.key, None)
            if event.kind != "DELETED":
                told[event.key] = event.revision
        for client in self._own:
            found = await client.list(CONFIG_MAPS, NAMESPACE)
            listed = {
                one["metadata"]["name"]: int(one["metadata"]["resourceVersion"])
                for one in found["items"]
                if one["metadata"]["name"] in KEYS
            }
            if listed != told:
                trouble.append(f"{client.config.server} lists {listed}, watchers were told {told}")
        return trouble

    def _judge(self, trouble: list[str]) -> Findings:
        assert self._reader is not None
        records = list(self._records.values())
        logs = [one.log for one in self._watchers]
        reachability = Reachability(self._looks)
        writes = [one for one in records if one.kind in ("create", "update", "delete")]
        relisted = sum(isinstance(one, Listed) for log in logs for one in log.entries)
        return Findings(
            acknowledged=sum(one.acknowledged for one in writes),
            unanswered=sum(one.outcome == "unknown" for one in writes),
            reads=sum(one.outcome in ("found", "missing") for one in records),
            events=sum(len(log.events) for log in logs),
            resumed=sum(log.resumed for log in logs),
            relisted=relisted,
            token_reads=self._reader.reads,
            tokens=self._reader.tokens,
            reachable=reachability.share(self._looks[0][0], self._looks[-1][0]),
            violations=[
                *trouble,
                *self._refusals,
                *problems(records),
                *watch_problems(logs, records),
                # Nobody is away for the five minutes that history is kept; unheard of is unchecked.
                *([f"{relisted} watches were refused as too old"] if relisted else []),
                *(f"torn: {one}" for one in sorted(set(self._reader.torn))),
                *expiry_problems(self._reader.expired, reachability),
            ],
        )
