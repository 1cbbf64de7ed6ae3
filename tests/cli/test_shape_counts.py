"""`shape --counts`: how often each pixel of an input is used, in every format."""

from __future__ import annotations

import csv
import json
import re
import tempfile
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from support.command import Finished, here

from convcli.arithmetic.counts import count_uses
from convcli.arithmetic.layers import measure
from convcli.arithmetic.notation import parse_layer
from convcli.cli.counts import _format_runs
from convcli.pictures.counts_figure import _average

ROOT = Path(tempfile.gettempdir())


def counts(*options: str) -> Finished:
    done = here("shape", "--counts", *options, cwd=ROOT)
    assert (done.code, done.stderr) == (0, ""), done.stderr
    return done


def refused(*options: str) -> str:
    done = here("shape", *options, cwd=ROOT)
    assert (done.code, done.stdout) == (2, b"")
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_the_corner_of_a_grid_is_used_once_and_its_middle_nine_times() -> None:
    title, summary, _, *rows = counts("--h", "5", "--k", "3").text.splitlines()
    assert title == "conv 3x3, stride 1, padding 0:"
    assert summary == "each pixel of 5x5 is used 1 to 9 times"
    assert rows == ["1 2 3 2 1", "2 4 6 4 2", "3 6 9 6 3", "2 4 6 4 2", "1 2 3 2 1"]


def test_pixels_that_no_window_reaches_are_told() -> None:
    assert "0 to 1 times, 9 of 25 never" in counts("--h", "5", "--k", "2", "--s", "3").text
    assert "used 1 time\n" in counts("--h", "4", "--pool", "max:2").text


def test_json_adds_the_counts_to_the_layer_and_csv_has_them_alone() -> None:
    options = ("--h", "6", "--w", "7", "--k", "3", "--s", "2", "--p", "1")
    document = json.loads(counts(*options, "--json").text)
    plain = json.loads(here("shape", *options, "--json", cwd=ROOT).text)
    assert plain.items() <= document.items()
    assert document["counts"] == np.outer(document["rows"], document["columns"]).tolist()
    assert np.shape(document["counts"]) == (6, 7)
    rows = csv.reader(counts(*options, "--format", "csv").text.splitlines())
    assert [[int(cell) for cell in row] for row in rows] == document["counts"]


def test_a_sweep_has_the_counts_of_every_layer() -> None:
    documents = json.loads(counts("--h", "5", "--k", "1,3", "--json").text)
    assert [document["kernel"] for document in documents] == [[1, 1], [3, 3]]
    assert [np.max(document["counts"]) for document in documents] == [1, 9]
    assert counts("--h", "5", "--k", "1,3").text.count("each pixel of 5x5 is used") == 2


def expand(runs: str) -> list[int]:
    """Read runs back: `2, 3 x 1, 2 x (4, 3), 5..9`."""
    numbers: list[int] = []
    part = r"(?:(\d+) x )?(?:\(([^)]*)\)|(\d+)(?:\.\.(\d+))?)"
    for times, pattern, first, last in re.findall(part, runs):
        ends = int(first or 0), int(last or first or 0)
        step = 1 if ends[1] >= ends[0] else -1
        inner = expand(pattern) if pattern else [*range(ends[0], ends[1] + step, step)]
        numbers += inner * int(times or 1)
    return numbers


@settings(max_examples=40)
@given(st.lists(st.integers(0, 2), min_size=1), st.integers(1, 30))
@example([*range(12), *range(12, 0, -1)], 2)
def test_runs_read_back_as_the_numbers(pattern: list[int], times: int) -> None:
    assert expand(_format_runs([3, *pattern * times, 1])) == [3, *pattern * times, 1]


@pytest.mark.parametrize("options", [("--h", "224"), ("--h", "300", "--w", "31")])
def test_large_inputs_have_the_counts_of_their_rows_and_columns(options: tuple[str, ...]) -> None:
    layer = (*options, "--k", "7x5", "--s", "2x3", "--p", "3", "--d", "1x2")
    text = counts(*layer).text
    document = json.loads(counts(*layer, "--json").text)
    for name in ("rows", "columns"):
        (line,) = re.findall(rf"^   {name} +(.*)$", text, re.MULTILINE)
        assert expand(line) == document[name]
        assert len(line) < 80
    assert len(text.splitlines()) < 8


# ---- the figure --------------------------------------------------------------------------------


def svg_texts(path: Path) -> list[str]:
    return [
        element.text or "" for element in ET.parse(path).iter() if element.tag.endswith("}text")
    ]


