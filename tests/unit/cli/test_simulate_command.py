"""`podpass simulate`, as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from podpass.cli import simulate
from podpass.cli.simulate import command

SMALL = ["--nodes", "4", "--pods", "400", "--hours", "4"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, [*SMALL, *arguments])


def test_both_rules_are_simulated_and_written_down(tmp_path: Path) -> None:
    svg, figures = tmp_path / "c.svg", tmp_path / "f.json"
    result = run("--output", str(svg), "--json", str(figures))
    assert result.exit_code == 0, result.output
    assert result.output.count("after the start:") == 2
    found = json.loads(figures.read_text())
    assert (found["nodes"], found["pods"], found["scenario"]) == (4, 400, "start")
    assert found["rules"]["reference"]["phases"][0]["peak_to_average"] > 10
    ours = found["rules"]["podpass"]["phases"][0]
    assert ours["lowest_left"] > 0.15
    assert "TokenRequests of 400 pods on 4 nodes: start" in svg.read_text()
    assert svg.read_text().count("<path") >= 4


def test_a_png_is_one(tmp_path: Path) -> None:
    picture = tmp_path / "c.png"
    result = run("--jitter", "podpass", "--scenario", "outage", "--output", str(picture))
    assert result.exit_code == 0, result.output
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "recovery:" in result.output


def test_many_pods_are_simulated_in_processes_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone = run("--seed", "3").output
    monkeypatch.setattr(simulate, "MANY_PODS", 400)
    assert run("--seed", "3").output == alone
    assert run("--seed", "4").output != alone


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--output", "chart.jpg"], "--output must end in .svg or .png", id="jpg"),
        pytest.param(["--scenario", "outage", "--hours", "1"], "too short", id="too short"),
        pytest.param(["--pods", "0"], "--pods", id="no pods"),
    ],
)
def test_wrong_usage_is_refused(arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.output
