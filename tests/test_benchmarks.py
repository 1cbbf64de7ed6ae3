"""The benchmark's command runs, and times nothing that is not the same."""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from benchmarks import photo, planner, tables, timing
from benchmarks.checks import right_at_spots, within_largest, within_levels
from benchmarks.peers import magick
from benchmarks.photo import Workplace, photograph
from benchmarks.row import FULL, QUICK, Row
from benchmarks.rows import all_rows
from benchmarks.runner import measure_apart, measure_here, with_mean
from benchmarks.tables import cells, markdown
from benchmarks.timing import Contest, Effort, Gauge, Measure, MissingError, Verdict

from convcli import filter2d

ROOT = Path(__file__).parent.parent
ONCE = Effort(runs=3, seconds=0.0)
KEYS = (
    "row peer check checked ratio minimum_ratio ours_seconds peer_seconds value unit runs spread "
    "target aim"
)


@pytest.mark.parametrize("module", [photo, tables, timing], ids=lambda module: module.__name__)
def test_examples(module: ModuleType) -> None:
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed


def agree(*_: Any) -> Verdict:
    return Verdict(passed=True, words="the same")


def differ(*_: Any) -> Verdict:
    return Verdict(passed=False, words="not the same")


def counted(calls: list[str], name: str) -> Callable[[], None]:
    return lambda: calls.append(name)


def test_the_command_prints_rows_that_were_checked() -> None:
    done = subprocess.run(
        [sys.executable, "tests/benchmarks", "--quick", "--only", "shape", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    (row,) = json.loads(done.stdout)
    assert sorted(row) == sorted(KEYS.split())
    assert row["row"].startswith("convcli shape")
    assert row["check"] == "passed"
    assert row["runs"] >= QUICK.runs
    assert min(row["ratio"], row["minimum_ratio"], row["ours_seconds"], row["peer_seconds"]) > 0
    assert row["spread"] == sorted(row["spread"])
    assert row["spread"][0] <= row["ratio"] <= row["spread"][1]


def test_both_sides_are_timed_in_turn() -> None:
    calls: list[str] = []
    found = Contest(counted(calls, "ours"), counted(calls, "theirs"), agree).measure(ONCE)
    assert calls == ["ours", "theirs"] * (1 + ONCE.runs)  # the first for the check
    assert found["check"] == "passed"
    assert found["runs"] == ONCE.runs


def test_a_ratio_is_ours_by_the_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [(1.0, 2.0), (3.0, 2.0), (1.0, 4.0)]
    monkeypatch.setattr("benchmarks.timing.interleave", lambda *_: pairs)
    assert Contest(agree, agree, agree).measure(ONCE) == {
        "check": "passed",
        "checked": "the same",
        "ratio": 0.5,
        "minimum_ratio": 0.5,
        "ours_seconds": 1.0,
        "peer_seconds": 2.0,
        "runs": 3,
        "spread": [0.375, 1.0],
    }


@pytest.mark.parametrize("is_gauge", [False, True])
def test_a_row_whose_check_fails_is_not_timed(tmp_path: Path, *, is_gauge: bool) -> None:
    calls: list[str] = []
    ours, theirs = counted(calls, "ours"), counted(calls, "theirs")
    entry = Gauge(ours, differ, "s") if is_gauge else Contest(ours, theirs, differ)
    row = Row("fake", "nobody", lambda _: entry, at_most=1.0, is_command=True)
    measure = measure_here(row, Workplace(tmp_path), ONCE, threads=64)
    assert calls == (["ours"] if is_gauge else ["ours", "theirs"])
    assert measure == Measure("fake", "nobody", "failed", "not the same", target=1.0)
    assert "failed" in cells(measure)


def test_a_row_without_its_peer_is_skipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("benchmarks.runner.peer_version", lambda _: None)
    row = Row("fake", "nobody", lambda _: pytest.fail("it was prepared"), needs="cv2")
    assert measure_apart(row, 0, 1, []).check == "skipped"

    def prepare(_: Workplace) -> Contest:
        raise MissingError("no room")

    row = Row("fake", "nobody", prepare, is_command=True)
    assert measure_here(row, Workplace(tmp_path), ONCE, threads=64).checked == "no room"


def test_the_mean_of_the_layers_needs_all_of_them() -> None:
    names = [row.name for row in all_rows(FULL, "conv2d float32")]
    good = [
        Measure(name, "torch", "passed", ratio=ratio, minimum_ratio=1.0, runs=5, spread=[1, 2])
        for name, ratio in zip(names, (0.5, 1.0, 2.0, 4.0), strict=True)
    ]
    assert with_mean(good)[-1].ratio == pytest.approx(2**0.5)
    assert with_mean(good[1:]) == good[1:]
    bad = Measure(names[0], "torch", "failed", "not the same")
    assert (with_mean([bad, *good[1:]])[-1].check, with_mean([bad, *good[1:]])[-1].ratio) == (
        "failed",
        None,
    )


def test_a_check_allows_what_it_says_and_no_more() -> None:
    one = np.full((100, 100), 7, np.uint8)
    other = one.copy()
    other[0, 0] = 9
    assert within_levels(2)(one, other).passed
    assert not within_levels(1)(one, other).passed
    assert within_levels(1, share=2e-4)(one, other).passed
    assert not within_levels(1)(one, other.astype(np.int16)).passed
    assert not within_levels(1)(one, one[1:]).passed
    large = np.array([[1e5, 0], [1e5, 1], [1e5, 2]], np.float32)
    assert within_largest(large[0], large[1]).passed
    assert not within_largest(large[0], large[2]).passed


def test_spots_find_a_kernel_that_is_turned() -> None:
    image, kernel = photograph(60, 80), np.arange(12.0).reshape(3, 4) / 66
    assert right_at_spots(image, kernel, filter2d(image, kernel)).passed
    assert not right_at_spots(image, kernel, filter2d(image, kernel, flip=True)).passed


def test_only_imagemagick_itself_is_taken_for_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for folder, prints in (("first", "another convert"), ("second", "Version: ImageMagick 7")):
        (tmp_path / folder).mkdir()
        program = tmp_path / folder / "convert"
        program.write_text(f"#!/bin/sh\necho '{prints}'\n")
        program.chmod(0o755)
    magick.cache_clear()
    monkeypatch.setenv("PATH", f"{tmp_path / 'first'}:{tmp_path / 'second'}")
    found = magick()
    magick.cache_clear()
    assert found == str(tmp_path / "second" / "convert")


def test_every_row_has_a_name_of_its_own() -> None:
    for profile in (QUICK, FULL):
        rows = all_rows(profile)
        assert len({(row.name, row.peer) for row in rows}) == len(rows)
    assert [row.name for row in all_rows(FULL, "GRID")] == [
        "peak memory, grid of 4 GiB, gaussian-5x5"
    ]


def test_a_table_for_a_readme_has_a_line_for_each_row() -> None:
    lines = markdown([Measure("a", "b", "passed", ratio=0.5, runs=5, spread=[0.4, 0.6])])
    assert lines.splitlines()[2] == "| a | b | 0.5 | 0.4 to 0.6 |  |"


def test_the_planner_is_held_to_all_candidates() -> None:
    once = Effort(runs=1, seconds=0.0)
    for pick in (
        planner.measure_filter("gaussian:2", once, size=(60, 80)),
        planner.measure_layer("(1,64,28²) to 64, 3x3", once),
    ):
        assert 0 < pick.best_s <= pick.picked_s
        assert pick.ratio == pick.picked_s / pick.best_s
        assert 1e-6 < pick.estimated_s < 1
