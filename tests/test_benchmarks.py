"""The benchmark's command runs, and times nothing that is not the same."""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from benchmarks import cores, machine, photo, planner, readme, row, tables, timing
from benchmarks.batches import same_files
from benchmarks.checks import right_at_spots, same_jpegs, within_largest, within_levels
from benchmarks.cores import Core
from benchmarks.layers import MEAN
from benchmarks.peers import magick
from benchmarks.photo import MAX_KEPT_BYTES, Workplace, photograph
from benchmarks.planned import FILTERS, LAYERS
from benchmarks.planner import Candidate
from benchmarks.row import AMD_AVX2, AVX2, AVX512, FULL, QUICK, Row, Target, by_units
from benchmarks.rows import all_rows
from benchmarks.runner import blank, measure_apart, measure_here, with_means
from benchmarks.tables import cells, markdown
from benchmarks.timing import Contest, Effort, Gauge, Measure, MissingError, Verdict
from PIL import Image

from convcli import filter2d

ROOT = Path(__file__).parent.parent
CORE = Core("SkylakeX", AVX512)
ONCE = Effort(runs=3, seconds=0.0)
KEYS = (
    "row peer core check checked ratio minimum_ratio ours_seconds peer_seconds value unit runs "
    "spread target aim"
)


@pytest.mark.parametrize(
    "module",
    [cores, machine, photo, planner, readme, row, tables, timing],
    ids=lambda module: module.__name__,
)
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
    document = json.loads(done.stdout)
    (row,) = document["measures"]
    assert sorted(document) == ["cores", "is_quick", "load", "machine", "measures", "version"]
    assert document["machine"]["processor"]
    assert document["cores"][0]["coretype"] == ""
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
    row = Row("fake", "nobody", lambda _: entry, is_command=True)
    found = measure_here(row, Workplace(tmp_path), ONCE, threads=64)
    assert calls == (["ours"] if is_gauge else ["ours", "theirs"])
    assert found == {"check": "failed", "checked": "not the same"}
    assert "failed" in cells(Measure("fake", "nobody", **found))


def test_a_row_without_its_peer_is_skipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("benchmarks.runner.peer_version", lambda _: None)
    row = Row("fake", "nobody", lambda _: pytest.fail("it was prepared"), needs="cv2")
    assert measure_apart(row, CORE, 0, 1, []).check == "skipped"

    def prepare(_: Workplace) -> Contest:
        raise MissingError("no room")

    row = Row("fake", "nobody", prepare, is_command=True)
    assert measure_here(row, Workplace(tmp_path), ONCE, threads=64) == {"checked": "no room"}


def test_one_run_is_that_of_the_check() -> None:
    calls: list[str] = []
    contest = Contest(counted(calls, "ours"), counted(calls, "theirs"), agree)
    assert contest.measure(Effort(runs=5, seconds=1.0, most_runs=1))["runs"] == 1
    assert calls == ["ours", "theirs"]


def test_a_target_depends_on_the_core() -> None:
    targets = by_units(1.65, 1.85, 1.5, amd=Target(1.3, 1.2))
    row = Row("fake", "", lambda _: pytest.fail("prepared"), targets=targets, on_each_core=True)
    found = {units: blank(row, Core("name", units)) for units in (AVX512, AVX2, AMD_AVX2)}
    assert [one.target for one in found.values()] == [1.65, 1.85, 1.3]
    assert [one.aim for one in found.values()] == [1.5, 1.5, 1.2]
    assert {one.core for one in found.values()} == {"name"}
    assert blank(replace(row, on_each_core=False, targets={}), CORE) == Measure("fake", "")


def test_the_mean_of_the_layers_needs_all_of_them() -> None:
    names = [row.name for row in all_rows(FULL, "conv2d float32")]
    good = [
        Measure(
            name,
            "torch",
            CORE.name,
            "passed",
            ratio=ratio,
            minimum_ratio=1.0,
            runs=5,
            spread=[1, 2],
        )
        for name, ratio in zip(names, (0.5, 1.0, 2.0, 4.0), strict=True)
    ]
    other = [replace(measure, core="Haswell") for measure in good]
    assert with_means(good, [CORE])[-1].ratio == pytest.approx(2**0.5)
    assert with_means(good[1:], [CORE]) == good[1:]
    both = with_means([*good, *other], [CORE, Core("Haswell", AVX2)])
    assert [measure.core for measure in both] == [CORE.name] * 5 + ["Haswell"] * 5
    assert [measure.target for measure in both if measure.row == MEAN] == [0.65, 0.9]
    bad = Measure(names[0], "torch", CORE.name, "failed", "not the same")
    mean = with_means([bad, *good[1:]], [CORE])[-1]
    assert (mean.check, mean.ratio) == ("failed", None)


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


def test_jpegs_are_of_one_quality_and_sampling(tmp_path: Path) -> None:
    image = Image.new("RGB", (64, 48), "gray")  # which survives any quality
    for name, quality, subsampling in (("a", 90, 0), ("b", 90, 0), ("c", 80, 0), ("d", 90, 2)):
        image.save(tmp_path / f"{name}.jpg", quality=quality, subsampling=subsampling)
    Image.fromarray(photograph(48, 64)).save(tmp_path / "e.jpg", quality=90, subsampling=0)
    same = [same_jpegs(tmp_path / "a.jpg", tmp_path / f"{name}.jpg").passed for name in "bcde"]
    assert same == [True, False, False, False]


