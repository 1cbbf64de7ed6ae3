"""The layouts of banded im2col, for both kinds of BLAS, against loops over the windows."""

import tracemalloc
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from support.filter2d import modes, plan_for
from support.oracles import Geometry, filter_channels, geometries, pairs, pixels, reals, seeds

from convcli.arithmetic.geometry import Window
from convcli.blas import MAX_SMALL_PRODUCTS, Blas
from convcli.engine.filter2d import im2col
from convcli.engine.filter2d.banded import banded_weights, make_banded_filter
from convcli.engine.filter2d.im2col import (
    BandedLayout,
    banded_im2col_algorithm,
    banded_layout,
    banded_layouts,
    banded_tile,
)
from convcli.engine.filter2d.problem import FilterProblem
from convcli.engine.scratch import row_pitch

AVX2, AVX512 = Blas("Haswell"), Blas("SkylakeX", 64, has_small_kernel=True)
KINDS = [AVX2, AVX512]


@st.composite
def windows(draw: st.DrawFn) -> Window:
    sides, stride, dilation = draw(pairs(1, 20)), draw(pairs(1, 3)), draw(pairs(1, 3))
    return Window(sides, stride=stride, dilation=dilation)


def problem_of(window: Window, size: tuple[int, int], dtype: Any = np.uint8) -> FilterProblem:
    kernel = reals(1, *window.kernel)
    return FilterProblem(kernel, window, np.dtype(dtype), size, window.output(size), 3)


@st.composite
def problems(draw: st.DrawFn) -> tuple[Geometry, Any, Any, str]:
    """A window, an image of any type that it fits, a kernel and a border."""
    geometry, seed = draw(geometries(largest_kernel=6)), draw(seeds)
    dtype = draw(st.sampled_from([np.uint8, np.uint16, np.int8, np.float32, np.float64]))
    image = pixels(seed, *geometry.size, draw(st.sampled_from([1, 3, 4]))).astype(dtype)
    return geometry, image, reals(seed, *geometry.kernel), draw(modes)


@given(problems(), st.sampled_from(KINDS), pairs(1, 6))
@settings(max_examples=100)
def test_every_layout_computes_the_window_in_tiles_of_any_size(
    case: tuple[Geometry, Any, Any, str], blas: Blas, tile: tuple[int, int]
) -> None:
    geometry, image, kernel, mode = case
    exact = filter_channels(image, kernel, **geometry.numbers, mode=mode)
    plan = plan_for(image, kernel, method="im2col", padding_mode=mode, **geometry.settings)
    algorithm = banded_im2col_algorithm(plan.problem)
    if algorithm is None:
        assert geometry.stride[0] > 1 < geometry.dilation[0]
        return
    for layout in banded_layouts(plan.problem.window, plan.problem.output[0], blas):
        make_filter = partial(make_banded_filter, plan.problem, layout)
        own = algorithm._replace(make_filter=make_filter, tile=tile)
        sums = np.full(plan.shape, np.nan)
        plan._replace(algorithm=own).run_into(image, sums)
        tolerance = 2e-6 * 255 * np.abs(kernel).sum()
        assert_allclose(sums, exact, atol=tolerance, err_msg=str(layout))


@given(windows(), st.sampled_from(KINDS))
@settings(max_examples=40)
def test_weights_hold_every_weight_once_for_each_row(window: Window, blas: Blas) -> None:
    (kh, kw), (stride, _) = window.kernel, window.stride
    kernel = 1 + reals(1, kh, kw) ** 2
    for layout in banded_layouts(window, 9, blas):
        unrolled, shifts, step, stacked = layout
        weights = banded_weights(kernel, layout, stride)
        assert np.count_nonzero(weights) == stacked * kernel.size
        blocks = weights.reshape(shifts, stacked, -1, unrolled)
        for row in range(stacked):
            found = np.zeros((kh, kw))
            for shift in range(shifts):
                taps = blocks[shift, row, row * stride : row * stride + kh]
                found[:, shift * step : shift * step + unrolled] += taps
            assert_array_equal(found, kernel)