def test_a_heat_map_has_the_count_in_every_cell(tmp_path: Path) -> None:
    layer = ("--h", "6", "--k", "3", "--s", "2")
    done = here("shape", *layer, "--counts", "--figure", "c.svg", cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    rows = [line.split() for line in done.text.splitlines()[3:]]
    title, *cells = svg_texts(tmp_path / "c.svg")
    assert title == "conv 3×3, stride 2, padding 0"
    assert cells[:36] == [cell for row in rows for cell in row]
    assert sorted(cells[36:38]) == ["0", "4"]  # the ends of the scale
    assert cells[38:] == ["used 0 to 4 times", "11 of 36 pixels never"]


def test_layers_of_one_figure_share_a_scale_and_large_inputs_are_pictures(tmp_path: Path) -> None:
    options = ("--h", "5", "--k", "1,3", "--counts", "--figure", "c.svg")
    assert here("shape", *options, cwd=tmp_path).code == 0
    texts = svg_texts(tmp_path / "c.svg")
    assert {"used 1 time", "used 1 to 9 times"} <= set(texts)
    assert texts[texts.index("conv 3×3, stride 1, padding 0") :].count("9") == 2  # cell and legend
    assert texts[: texts.index("conv 3×3, stride 1, padding 0")].count("9") == 1  # the legend alone
    large = ("--h", "4000", "--w", "5000", "--k", "9", "--s", "7", "--counts", "--figure", "c.png")
    assert here("shape", *large, cwd=tmp_path).code == 0
    with Image.open(tmp_path / "c.png") as picture:
        assert picture.width < 500


@pytest.mark.parametrize("size", [33, 100, 224, 301])
def test_the_rhythm_of_a_stride_is_seen_in_a_picture_of_counts(tmp_path: Path, size: int) -> None:
    layer = ("--h", str(size), "--k", "1", "--s", "2", "--counts", "--figure", "c.png")
    assert here("shape", *layer, cwd=tmp_path).code == 0
    with Image.open(tmp_path / "c.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)[60:200]  # above the legend
    is_used = (pixels[:, :, 0] - pixels[:, :, 1] > 100).any(axis=0)[: pixels.shape[1] // 2]
    starts = np.flatnonzero(np.diff(is_used.astype(int)) == 1)
    assert len(starts) > 5
    assert len(set(np.diff(starts[1:]).tolist())) == 1  # the first is below the outline


@pytest.mark.parametrize("size", [33, 100, 479, 481, 1300])
def test_an_average_of_counts_is_that_of_its_pixels(size: int) -> None:
    found = count_uses(measure(parse_layer("conv:5,s=3,p=1"), (size, 3)))
    averages = _average(found.rows)
    assert len(averages) == min(size, 480)
    edges = [index * size // len(averages) for index in range(len(averages) + 1)]
    expected = [np.mean(found.rows[a:b]) for a, b in pairwise(edges)]
    np.testing.assert_allclose(averages, expected)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--figure", "c.png"), "or with --counts"),
        (("--counts", "--figure", "c.gif"), "must end in .png or .svg"),
        (("--counts", "--figure", "c.png", "--image", "a.png"), "--image"),
        (("--counts", "--theme", "dark"), "--theme goes with --figure"),
        (("--counts", "--figure", "c.png", "--s", ",".join(map(str, range(1, 18)))), "17 layers"),
    ],
)
def test_what_a_figure_of_counts_cannot_be(options: tuple[str, ...], word: str) -> None:
    assert word in refused("--h", "5", "--k", "3", *options)


def test_an_existing_figure_is_replaced_by_force_alone(tmp_path: Path) -> None:
    (tmp_path / "c.png").write_bytes(b"old")
    options = ("--h", "5", "--k", "3", "--counts", "--figure", "c.png")
    done = here("shape", *options, cwd=tmp_path)
    assert (done.code, done.stdout) == (1, b"")
    assert (tmp_path / "c.png").read_bytes() == b"old"
    assert here("shape", *options, "-f", cwd=tmp_path).code == 0


# ---- what is refused ---------------------------------------------------------------------------


def test_long_runs_are_folded_between_their_words() -> None:
    layer = ("--h", "900", "--k", "5", "--s", "3", "--d", "7")
    text = counts(*layer).text
    assert max(map(len, text.splitlines())) <= 80
    folded = text[text.index("rows") : text.index("A pixel")].split("columns")
    document = json.loads(counts(*layer, "--json").text)
    assert [expand(" ".join(lines.split())) for lines in folded] == [
        document["rows"], document["columns"]
    ]  # fmt: skip


def test_what_cannot_be_listed_is_refused_by_name() -> None:
    assert "the most is 1,000,000" in refused("--counts", "--h", "9" * 30, "--k", "3")
    large = ("--counts", "--h", "3000", "--k", "3")
    assert "9,000,000 pixels in json: the most is 4,000,000" in refused(*large, "--json")
    assert counts(*large[1:]).text
    assert "markdown" in refused("--counts", "--h", "5", "--k", "3", "--format", "markdown")
    assert "of one layer" in refused("--counts", "--h", "5", "--k", "1,3", "--format", "csv")
    assert "--counts is of one layer" in refused("--counts", "--input", "1x5x5", "conv:3")
    assert "--explain" in refused("--counts", "--h", "5", "--k", "3", "--explain")
