"""Every explanation holds what its output is computed from."""

from __future__ import annotations

import tracemalloc
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from support.oracles import (
    MODES,
    Geometry,
    count_windows,
    geometries,
    pad,
    reals,
    seeds,
    whole_numbers,
)

from convcli.arithmetic.geometry import Window, window
from convcli.engine.conv2d import conv2d
from convcli.engine.explain import Explanation, explain_convolution, explain_pool
from convcli.engine.explain_matrices import MAX_COLUMNS, explain_im2col
from convcli.engine.filter2d import filter2d
from convcli.engine.pooling import avg_pool2d, max_pool2d
from convcli.errors import ArgumentError, ShapeError

Array = NDArray[Any]
Pair = tuple[int, int]

GRID = np.arange(1.0, 26).reshape(5, 5)


def made(geometry: Geometry, **settings: Any) -> Window:
    return window(geometry.kernel, **geometry.settings, **settings)


def some_places(seed: int, size: Pair) -> list[Pair]:
    """The corners, where padding is, and two places between them."""
    corners = {(row, column) for row in (0, size[0] - 1) for column in (0, size[1] - 1)}
    inside = np.random.default_rng(seed).integers(0, size, (2, 2)).tolist()
    return sorted(corners | {(row, column) for row, column in inside})


def taps(geometry: Geometry, at: Pair) -> tuple[list[int], list[int]]:
    """The input positions under a window, counted off from the padding's first."""
    rows, columns = (
        [place * step - before + tap * gap for tap in range(size)]
        for place, step, (before, _), gap, size in zip(
            at, geometry.stride, geometry.sides, geometry.dilation, geometry.kernel, strict=True
        )
    )
    return rows, columns


# ---- convolutions ------------------------------------------------------------------------------


@settings(max_examples=200)
@given(
    geometries(),
    seeds,
    st.sampled_from(MODES),
    st.sampled_from([(False, "each"), (True, "each"), (False, "summed"), (True, "layer")]),
    st.integers(1, 3),
)
def test_a_trace_ends_in_what_filter2d_gives(
    geometry: Geometry, seed: int, mode: str, kind: tuple[bool, str], channels: int
) -> None:
    flip, sums = kind
    image = whole_numbers(seed, *geometry.size, channels)
    axes = {"each": (), "summed": (channels,), "layer": (2, channels)}[sums]
    kernel = reals(seed + 1, *axes, *geometry.kernel)
    whole = np.atleast_3d(
        filter2d(image, kernel, bias=2.5, padding_mode=mode, flip=flip, **geometry.settings)
    )
    for at in some_places(seed, geometry.output):
        traces = explain_convolution(
            image, kernel, at, made(geometry), padding_mode=mode, bias=2.5, flip=flip
        )
        assert_allclose([trace.value for trace in traces], whole[at], atol=1e-9)
        assert [trace.channel for trace in traces] == list(range(whole.shape[2]))
        assert {trace.at for trace in traces} == {at}


@settings(max_examples=100)
@given(geometries(), seeds, st.sampled_from(MODES))
def test_a_layer_s_traces_end_in_what_conv2d_gives(
    geometry: Geometry, seed: int, mode: str
) -> None:
    image, weights = reals(seed, 2, *geometry.size), reals(seed + 1, 3, 2, *geometry.kernel)
    maps = conv2d(image, weights, padding_mode=mode, **geometry.settings)
    for at in some_places(seed, geometry.output):
        traces = explain_convolution(
            image.transpose(1, 2, 0), weights, at, made(geometry), padding_mode=mode
        )
        assert_allclose([trace.value for trace in traces], maps[:, at[0], at[1]], atol=1e-9)


@settings(max_examples=200)
@given(geometries(), seeds, st.sampled_from(MODES))
def test_a_trace_shows_the_window_as_it_lies_on_the_padded_input(
    geometry: Geometry, seed: int, mode: str
) -> None:
    image, kernel = whole_numbers(seed, *geometry.size), whole_numbers(seed + 1, *geometry.kernel)
    padded = pad(image, geometry.sides, mode)
    for at in some_places(seed, geometry.output):
        (trace,) = explain_convolution(image, kernel, at, made(geometry), padding_mode=mode)
        rows, columns = taps(geometry, at)
        assert (list(trace.rows), list(trace.columns)) == (rows, columns)
        (top, _), (left, _) = geometry.sides
        seen = padded[np.ix_([row + top for row in rows], [one + left for one in columns])]
        assert_array_equal(trace.window[0], seen)
        assert_array_equal(trace.kernel[0], kernel)
        assert_array_equal(trace.products[0], seen * kernel)
        assert trace.total == (seen * kernel).sum()
        beyond = [
            [not (0 <= row < image.shape[0] and 0 <= one < image.shape[1]) for one in columns]
            for row in rows
        ]
        assert_array_equal(trace.is_padding, beyond)


