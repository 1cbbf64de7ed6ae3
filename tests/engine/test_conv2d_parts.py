"""conv2d by im2col: in parts, in tiles, by threads."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from support.conv2d import channels, force_layout, layer, modes
from support.oracles import (
    Geometry,
    convolve,
    geometries,
    reals,
    scipy_correlate,
    seeds,
    whole_numbers,
)

import convcli.engine.conv2d.im2col as layout
import convcli.engine.conv2d.problem as parts
from convcli.arithmetic.geometry import Window
from convcli.engine.conv2d import conv2d
from convcli.engine.conv2d import convolve as convolve_layer
from convcli.engine.conv2d.problem import choose_conv_method
from convcli.engine.cost import ConvSize
from convcli.parallel import parallel_for, set_threads

MB = 1 << 20


@given(
    geometry=geometries(),
    seed=seeds,
    counts=channels,
    batch=st.integers(1, 2),
    mode=modes,
    shared=st.booleans(),
    cut=st.tuples(st.sampled_from([1, 200, 1 << 21]), st.sampled_from([1, 20]), st.integers(1, 9)),
)
@settings(max_examples=200)
def test_columns_laid_by_windows_or_by_rows_in_any_parts_are_the_loops(
    *,
    geometry: Geometry,
    seed: int,
    counts: tuple[int, int, int],
    batch: int,
    mode: str,
    shared: bool,
    cut: tuple[int, int, int],
) -> None:
    x, weight, bias = layer(geometry, seed, *counts, batch)
    groups = counts[0]
    expected = convolve(x, weight, groups=groups, mode=mode, **geometry.numbers)
    expected += bias[:, np.newaxis, np.newaxis]
    by_rows = shared and geometry.dilation[0] == 1
    with pytest.MonkeyPatch.context() as patch:
        force_layout(patch, by_rows=by_rows)
        for name, value in zip(
            ("MAX_PART_BYTES", "_MIN_PART_POSITIONS", "_MIN_PARTS"), cut, strict=True
        ):
            patch.setattr(parts, name, value)
        patch.setattr(parts, "_MIN_PART_PRODUCTS", 1)
        for kind in (np.float32, np.float64):
            maps = conv2d(
                x.astype(kind),
                weight,
                bias,
                groups=groups,
                padding_mode=mode,
                method="im2col",
                **geometry.settings,
            )
            assert_allclose(maps, expected)


@pytest.mark.parametrize("size", [(2, 6, 40, 31), (1, 6, 9, 200)])
@pytest.mark.parametrize(
    ("kernel", "asked"),
    [
        ((3, 3), {"padding": 1}),
        ((1, 1), {}),
        ((7, 7), {"padding": 3, "stride": 2}),
        ((3, 2), {"dilation": 2, "padding_mode": "reflect", "padding": 1}),
        ((3, 3), {"groups": 3}),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_change_no_bit(
    monkeypatch: pytest.MonkeyPatch,
    size: tuple[int, ...],
    kernel: tuple[int, int],
    asked: dict[str, Any],
    dtype: Any,
) -> None:
    monkeypatch.setattr(layout, "MIN_THREADED_S", 0)
    x = reals(1, *size).astype(dtype)
    weight = reals(2, 96, size[1] // asked.get("groups", 1), *kernel)
    alone = conv2d(x, weight, reals(3, 96), **asked)
    set_threads(2)  # from two on, BLAS has one thread and sums in one order
    try:
        by_two = conv2d(x, weight, reals(3, 96), **asked)
        set_threads(3)
        for _ in range(3):
            assert_array_equal(conv2d(x, weight, reals(3, 96), **asked), by_two)
    finally:
        set_threads(1)
    assert_allclose(alone, by_two, rtol=0, atol=1e-6 * np.abs(by_two).max())


@pytest.mark.parametrize(("side", "are_several"), [(8, False), (64, True)])
def test_small_layers_are_left_to_one_thread(
    monkeypatch: pytest.MonkeyPatch, side: int, are_several: bool
) -> None:
    asked = []

    def note(*work: Any, in_threads: bool, **settings: Any) -> None:
        asked.append(in_threads)
        parallel_for(*work, in_threads=in_threads, **settings)

    monkeypatch.setattr(layout, "parallel_for", note)
    conv2d(reals(1, 1, 32, side, side), reals(2, 64, 32, 3, 3), padding=1)
    assert asked == [are_several]


@pytest.mark.parametrize(
    ("channels", "size", "side"),
    [(8, (150, 160), 5), (64, (16, 400), 15)],  # several rows to a tile, and several tiles to a row
)
def test_tiles_leave_no_seam(channels: int, size: tuple[int, int], side: int) -> None:
    x = whole_numbers(1, 2, channels, *size)
    weight = whole_numbers(2, 1, channels, side, side)
    expected = [
        np.sum([scipy_correlate(image[c], weight[0, c], "zero") for c in range(channels)], axis=0)
        for image in x
    ]
    maps = conv2d(x, weight, padding="same")
    assert_allclose(maps[:, 0], expected)
    assert_allclose(conv2d(x, weight, padding=side // 2, stride=(2, 3)), maps[:, :, ::2, ::3])


def shares_rows(size: ConvSize) -> bool:
    return choose_conv_method(size, "im2col").has_shared_rows


def test_rows_are_shared_where_that_copies_less() -> None:
    assert shares_rows(ConvSize(1, 3, 64, (112, 112), Window(kernel=(7, 7), stride=(2, 2))))
    assert not shares_rows(ConvSize(1, 256, 256, (7, 7), Window(kernel=(3, 3))))  # rows too short
    many_taps = Window(kernel=(301, 301))
    assert not shares_rows(ConvSize(1, 3, 2, (900, 900), many_taps))
    assert not shares_rows(ConvSize(1, 3, 64, (99, 99), Window(kernel=(7, 7), dilation=(2, 1))))


@pytest.mark.parametrize(("depth", "size", "side"), [(16, (600, 800), 7), (3, (310, 340), 301)])
def test_columns_of_a_large_image_stay_small(depth: int, size: tuple[int, int], side: int) -> None:
    x = np.ones((depth, *size), np.float32)
    weight = np.ones((2, depth, side, side), np.float32)
    tracemalloc.start()
    try:
        maps = conv2d(x, weight)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert_allclose(maps, np.full(maps.shape, float(depth * side * side)))
    assert peak < maps.nbytes + 16 * MB  # the columns would take up to 1.5 GB


@pytest.mark.parametrize("by_rows", [True, False])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_reaches_only_the_windows_and_the_map_that_have_it(
    monkeypatch: pytest.MonkeyPatch, by_rows: bool, value: float
) -> None:
    force_layout(monkeypatch, by_rows=by_rows)
    x, weight, bias = whole_numbers(1, 1, 2, 9, 8), whole_numbers(2, 4, 1, 3, 3), np.arange(4.0)
    x[0, 1, 4, 5], bias[1] = value, value
    maps = conv2d(x, weight, bias, padding=1, groups=2, method="im2col")[0]
    expected = np.zeros((4, 9, 8), bool)
    expected[1] = True
    expected[2:, 3:6, 4:7] = True
    assert_array_equal(np.isfinite(maps), ~expected)


@pytest.mark.parametrize("by_rows", [True, False])
@pytest.mark.parametrize("filters", [2, 40])
@pytest.mark.parametrize("size", [(4, 5), (40, 70)])
def test_parts_are_changed_once_they_are_summed(
    monkeypatch: pytest.MonkeyPatch, by_rows: bool, filters: int, size: tuple[int, int]
) -> None:
    force_layout(monkeypatch, by_rows=by_rows)
    monkeypatch.setattr(parts, "MAX_PART_BYTES", 1 << 16)
    x, weight, bias = (
        whole_numbers(1, 2, 3, *size),
        whole_numbers(2, filters, 3, 3, 3),
        reals(3, filters),
    )

    def finish(sums: Any) -> None:
        sums *= 2
        sums += 1

    plain = conv2d(x, weight, bias, padding=1, method="im2col")
    changed = convolve_layer(x, weight, bias, padding=1, method="im2col", finish=finish)
    assert_array_equal(changed, 2 * plain + 1)