def test_batches_write_the_same_files(tmp_path: Path) -> None:
    made = {}
    for folder, shades in {
        "ours": (0, 0),
        "theirs": (0, 0),
        "wrong": (9, 9),
        "cut": (0, 0),
    }.items():
        (tmp_path / folder).mkdir()
        paths = [tmp_path / folder / f"{number}.png" for number in range(2)]
        for path, shade in zip(paths, shades, strict=True):
            Image.fromarray(np.full((8, 9, 3), shade, np.uint8)).save(path)
        made[folder] = paths
    made["cut"][1].write_bytes(b"")
    ours = made["ours"]
    assert same_files(ours, made["theirs"]).passed
    for other in (made["wrong"], made["cut"], made["theirs"][:1]):
        assert not same_files(ours, other).passed
    assert not same_files([], []).passed


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


def test_only_small_files_are_kept_for_other_rows(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "small").touch()
    with (tmp_path / "large").open("wb") as stream:
        stream.truncate(MAX_KEPT_BYTES + 1)  # zeros, which take no disk
    Workplace(tmp_path).drop_large_files()
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "small"}


def test_every_row_has_a_name_of_its_own() -> None:
    for profile in (QUICK, FULL):
        rows = all_rows(profile)
        assert len({(row.name, row.peer) for row in rows}) == len(rows)
        assert any(row.is_extra for row in rows) == profile.is_full
    assert [row.name for row in all_rows(FULL, "GRID")] == [
        "peak memory, grid of 4 GiB, gaussian-5x5"
    ]


def test_a_table_for_a_readme_has_a_line_for_each_row() -> None:
    lines = markdown([Measure("a", "b", "c", "passed", ratio=0.5, runs=5, spread=[0.4, 0.6])])
    assert lines.splitlines()[2] == "| a | b | c | 0.5 | 0.4 to 0.6 |  |"


def sleeper(name: str, seconds: float, preference: float = 1.0) -> Candidate:
    return Candidate(name, seconds, lambda: None, preference)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every candidate takes its estimate."""
    monkeypatch.setattr(planner, "time_runs", lambda candidate, _: candidate.estimated_s)


@pytest.mark.usefixtures("clock")
def test_a_pick_is_held_to_the_fastest_candidate() -> None:
    made = [sleeper("slow", 9.0), sleeper("picked", 3.0), sleeper("fast", 2.0)]
    pick = planner.measure_pick("work", made, "picked", rounds=3)
    assert (pick.picked.name, pick.best.name, pick.ratio) == ("picked", "fast", 1.5)
    assert [timing.measured_s for timing in pick.timings] == [9.0, 3.0, 2.0]
    # Exact sums may take longer, by what the planner prefers them.
    made[1] = sleeper("picked", 3.0, preference=0.5)
    assert planner.measure_pick("work", made, "picked", rounds=3).ratio == 1.0


@pytest.mark.usefixtures("clock")
def test_picks_beyond_a_limit_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(planner, "hold_to", lambda _: None)
    monkeypatch.setattr(planner, "LAYERS", ())
    monkeypatch.setattr(planner, "FILTERS", FILTERS[:2])
    made = [sleeper("picked", 1.25), sleeper("fast", 1.0)]
    monkeypatch.setattr(planner, "prepare_filter", lambda _: (made, "picked"))
    assert planner.show_picks() == 1  # 25 % on the mean
    assert "2 picks: 1.25 times the fastest" in capsys.readouterr().out
    made[1] = sleeper("fast", 1.2)
    assert planner.show_picks(as_json=True) == 0
    (first, _) = json.loads(capsys.readouterr().out)
    assert (first["picked"], first["best"], len(first["candidates"])) == ("picked", "fast", 2)


def test_the_planner_is_asked_for_30_filters_and_15_layers() -> None:
    names = {work.name for work in FILTERS} | {work.name for work in LAYERS}
    assert (len(FILTERS), len(LAYERS)) == (30, 15)
    assert len(names) == 45
    types = {np.dtype(work.dtype).name for work in FILTERS}
    assert types == {"uint8", "uint16", "float32", "float64"}
    assert {work.shape[2] for work in FILTERS} == {1, 3, 4}


def test_candidates_of_filters_and_layers_run() -> None:
    filters = [replace(work, shape=(20, 30, work.shape[2])) for work in FILTERS[::7]]
    layers = [replace(work, shape=(1, 4, 12, 13)) for work in LAYERS[-2:]]
    for made, picked in (
        *map(planner.prepare_filter, filters),
        *map(planner.prepare_layer, layers),
    ):
        assert picked in [candidate.name for candidate in made]
        for candidate in made:
            candidate.run()
            assert candidate.estimated_s > 0


def test_each_layout_of_im2col_is_a_candidate() -> None:
    made, _ = planner.prepare_filter(replace(FILTERS[0], shape=(20, 30, 3)))
    assert [one.name for one in made[:2]] == [
        "im2col: 9 taps, in bands",
        "im2col: 9 taps, tap by tap",
    ]
    made, _ = planner.prepare_layer(replace(LAYERS[1], shape=(1, 4, 12, 13)))
    assert [one.name for one in made[:3]] == [
        "im2col, by windows", "im2col, by rows", "winograd, 2x2 outputs at a time"
    ]  # fmt: skip