def test_a_true_convolution_shows_its_kernel_turned() -> None:
    kernel = np.arange(6.0).reshape(2, 3)
    (trace,) = explain_convolution(GRID, kernel, (0, 0), window((2, 3)), flip=True)
    assert_array_equal(trace.kernel[0], [[5, 4, 3], [2, 1, 0]])
    assert_array_equal(trace.window[0], GRID[:2, :3])


def test_a_slice_reads_as_python_reads_it() -> None:
    cases: list[tuple[str, tuple[int, int], dict[str, Any]]] = [
        ("X[0:3, 1:4]", (3, 3), {}),
        ("X[0:5:2, 1:6:2]", (3, 3), {"dilation": 2}),
        ("X[0:1, 1:4]", (1, 3), {"dilation": (2, 1)}),
        ("X[-1:2, 0:3]", (3, 3), {"padding": 1}),
    ]
    for text, size, settings_ in cases:
        grid = np.arange(49.0).reshape(7, 7)
        (trace,) = explain_convolution(grid, np.ones(size), (0, 1), window(size, **settings_))
        assert trace.slice_text == text
        if "-" not in text:
            assert_array_equal(eval(text, {"X": grid}), trace.window[0])


def test_the_bias_stands_beside_the_sum() -> None:
    (trace,) = explain_convolution(GRID, np.ones((2, 2)), (0, 0), window(2), bias=0.5)
    assert (trace.total, trace.bias, trace.value) == (16.0, 0.5, 16.5)


# ---- pools -------------------------------------------------------------------------------------


@settings(max_examples=200)
@given(geometries(), seeds, st.booleans(), st.booleans(), st.integers(1, 2))
def test_a_pool_s_trace_ends_in_the_pool_s_number(
    geometry: Geometry, seed: int, ceil: bool, count_padding: bool, channels: int
) -> None:
    x = whole_numbers(seed, channels, *geometry.size)
    shape = made(geometry, ceil_mode=ceil)
    try:
        output = shape.output(geometry.size)
    except ShapeError:
        assume(False)
    asked = {**geometry.settings, "ceil_mode": ceil}
    pooled = {
        "maxpool": max_pool2d(x, geometry.kernel, **asked),
        "avgpool": avg_pool2d(x, geometry.kernel, count_include_pad=count_padding, **asked),
    }
    for at, op in product(some_places(seed, output), pooled):
        traces = explain_pool(
            x.transpose(1, 2, 0), at, shape, op=op, count_include_pad=count_padding
        )
        assert_allclose([trace.value for trace in traces], pooled[op][:, at[0], at[1]], atol=1e-9)
        for trace in traces:
            assert_divided_rightly(trace, geometry, count_padding=count_padding)


def assert_divided_rightly(trace: Explanation, geometry: Geometry, *, count_padding: bool) -> None:
    """An average's divisor counts the taps that count; a maximum has none."""
    if trace.op == "maxpool":
        assert trace.divisor == 1
        assert trace.total == trace.window.max() == trace.products.max()
        assert np.all(np.isneginf(trace.window[0]) == trace.is_padding)
        return
    rows, columns = taps(geometry, trace.at)
    counted = 0
    for row, column in product(rows, columns):
        reach = geometry.sides if count_padding else ((0, 0), (0, 0))
        counted += all(
            -before <= place < size + after
            for place, size, (before, after) in zip(
                (row, column), geometry.size, reach, strict=True
            )
        )
    assert trace.divisor == max(counted, 1)
    assert trace.total == trace.products.sum() == trace.window.sum()


