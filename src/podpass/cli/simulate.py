"""`podpass simulate`: what the renewal of tokens asks of the API servers of a large cluster."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click

from podpass.base.tasks import repeatable_chance
from podpass.kubelet.settings import KubeletSettings
from podpass.simulation.capacity import ApiServers, Capacity
from podpass.simulation.chart import Panel, draw
from podpass.simulation.figures import Figures, figures_of
from podpass.simulation.kubelets import Kubelets, PodpassKubelets
from podpass.simulation.reference_kubelets import ReferenceKubelets
from podpass.simulation.run import Simulation, Traffic
from podpass.simulation.scenario import Name, Timeline, make_timeline, pod_starts

TITLES = {
    "reference": "Kubernetes: 80 % of the life, 10 s of jitter",
    "podpass": "podpass: 80 % of the life, each token in its slot",
}
MEASURED_RATE = 2000
"""TokenRequests a second of three API servers on two cores, from `make bench`."""
MANY_PODS = 20_000
"""From here on a process of its own for each rule is worth its start."""
_FILE = click.Path(dir_okay=False, writable=True, path_type=Path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked for."""

    nodes: int
    pods: int
    hours: float
    scenario: str
    token_seconds: int
    rate: float
    queue: int
    seed: int

    def timeline(self) -> Timeline:
        """Return what happens.

        Raises:
            ValueError: It does not fit into the time.
        """
        return make_timeline(Name(self.scenario), pods=self.pods, seconds=self.hours * 3600)


@click.command()
@click.option("--nodes", type=click.IntRange(1, 10_000), default=1000, show_default=True,
              help="Kubelets.")  # fmt: skip
@click.option("--pods", type=click.IntRange(1, 1_000_000), default=100_000, show_default=True,
              help="Pods of all nodes, with a token each.")  # fmt: skip
@click.option("--hours", type=click.FloatRange(0.5, 1000), default=24.0, show_default=True,
              help="Simulated time.")  # fmt: skip
@click.option("--jitter", type=click.Choice(["reference", "podpass", "both"]), default="both",
              show_default=True, help="Whose rule of refreshes.")  # fmt: skip
@click.option("--scenario", type=click.Choice([name.value for name in Name]), default="start",
              show_default=True, help="All pods started at once; in the middle nothing, 30 "
              "minutes without API servers, or all pods made anew.")  # fmt: skip
@click.option("--token-seconds", type=click.IntRange(600, 2**32), default=3607, show_default=True,
              help="Life of a token.")  # fmt: skip
@click.option("--rate", type=click.FloatRange(min=1), default=MEASURED_RATE, show_default=True,
              help="TokenRequests a second that the API servers answer.")  # fmt: skip
@click.option("--queue", type=click.IntRange(min=0), default=600, show_default=True,
              help="Requests that may wait; the next gets 429.")  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True,
              help="The same seed gives the same figures.")  # fmt: skip
@click.option("--output", type=_FILE, help="Chart: FILE.svg, or FILE.png (needs podpass[chart]).")
@click.option("--json", "json_file", type=_FILE, help="Write the figures here.")
def command(jitter: str, output: Path | None, json_file: Path | None, **options: Any) -> None:
    """Simulate the token requests of a large cluster.

    Hollow kubelets decide with the real token manager's rules on a clock of their own; the API
    servers are a queue. Needs no cluster. docs/simulation.md shows what comes out.
    """
    if output is not None and output.suffix not in (".svg", ".png"):
        raise click.UsageError("--output must end in .svg or .png")
    rules = ["reference", "podpass"] if jitter == "both" else [jitter]
    request = Request(**options)
    try:
        timeline = request.timeline()
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    found: dict[str, Figures] = {}
    panels = []
    for rule, traffic in zip(rules, _all(rules, request), strict=True):
        figures = found[rule] = figures_of(traffic, timeline.phases)
        panels.append(Panel(TITLES[rule], _note(figures), traffic))
        for line in _lines(TITLES[rule], figures):
            click.echo(line)
    if json_file is not None:
        rows = {rule: figures.as_json() for rule, figures in found.items()}
        json_file.write_text(json.dumps(asdict(request) | {"rules": rows}, indent=2) + "\n")
    if output is not None:
        title = f"TokenRequests of {request.pods:,} pods on {request.nodes:,} nodes"
        _write(output, draw(f"{title}: {request.scenario}", panels, timeline))


def _all(rules: list[str], request: Request) -> Iterator[Traffic]:
    if len(rules) == 1 or request.pods < MANY_PODS:
        for rule in rules:
            yield simulate(rule, request)
        return
    with ProcessPoolExecutor(len(rules), mp_context=get_context("spawn")) as processes:
        yield from processes.map(simulate, rules, [request] * len(rules))


def simulate(rule: str, request: Request) -> Traffic:
    """Run one simulation.

    Args:
        rule: `reference` or `podpass`.
        request: What is simulated.
    """
    choose = repeatable_chance(request.seed)
    timeline = request.timeline()
    starts = pod_starts(timeline, request.pods, choose)
    kubelets = _kubelets(rule, request.pods, request.token_seconds, choose)
    api = ApiServers(Capacity(request.rate, request.queue), timeline.outage)
    return Simulation(
        kubelets, api, starts, timeline.end, request.token_seconds, request.nodes
    ).run()


def _kubelets(rule: str, pods: int, life: int, choose: Callable[[], float]) -> Kubelets:
    if rule == "reference":
        return ReferenceKubelets(pods, life, choose)
    nowhere = Path()
    settings = KubeletSettings(
        "hollow", "127.0.0.1", nowhere, nowhere, nowhere, nowhere, nowhere
    )  # fmt: skip
    return PodpassKubelets(pods, life, choose, settings)


def _lines(title: str, figures: Figures) -> list[str]:
    waited = f"{figures.longest_wait:.1f} s"
    seen = (
        f"{figures.renewals:,} renewals, {figures.refused:,} requests refused, "
        f"{figures.unreachable:,} attempts without API server, {figures.expired:,} tokens expired"
    )
    phases = [
        f"  {phase.name + ':':17} peak {phase.peak:8.2f}/s, average {phase.average:8.2f}/s, "
        f"ratio {phase.peak_to_average:5.2f}; least life left {phase.lowest_left:7.2%}"
        for phase in figures.phases
    ]
    first = f"  {figures.first_tokens:,} requests for first tokens; a pod waited up to {waited}"
    return [title, first, f"  {seen}", *phases]


def _note(figures: Figures) -> str:
    phase = figures.phases[0]
    return (
        f"renewals {phase.name}: peak {phase.peak:,.0f}/s, average {phase.average:,.0f}/s, "
        f"ratio {phase.peak_to_average:.1f}"
    )


def _write(path: Path, svg: str) -> None:
    if path.suffix == ".svg":
        path.write_text(svg)
        return
    try:
        import resvg_py  # noqa: PLC0415 - an extra, and seldom wanted
    except ImportError:
        raise click.ClickException(
            "a PNG needs the extra `chart`: pip install 'podpass[chart]'; or write an .svg"
        ) from None
    path.write_bytes(
        resvg_py.svg_to_bytes(svg_string=svg, sans_serif_family="DejaVu Sans", zoom=1.5)
    )
