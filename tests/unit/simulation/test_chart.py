"""`simulation.chart`: a picture that a browser can read."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from podpass.simulation.chart import Panel, draw
from podpass.simulation.run import Traffic
from podpass.simulation.scenario import Name, make_timeline

SVG = "{http://www.w3.org/2000/svg}"


def chart(*, refused: int = 0) -> ET.Element:
    timeline = make_timeline(Name.OUTAGE, pods=1, seconds=4 * 3600)
    traffic = Traffic.of(timeline.end, 1)
    traffic.first_tokens[0] = 600
    traffic.renewals[60] = 5400
    traffic.refused[60] = refused
    panels = [Panel("reference & co", "peak < 90", traffic), Panel("ours", "", traffic)]
    return ET.fromstring(draw("A title", panels, timeline))  # noqa: S314 - it is ours


def texts(root: ET.Element) -> list[str]:
    return [one.text or "" for one in root.iter(f"{SVG}text")]


def test_titles_and_scales_are_written_out() -> None:
    found = texts(chart())
    assert {"A title", "reference & co", "peak < 90", "ours"} <= {*found}
    assert [one for one in found if one.endswith("/s")] == [
        "0/s",
        "20/s",
        "40/s",
        "60/s",
        "80/s",
        "100/s",
    ] * 2
    assert [one for one in found if one.endswith(" h")] == [
        "0 h",
        "0.5 h",
        "1 h",
        "1.5 h",
        "2 h",
        "2.5 h",
        "3 h",
        "3.5 h",
        "4 h",
    ]


def test_a_column_is_as_high_as_its_rate() -> None:
    root = chart()
    [first, renewals, *_] = [one.get("d") or "" for one in root.iter(f"{SVG}path")]
    bottom = float(first.split("H")[0].split()[1])
    assert first.startswith("M70 256H70V239H"), "10 of 100 a second of 170 pixels"
    assert f"V{bottom - 153:g}H" in renewals, "90 of 100 a second"


def test_the_outage_is_a_band_and_refusals_have_their_colour() -> None:
    root = chart()
    bands = [one for one in root.iter(f"{SVG}rect") if one.get("fill") == "#f6d5d1"]
    assert [one.get("width") for one in bands] == ["11", "108.8", "108.8"]
    assert len([*root.iter(f"{SVG}path")]) == 4
    assert len([*chart(refused=60).iter(f"{SVG}path")]) == 6