def test_what_a_ceil_pool_reaches_beyond_the_padding_is_not_divided_by() -> None:
    grid = np.arange(1.0, 17).reshape(4, 4)
    shape = window(3, stride=2, ceil_mode=True)
    assert count_windows(4, 3, 2, (0, 0), ceil=True) == 2
    outputs = product((0, 1), (0, 1))
    found = [explain_pool(grid, output, shape, op="avgpool")[0] for output in outputs]
    assert [trace.value for trace in found] == [6, 7.5, 12, 13.5]
    assert [trace.divisor for trace in found] == [9, 6, 6, 4]


def test_a_window_of_padding_alone_is_minus_infinity_or_nothing() -> None:
    shape = window(2, stride=1, padding=3)
    assert explain_pool(GRID, (0, 0), shape, op="maxpool")[0].value == -np.inf
    alone = explain_pool(GRID, (0, 0), shape, op="avgpool", count_include_pad=False)[0]
    assert (alone.value, alone.divisor) == (0.0, 1)


# ---- what there is no trace of -----------------------------------------------------------------


@pytest.mark.parametrize("at", [(-1, 0), (0, -1), (3, 0), (0, 3), (10**12, 0)])
def test_there_is_no_trace_of_an_output_that_is_not_there(at: Pair) -> None:
    with pytest.raises(ArgumentError, match=r"no output at .*rows are 0\.\.2, columns 0\.\.2"):
        explain_convolution(GRID, np.ones((3, 3)), at, window(3))
    with pytest.raises(ArgumentError, match="no output"):
        explain_pool(GRID, at, window(3), op="maxpool")


def test_there_is_no_trace_where_no_window_fits() -> None:
    with pytest.raises(ShapeError, match="empty"):
        explain_convolution(GRID, np.ones((6, 6)), (0, 0), window(6))
    with pytest.raises(ShapeError, match="empty"):
        explain_pool(GRID, (0, 0), window(6), op="avgpool")


@pytest.mark.parametrize("shape", [(2, 3, 3), (4, 2, 3, 3)])
def test_a_kernel_that_sums_channels_needs_as_many(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="sums over 2 channels; the image has 1"):
        explain_convolution(GRID, np.ones(shape), (0, 0), window(3))


# ---- im2col ------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(geometries(largest_kernel=3), seeds, st.booleans())
def test_the_product_of_im2col_is_the_convolution(
    geometry: Geometry, seed: int, flip: bool
) -> None:
    shape = window(geometry.kernel, **geometry.settings)
    output = shape.output(geometry.size)
    assume(0 < output[0] * output[1] <= MAX_COLUMNS)
    x, weights = reals(seed, 2, *geometry.size), reals(seed + 1, 3, 2, *geometry.kernel)
    found = explain_im2col(x.transpose(1, 2, 0), weights, shape, bias=0.5, flip=flip)
    turned = weights[..., ::-1, ::-1] if flip else weights
    expected = conv2d(x, turned, np.full(3, 0.5), **geometry.settings)
    assert_allclose(found["product"], expected.reshape(3, -1), atol=1e-9)
    assert_allclose(found["weights"] @ found["columns"] + 0.5, found["product"], atol=1e-9)


def test_channels_that_are_filtered_each_by_itself_have_no_one_product() -> None:
    with pytest.raises(ArgumentError, match="2 channels"):
        explain_im2col(np.ones((4, 4, 2)), np.ones((2, 2)), window(2))


@pytest.mark.parametrize("shape", [(3, 2, 2), (4, 3, 2, 2)])
def test_a_kernel_that_sums_over_other_channels_has_no_product(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="sums over 3 channels; the image has 1"):
        explain_im2col(np.ones((4, 4, 1)), np.ones(shape), window(2))


def test_more_columns_than_can_be_read_are_refused() -> None:
    assert explain_im2col(np.ones((8, 8, 1)), np.ones((1, 1)), window(1))["columns"].shape == (
        1,
        64,
    )
    with pytest.raises(ArgumentError, match="1x72; the most that is shown is 64"):
        explain_im2col(np.ones((8, 9, 1)), np.ones((1, 1)), window(1))


def test_a_columns_matrix_too_wide_to_show_is_not_made() -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ArgumentError, match=r"its columns matrix is 9x998001"):
            explain_im2col(np.ones((1001, 1001, 1), np.uint8), np.ones((3, 3)), window(3))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4_000_000
