"""`shape --counts`: how often each pixel of an input is used, in every format."""

from __future__ import annotations

import csv
import json
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.command import Finished, here

from convcli.cli.counts import _format_runs

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
    """Read runs back: `2, 3 x 1, 2 x (4, 3)`."""
    numbers: list[int] = []
    for times, pattern, number in re.findall(r"(?:(\d+) x )?(?:\(([^)]*)\)|(\d+))", runs):
        inner = expand(pattern) if pattern else [int(number)]
        numbers += inner * int(times or 1)
    return numbers


@given(st.lists(st.integers(0, 2), min_size=1), st.integers(1, 30))
def test_runs_read_back_as_the_numbers(pattern: list[int], times: int) -> None:
    assert expand(_format_runs([3, *pattern * times, 1])) == [3, *pattern * times, 1]


@pytest.mark.parametrize("options", [("--h", "224"), ("--h", "300", "--w", "5")])
def test_large_inputs_have_the_counts_of_their_rows_and_columns(options: tuple[str, ...]) -> None:
    layer = (*options, "--k", "7x5", "--s", "2x3", "--p", "3", "--d", "1x2")
    text = counts(*layer).text
    document = json.loads(counts(*layer, "--json").text)
    for name in ("rows", "columns"):
        (line,) = re.findall(rf"^   {name} +(.*)$", text, re.MULTILINE)
        assert expand(line) == document[name]
        assert len(line) < 80
    assert len(text.splitlines()) < 8


def test_what_cannot_be_listed_is_refused_by_name() -> None:
    assert "the most is 1,000,000" in refused("--counts", "--h", "9" * 30, "--k", "3")
    large = ("--counts", "--h", "3000", "--k", "3")
    assert "9,000,000 pixels in json: the most is 4,000,000" in refused(*large, "--json")
    assert counts(*large[1:]).text
    assert "markdown" in refused("--counts", "--h", "5", "--k", "3", "--format", "markdown")
    assert "of one layer" in refused("--counts", "--h", "5", "--k", "1,3", "--format", "csv")
    assert "--counts is of one layer" in refused("--counts", "--input", "1x5x5", "conv:3")
    assert "--explain" in refused("--counts", "--h", "5", "--k", "3", "--explain")
