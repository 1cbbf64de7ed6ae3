"""Matrices as text: flush, marked, side by side."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.oracles import Geometry, geometries, seeds, whole_numbers

from convcli.arithmetic.geometry import window
from convcli.engine.explain import explain_convolution, explain_pool
from convcli.errors import ShapeError
from convcli.pictures.explanations import (
    format_explanation,
    format_matrices,
    format_rows,
    join_side_by_side,
)

GRID = np.arange(1.0, 26).reshape(5, 5)


@settings(max_examples=60)
@given(seeds, st.integers(1, 5), st.integers(1, 5))
def test_columns_read_back_as_the_matrix(seed: int, height: int, width: int) -> None:
    plane = whole_numbers(seed, height, width)
    lines = format_rows(plane)
    assert [[float(word) for word in line.split()] for line in lines] == plane.tolist()
    assert len({len(line) for line in lines}) == 1


@settings(max_examples=60)
@given(seeds, st.integers(1, 4), st.integers(1, 4))
def test_marked_numbers_and_no_others_stand_in_brackets(seed: int, height: int, width: int) -> None:
    plane = whole_numbers(seed, height, width)
    marked = np.random.default_rng(seed).integers(0, 2, plane.shape).astype(bool)
    words = [line.split() for line in format_rows(plane, marked)]
    assert [[word.startswith("(") for word in row] for row in words] == marked.tolist()
    assert [[float(word.strip("()")) for word in row] for row in words] == plane.tolist()


def test_signs_stand_once_at_half_height() -> None:
    text = join_side_by_side([("a", ["1"] * 3), ("b", ["2"] * 3), ("c", ["3"] * 3)], ["*", "="])
    lines = text.splitlines()
    assert lines[0].split() == ["a", "b", "c"]
    assert [("*" in line, "=" in line) for line in lines[1:]] == [
        (False, False), (True, True), (False, False)
    ]  # fmt: skip
    assert text.count("*") == text.count("=") == 1
    assert not any(line.endswith(" ") for line in lines)


def test_an_even_height_has_its_sign_above_the_middle() -> None:
    lines = join_side_by_side([("a", ["1"] * 4), ("b", ["2"] * 4)], ["+"]).splitlines()
    assert [line for line in lines if "+" in line] == [lines[2]]


def test_the_three_matrices_stand_side_by_side_with_the_sum_below() -> None:
    (trace,) = explain_convolution(GRID, [[1, 0], [0, -1]], (0, 1), window(2), bias=0.5)
    assert format_explanation(trace).splitlines() == [
        "Y[0,1] = sum(W * X[0:2, 1:3]) + 0.5 = -5.5",
        "",
        "X[0:2, 1:3]   W        products",
        "2  3        *  1   0 =  2   0",
        "7  8           0  -1    0  -8",
        "",
        "2 + 0 + 0 + (-8) + 0.5 = -5.5",
    ]


@pytest.mark.parametrize("value", [1.0, -1.0])
def test_every_negative_term_of_a_sum_stands_in_brackets(value: float) -> None:
    (found,) = explain_convolution(GRID, [[value]], (0, 0), window(1), bias=-3.5)
    lines = format_explanation(found).splitlines()
    assert lines[0] == f"Y[0,0] = sum(W * X[0:1, 0:1]) + (-3.5) = {found.value:g}"
    assert not re.search(r"[-+] -", "\n".join(lines))
    (empty,) = explain_convolution(
        GRID, [[value]], (1, 1), window(1)._replace(stride=(3, 3), transposed=True), bias=-3.5
    )
    assert format_explanation(empty).startswith("Y[1,1] = 0 + (-3.5) = -3.5")


def test_channels_that_are_summed_stand_one_below_the_other() -> None:
    image = np.stack([GRID, -GRID, GRID * 2], axis=2)
    (trace,) = explain_convolution(image, np.ones((3, 2, 2)), (0, 0), window(2))
    text = format_explanation(trace)
    for channel in range(3):
        assert f"channel {channel}" in text
        assert f"W[{channel}]" in text
    assert text.endswith("= 32")


def test_a_pool_shows_its_window_and_what_it_divides_by() -> None:
    shape = window(2, padding=1)
    (largest,) = explain_pool(GRID, (0, 0), shape, op="maxpool")
    assert format_explanation(largest).splitlines() == [
        "Y[0,0] = max(X[-1:1, -1:1]) = 1",
        "",
        "X[-1:1, -1:1]",
        "(-inf)  (-inf)",
        "(-inf)       1",
    ]
    (mean,) = explain_pool(GRID, (0, 0), shape, op="avgpool")
    assert format_explanation(mean).startswith("Y[0,0] = mean(X[-1:1, -1:1]) = 1 / 4 = 0.25\n")


def test_an_average_leaves_out_what_does_not_count() -> None:
    shape = window(3, stride=2, padding=1, ceil_mode=True)
    (corner,) = explain_pool(GRID[:4, :4], (0, 0), shape, op="avgpool", count_include_pad=False)
    assert format_explanation(corner).splitlines() == [
        "Y[0,0] = mean(X[-1:2, -1:2]) = 16 / 4 = 4",
        "",
        "X[-1:2, -1:2]",
        ".  .  .",
        ".  1  2",
        ".  6  7",
        "",
        "(1 + 2 + 6 + 7) / 4 = 4",
    ]
    # Padding counts, what a window reaches beyond it does not.
    (last,) = explain_pool(-GRID[:4, :4], (2, 2), shape, op="avgpool")
    assert format_explanation(last).splitlines()[3:] == [
        "-19  (0)    .",
        "(0)  (0)    .",
        "  .    .    .",
        "",
        "((-19) + 0 + 0 + 0) / 4 = -4.75",
    ]


@settings(max_examples=60)
@given(geometries(), seeds, st.booleans(), st.booleans())
def test_an_average_s_sum_has_a_term_for_each_value_that_counts(
    geometry: Geometry, seed: int, ceil: bool, count_padding: bool
) -> None:
    shape = window(geometry.kernel, **geometry.settings, ceil_mode=ceil)
    try:
        output = shape.output(geometry.size)
    except ShapeError:
        assume(False)
    grid, at = whole_numbers(seed, *geometry.size), (output[0] - 1, output[1] - 1)
    (found,) = explain_pool(grid, at, shape, op="avgpool", count_include_pad=count_padding)
    text = format_explanation(found)
    left, right = text.splitlines()[-1].split(" = ")
    assert eval(left) == pytest.approx(float(right), rel=1e-5)
    assert found.is_counted is not None
    assert text.splitlines()[-1].count(" + ") + 1 == max(found.is_counted.sum(), 1)
    assert " ".join(text.splitlines()[3:-2]).split().count(".") == (~found.is_counted).sum()


@pytest.mark.parametrize("width", [30, 40, 80])
def test_no_number_is_broken_on_a_narrow_terminal(width: int) -> None:
    grid = np.arange(81.0).reshape(9, 9) / 7
    (found,) = explain_convolution(grid, -grid, (0, 0), window(9))
    whole, folded = format_explanation(found), format_explanation(found, width=width)
    assert max(map(len, folded.splitlines())) <= width < max(map(len, whole.splitlines()))
    numbers = [re.findall(r"-?\d+\.\d+", text) for text in (whole, folded)]
    assert Counter(numbers[0]) == Counter(numbers[1])
    ends = re.findall(r"products, columns (\d):(\d)", folded)
    assert [start for start, _ in ends] == ["0", *(end for _, end in ends[:-1])]
    assert ends[-1][1] == "9"


def test_the_matrices_of_im2col_are_folded_to_the_width_of_a_terminal() -> None:
    columns = np.arange(40.0).reshape(2, 20)
    text = format_matrices(columns, np.ones((1, 2)), np.ones((1, 2)) @ columns, 40)
    assert max(map(len, text.splitlines())) <= 40
    assert "@ columns  2x20, columns 0:10" in text


def test_a_product_of_matrices_is_laid_out_with_its_shapes() -> None:
    text = format_matrices(GRID[:2, :3], np.ones((1, 2)), np.ones((1, 2)) @ GRID[:2, :3])
    assert text.splitlines() == [
        "W  1x2   columns  2x3   Y  1x3",
        "1  1   @ 1  2  3      =  7   9  11",
        "         6  7  8",
    ]