@given(windows(), st.sampled_from(KINDS))
@settings(max_examples=40)
def test_shifts_end_with_the_last_tap_and_fall_on_whole_outputs(window: Window, blas: Blas) -> None:
    for layout in [banded_layout(window, (9, 9), blas), *banded_layouts(window, 9, blas)]:
        assert layout.unrolled + (layout.shifts - 1) * layout.step == window.kernel[1]
        assert layout.shifts == 1 or layout.step <= layout.unrolled
        assert layout.shifts == 1 or layout.step * window.dilation[1] % window.stride[1] == 0


@given(windows(), pairs(1, 3000), st.sampled_from([np.uint8, np.uint16]), st.sampled_from(KINDS))
@settings(max_examples=40)
def test_tiles_are_small_and_hold_whole_blocks(
    window: Window, more: tuple[int, int], dtype: Any, blas: Blas
) -> None:
    extent = [d * (k - 1) + 1 for k, d in zip(window.kernel, window.dilation, strict=True)]
    problem = problem_of(window, (extent[0] + more[0], extent[1] + more[1]), dtype)
    layout = banded_layout(window, problem.output, blas)
    rows, columns = banded_tile(problem, layout, blas)
    assert rows % (layout.stacked * window.dilation[0]) == 0
    assert 1 <= columns <= problem.output[1]


@pytest.mark.parametrize("blas", KINDS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(1, 2_000_000), (2_000_000, 1), (3000, 4000)])
def test_memory_is_small_however_long_an_image_is(
    size: tuple[int, int], channels: int, blas: Blas
) -> None:
    shape = (size[0] + 30, size[1] + 30)
    problem = problem_of(Window((31, 31)), shape)._replace(channels=channels)
    layout = banded_layout(problem.window, size, blas)
    rows, columns = banded_tile(problem, layout, blas)
    rows = min(rows, size[0])
    tracemalloc.start()
    make_banded_filter(problem, layout)(np.zeros((rows + 30, columns + 30, channels), np.uint8))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000


@pytest.mark.parametrize("size", [3, 5, 9, 15])
def test_products_of_avx512_are_small_and_of_whole_vectors(size: int) -> None:
    problem = problem_of(Window((size, size)), (3000, 4000))
    layout = banded_layout(problem.window, problem.output, AVX512)
    _, columns = banded_tile(problem, layout, AVX512)
    shape = banded_weights(problem.kernel, layout).shape
    values = (columns + (layout.shifts - 1) * layout.step) * 3
    assert shape[0] * shape[1] * values <= MAX_SMALL_PRODUCTS
    assert values % 32 == 0
    assert values >= 1500


@pytest.mark.parametrize(("blas", "stacked"), [(AVX2, 1), (AVX512, 2)])
def test_the_layout_asks_what_the_blas_is(
    monkeypatch: pytest.MonkeyPatch, blas: Blas, stacked: int
) -> None:
    monkeypatch.setattr(im2col, "find_blas", lambda: blas)
    assert banded_layout(Window((3, 3)), (90, 70), blas) == BandedLayout(3, 1, 1, stacked)
    image = pixels(1, 90, 70, 3)
    plan = plan_for(image, reals(1, 3, 3), method="im2col", padding="valid")
    assert plan.algorithm.tile[0] % stacked == 0
    exact = filter_channels(image, reals(1, 3, 3))
    sums = np.empty(plan.shape)
    plan.run_into(image, sums)
    assert_allclose(sums, exact, atol=1e-3)


@given(st.integers(1, 100_000))
def test_rows_begin_with_a_line_and_do_not_share_all_their_banks(values: int) -> None:
    pitch = row_pitch(values, 4)
    assert values <= pitch < values + 32
    assert pitch % 16 == 0
    assert pitch % 1024
