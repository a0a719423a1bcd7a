"""The rate of requests over time as a picture: SVG, panels below each other, on one scale.

The scale is that of the time after the start, whose own peak may be cut off and is written beside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from podpass.simulation.run import BIN_SECONDS, Traffic
from podpass.simulation.scenario import SETTLING, Timeline

WIDTH, LEFT, RIGHT = 960, 70, 20
TOP, PANEL, GAP, BOTTOM = 74, 190, 62, 54
_PLOT = WIDTH - LEFT - RIGHT
_FIRST, _RENEWAL, _REFUSED, _OUTAGE = "#9aa5b1", "#1f6fb2", "#c0392b", "#f6d5d1"
_LEGEND = (
    (_RENEWAL, "renewals"),
    (_FIRST, "first tokens of pods"),
    (_REFUSED, "refused: 429"),
    (_OUTAGE, "no API server is reached"),
)
_STEPS = (1, 2, 5)
_HOURS = (0.25, 0.5, 1, 2, 4, 6, 12, 24, 48, 168)
MOST_HOURS = 13
"""Marks that fit below the picture."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One part of the picture.

    Attributes:
        title: Whose requests.
        note: Figures in a line.
        traffic: The requests.
    """

    title: str
    note: str
    traffic: Traffic


def draw(title: str, panels: Sequence[Panel], timeline: Timeline) -> str:
    """Return the picture as an SVG document."""
    start = int(SETTLING) // BIN_SECONDS
    busiest = max(1, *(max(_all(panel.traffic)[start:], default=0) for panel in panels))
    step = _step(busiest / BIN_SECONDS, 4)
    highest = step * (int(busiest / BIN_SECONDS / step) + 1)
    height = TOP + len(panels) * (PANEL + GAP) - GAP + BOTTOM
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" font-family="DejaVu Sans, Verdana, sans-serif" fill="#1c2733">'
    )
    paper = f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>'
    parts = [head, paper, _text(LEFT, 24, title, size=16, weight="bold"), *_legend(46)]
    for index, panel in enumerate(panels):
        top = TOP + 12 + index * (PANEL + GAP)
        parts += _panel(panel, timeline, top, step, highest)
    parts += _hours(timeline.end, height - BOTTOM + 26)
    return "\n".join([*parts, "</svg>\n"])


def _panel(panel: Panel, timeline: Timeline, top: int, step: float, highest: float) -> list[str]:
    traffic, bottom = panel.traffic, top + PANEL - 20
    scale = (bottom - top) / highest / BIN_SECONDS
    parts = [
        _text(LEFT, top - 8, panel.title, weight="bold"),
        _text(WIDTH - RIGHT, top - 8, panel.note, anchor="end"),
    ]
    if timeline.outage is not None:
        begin, end = (LEFT + _PLOT * moment / timeline.end for moment in timeline.outage)
        parts.append(
            f'<rect x="{begin:.1f}" y="{top}" width="{end - begin:.1f}" height="{bottom - top}" '
            f'fill="{_OUTAGE}"/>'
        )
    for index in range(int(highest / step) + 1):
        y = bottom - index * step * BIN_SECONDS * scale
        parts += [
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dfe4ea"/>',
            _text(LEFT - 8, y + 4, f"{index * step:g}/s", anchor="end"),
        ]
    everything = _all(traffic)
    for counts, colour in (
        (everything, _FIRST),
        (traffic.renewals, _RENEWAL),
        (traffic.refused, _REFUSED),
    ):
        if any(counts):
            shown = [min(count, int(highest * BIN_SECONDS)) for count in counts]
            parts.append(f'<path d="{_area(shown, bottom, scale)}" fill="{colour}"/>')
    if max(everything) > highest * BIN_SECONDS:
        rate = f"start: {max(everything) / BIN_SECONDS:,.0f}/s"
        if any(traffic.refused):
            rate += f", of which {max(traffic.refused) / BIN_SECONDS:,.0f}/s are refused"
        parts.append(_text(LEFT + 6, top + 12, rate))
    parts.append(
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}" stroke="#52606d"/>'
    )
    return parts


def _all(traffic: Traffic) -> list[int]:
    return [a + b for a, b in zip(traffic.first_tokens, traffic.renewals, strict=True)]


def _area(counts: Sequence[int], bottom: float, scale: float) -> str:
    """Return the outline of the counts: a column of one pixel shows its highest minute."""
    columns = [0] * min(_PLOT, len(counts))
    for index, count in enumerate(counts):
        column = index * len(columns) // len(counts)
        columns[column] = max(columns[column], count)
    width = _PLOT / len(columns)
    path = [f"M{LEFT} {bottom}"]
    former = 0
    for index, count in enumerate([*columns, 0]):
        if count != former:
            path.append(f"H{LEFT + index * width:.5g}V{bottom - count * scale:.5g}")
            former = count
    return "".join([*path, f"H{WIDTH - RIGHT}V{bottom}Z"])


def _hours(seconds: float, y: float) -> list[str]:
    hours = seconds / 3600
    step = next((one for one in _HOURS if hours / one <= MOST_HOURS), hours)
    parts = [
        _text(LEFT + _PLOT * index * step / hours, y - 22, f"{index * step:g} h", anchor="middle")
        for index in range(int(hours / step) + 1)
    ]
    return [*parts, _text(LEFT + _PLOT / 2, y, "time since the start", anchor="middle")]


def _legend(y: float) -> list[str]:
    parts, x = [], float(LEFT)
    for colour, text in _LEGEND:
        parts.append(f'<rect x="{x:g}" y="{y - 10}" width="11" height="11" fill="{colour}"/>')
        parts.append(_text(x + 16, y, text))
        x += 40 + 7 * len(text)
    return [*parts, _text(WIDTH - RIGHT, y, "requests a second, mean of each minute", anchor="end")]


def _step(highest: float, count: int) -> float:
    """Return a round distance of ticks, so that there are about `count` of them."""
    size = 1e-3
    while True:
        for factor in _STEPS:
            if highest / (size * factor) <= count * 1.3:
                return size * factor
        size *= 10


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", size: int = 12, weight: str = "normal"
) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="{size}" '
        f'font-weight="{weight}">{escape(text)}</text>'
    )
