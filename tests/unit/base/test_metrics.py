"""`base.metrics`: what is counted, and how it is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from podpass.base.metrics import Registry
from podpass.base.process_metrics import add_process_metrics


def test_a_counter_without_labels_is_shown_before_it_counts() -> None:
    registry = Registry()
    counter = registry.counter("things_total", "Things.")
    assert (
        registry.render()
        == "# HELP things_total Things.\n# TYPE things_total counter\nthings_total 0\n"
    )
    counter.inc()
    counter.inc(by=0.5)
    assert "things_total 1.5\n" in registry.render()


def test_labels_are_escaped_and_sorted() -> None:
    registry = Registry()
    counter = registry.counter("x_total", "X.", "a", "b")
    counter.inc("2", 'say "hi"\n\\')
    counter.inc("1", "")
    assert registry.render().splitlines()[2:] == [
        'x_total{a="1",b=""} 1',
        'x_total{a="2",b="say \\"hi\\"\\n\\\\"} 1',
    ]
    assert counter.value("1", "") == 1
    assert counter.value("1", "?") == 0


def test_a_gauge_goes_both_ways() -> None:
    registry = Registry()
    gauge = registry.gauge("level", "Level.")
    gauge.set(3.25)
    gauge.add(-1)
    assert "level 2.25\n" in registry.render()


@pytest.mark.parametrize(
    ("value", "counts"),
    [
        pytest.param(0.1, [1, 1, 1], id="on the bound counts below it"),
        pytest.param(0.1001, [0, 1, 1], id="above the bound counts for the next"),
        pytest.param(2.0, [0, 0, 1], id="above all bounds is infinite"),
    ],
)
def test_a_histogram_counts_cumulatively(value: float, counts: list[int]) -> None:
    registry = Registry()
    histogram = registry.histogram("s", "S.", "l", buckets=(0.1, 1.0))
    histogram.observe(value, "v")
    lines = registry.render().splitlines()[2:]
    bounds = ["0.1", "1.0", "+Inf"]
    assert lines[:3] == [
        f's_bucket{{l="v",le="{bound}"}} {count}'
        for bound, count in zip(bounds, counts, strict=True)
    ]
    assert lines[3:] == [f's_sum{{l="v"}} {value:.6f}', 's_count{l="v"} 1']
    assert histogram.count("v") == 1
    assert histogram.count("w") == 0


def test_families_are_sorted_and_a_name_is_taken_once() -> None:
    registry = Registry()
    registry.gauge("b", "B.")
    registry.gauge("a", "A.")
    assert registry.render().index("# TYPE a ") < registry.render().index("# TYPE b ")
    with pytest.raises(ValueError, match="a is there already"):
        registry.counter("a", "A.")


def test_gauges_can_be_set_when_somebody_asks() -> None:
    registry = Registry()
    gauge = registry.gauge("asked", "Asked.")
    registry.before_render(lambda: gauge.add(1))
    assert "asked 1\n" in registry.render()
    assert "asked 2\n" in registry.render()


def test_the_process_shows_itself() -> None:
    registry = Registry()
    add_process_metrics(registry)
    shown = dict(
        line.split(" ") for line in registry.render().splitlines() if not line.startswith("#")
    )
    assert float(shown["process_resident_memory_bytes"]) > 1e6
    assert float(shown["process_virtual_memory_bytes"]) > 1e6
    assert float(shown["process_cpu_seconds_total"]) > 0
    assert 0 < float(shown["process_open_fds"]) <= float(shown["process_max_fds"])
    age = float(Path("/proc/uptime").read_text().split()[0])
    assert float(shown["process_start_time_seconds"]) > age


def test_without_proc_nothing_is_shown(tmp_path: Path) -> None:
    registry = Registry()
    add_process_metrics(registry, tmp_path)
    assert registry.render() == "\n"
