import inspect
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from support.filter2d import plan_for
from support.oracles import (
    Geometry,
    filter_channels,
    geometries,
    pixels,
    reals,
    scipy_correlate,
    seeds,
)

from convcli.arithmetic.geometry import Window
from convcli.engine.conv2d import conv2d
from convcli.engine.filter2d import filter2d
from convcli.engine.filter2d.fft import fast_length, tile_lengths
from convcli.engine.filter2d.plan import candidates, choose_method, plan_filter
from convcli.engine.filter2d.problem import FilterProblem, FilterSettings
from convcli.engine.filter2d.separable import factorize
from convcli.engine.filter2d.tiles import split_output
from convcli.kernels import load_kernel
from convcli.kernels.bank import bank

SPECS = [
    "box:7", "ones:9", "gaussian:1.5", "gaussian:4", "log:1.4", "dog:1:1.6", "motion:9:45",
    "unsharp:2:1.5", "sharpen:0.3", "disk:3", "gabor:6:30", "sobel:30",
]  # fmt: skip
PICTURE = pixels(7, 120, 90, 3)


def problem_of(
    kernel: Any, size: tuple[int, int] = (3000, 4000), dtype: Any = np.uint8
) -> FilterProblem:
    shape = Window(kernel=np.shape(kernel))
    return FilterProblem(
        np.asarray(kernel, float), shape, np.dtype(dtype), size, shape.output(size), 3
    )


# ---- every method gives the same numbers --------------------------------------------------------


@pytest.mark.parametrize("spec", [*bank(), *SPECS])
def test_all_methods_agree_for_every_kernel(spec: str) -> None:
    kernel = load_kernel(spec).matrix
    planes = np.moveaxis(PICTURE, 2, 0)
    exact = np.stack([scipy_correlate(plane, kernel, "replicate") for plane in planes], axis=-1)
    largest = 255 * np.abs(kernel).sum()
    methods = ["auto", "im2col", "fft", *(["separable"] if factorize(kernel) else [])]
    for method in methods:
        sums = filter2d(PICTURE, kernel, method=method, out_dtype=np.float64)
        assert_allclose(sums, exact, atol=2e-6 * largest, err_msg=method)
        levels = filter2d(PICTURE, kernel, method=method)
        # What is off by a millionth may fall to either side of a half.
        assert np.abs(levels - exact.clip(0, 255)).max() <= 0.5 + 2e-6 * largest


@given(
    geometries(largest_kernel=6),
    seeds,
    st.sampled_from([1, 2, 3, 5]),
    st.sampled_from([np.uint8, np.uint16, np.float32, np.float64]),
    st.sampled_from(["dense", "rank 1", "whole", "box"]),
)
@settings(max_examples=400)
def test_every_candidate_computes_the_window(
    geometry: Geometry, seed: int, channels: int, dtype: Any, kind: str
) -> None:
    kh, kw = geometry.kernel
    kernel = {
        "dense": reals(seed, kh, kw),
        "rank 1": np.outer(1 + reals(seed, kh) ** 2, reals(seed + 1, kw)),
        "whole": np.rint(3 * reals(seed, kh, kw)),
        "box": np.full((kh, kw), 1 / (kh * kw)),
    }[kind]
    extent = [gap * (side - 1) + 1 for side, gap in zip((kh, kw), geometry.dilation, strict=True)]
    size = extent[0] + seed % 17, extent[1] + seed % 29
    image = pixels(seed, *size, channels).astype(dtype)
    shape = Window(kernel=(kh, kw), stride=geometry.stride, dilation=geometry.dilation)
    exact = filter_channels(image, kernel, stride=geometry.stride, dilation=geometry.dilation)
    problem = FilterProblem(kernel, shape, np.dtype(dtype), size, exact.shape[:2], channels)
    for algorithm in candidates(problem):
        correlate = algorithm.make_filter()
        for tiles in split_output(exact.shape[:2], algorithm.tile):
            for tile in tiles:
                seen = tuple(
                    slice(part.start * step, (part.stop - 1) * step + span)
                    for part, step, span in zip(tile, shape.stride, extent, strict=True)
                )
                region = image[seen].astype(algorithm.region_dtype)
                sums = correlate(region)
                assert sums.dtype == algorithm.sums
                reason = algorithm.choice.reason
                assert_allclose(sums, exact[tile], rtol=1e-5, atol=2e-3, err_msg=reason)


@pytest.mark.parametrize(
    ("side", "channels"),
    [
        *[(31, 1), (31, 3), (63, 4)],
        *[pytest.param(101, channels, marks=pytest.mark.slow) for channels in (1, 3)],
    ],
)
def test_large_kernels_go_through_the_spectrum_tile_by_tile(side: int, channels: int) -> None:
    image, kernel = pixels(1, 110, 600, channels), reals(2, side, side)
    assert plan_for(image, kernel).choice.method == "fft"
    planes = np.moveaxis(image, 2, 0).astype(float)
    exact = np.stack([scipy_correlate(plane, kernel, "reflect") for plane in planes], axis=-1)
    result = filter2d(image, kernel, padding_mode="reflect", out_dtype=np.float64)
    assert_allclose(result, exact, atol=1e-6 * np.abs(exact).max())


@pytest.mark.parametrize("wide", [13, 25])
@pytest.mark.parametrize("channels", [3, 5])
@pytest.mark.parametrize(("stride", "dilation"), [((1, 1), (1, 1)), ((2, 3), (1, 1)), (2, (3, 2))])
@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_factors_go_with_any_step(
    wide: int, channels: int, stride: Any, dilation: Any, dtype: Any
) -> None:
    image = pixels(1, 19, 83, channels)
    kernel = np.outer(1 + reals(1, 3) ** 2, 1 + reals(2, wide) ** 2)
    kernel /= kernel.sum()
    steps = {
        name: (step, step) if isinstance(step, int) else step
        for name, step in (("stride", stride), ("dilation", dilation))
    }
    exact = filter_channels(image, kernel, **steps)
    result = filter2d(
        image, kernel, padding="valid", stride=stride, dilation=dilation, method="separable",
        out_dtype=dtype,
    )  # fmt: skip
    assert_allclose(result, exact, atol=0.501 if dtype is np.uint8 else 1e-3)


# ---- what is chosen, and why -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kernel", "method", "reason"),
    [
        (reals(1, 3, 3), "im2col", "9 taps, in bands"),
        (reals(1, 31, 31), "fft", "961 taps cost more than three transforms"),
        ("gaussian:2", "separable", "rank 1, 2×13 taps instead of 169"),
        (np.outer(reals(1, 9), reals(2, 13)), "separable", "rank 1, 9 + 13 taps instead of 117"),
        ("box:15", "separable", "exact in uint16: 10 passes instead of 225 taps"),
        ("sobel-x", "separable", "exact in int16: 3 passes instead of 6 taps"),
        ("sharpen", "sums", "exact in int16: 5 passes"),
        ("identity", "sums", "exact in int16: 0 passes"),
        (np.zeros((3, 3)), "im2col", "0 taps, tap by tap"),
        (reals(1, 3, 3, 3), "im2col", "9 taps in each of 3 channels, by rows; Winograd "),
    ],
)
def test_the_choice_says_why(kernel: Any, method: str, reason: str) -> None:
    weights = load_kernel(kernel).matrix if isinstance(kernel, str) else kernel
    choice = plan_for(np.zeros((3000, 400, 3), np.uint8), weights).choice
    assert choice.method == method
    assert choice.reason.startswith(reason)


def test_what_was_asked_for_is_done() -> None:
    for method, reason in (
        ("im2col", "asked for, in bands"),
        ("separable", "asked for"),
        ("fft", "asked for"),
        ("naive", "asked for"),
    ):
        choice = plan_for(np.zeros((9, 9)), np.ones((3, 3)), method=method).choice
        assert (choice.method, choice.reason) == (method, reason)


def test_the_short_form_agrees_with_the_plan_for_a_picture() -> None:
    image = np.broadcast_to(np.uint8(0), (3000, 4000, 3))
    for name, kernel in bank().items():
        chosen = plan_for(image, kernel.matrix, padding="valid").choice.method
        assert choose_method(kernel.matrix).method == chosen, name


def test_the_spectrum_takes_over_once_and_its_cost_stays_flat() -> None:
    sides = range(3, 64, 2)
    chosen = [choose_method(reals(side, side, side)).method for side in sides]
    assert chosen == sorted(chosen, key=["im2col", "fft"].index)
    assert set(chosen) == {"im2col", "fft"}
    first = sides[chosen.index("fft")]
    costs = {
        side: min(one.cost_s for one in candidates(problem_of(reals(side, side, side))))
        for side in (first, 2 * first, 4 * first)
    }
    assert 9 < first < 15
    assert costs[2 * first] < 1.25 * costs[first]
    assert costs[4 * first] < 1.5 * costs[first]


def test_of_rank_one_the_factors_are_taken_until_the_spectrum_is_cheaper() -> None:
    chosen = [
        choose_method(np.outer(1 + reals(1, side) ** 2, reals(2, side))).method
        for side in (5, 9, 31, 201)
    ]
    assert chosen == ["separable", "separable", "separable", "fft"]


def test_floats_are_never_summed_in_integers() -> None:
    box = np.full((9, 9), 1 / 81)
    for dtype in (np.float32, np.int32):
        image = np.zeros((90, 90, 3), dtype)
        assert plan_for(image, box).choice.reason == "rank 1, 2×9 taps instead of 81"


# ---- a plan owns no pixels ---------------------------------------------------------------------


def test_one_plan_filters_every_image_of_its_shape_and_type() -> None:
    first, second = pixels(1, 40, 30, 3), pixels(2, 40, 30, 3)
    kernel = load_kernel("gaussian:2").matrix
    plan = plan_filter(first.shape, first.dtype, kernel, integer_output=True)
    for image in (first, second):
        result = np.empty_like(image)
        plan.run_into(image, result)
        assert_array_equal(result, filter2d(image, kernel))


def test_a_plan_is_quick_and_small_whatever_the_image() -> None:
    tracemalloc.start()
    try:
        plan = plan_filter((300_000, 400_000, 3), np.uint8, reals(1, 5, 5))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert plan.shape == (300_000, 400_000, 3)
    assert peak < 1 << 20


@pytest.mark.parametrize(("width", "least"), [(30_720, 31), (1_000_000, 2), (4_000_000, 1)])
@pytest.mark.parametrize("kernel", ["gaussian:5", "sharpen"])
def test_tiles_of_whole_rows_are_as_tall_as_the_kernel_where_they_fit(
    kernel: str, width: int, least: int
) -> None:
    plan = plan_filter((1500, width), np.float32, load_kernel(kernel))
    rows, columns = plan.with_whole_rows().algorithm.tile
    assert columns == width
    assert min(least, plan.problem.extent[0]) <= rows < 200
    assert plan.with_whole_rows().choice == plan.choice


@pytest.mark.parametrize("other", [np.zeros((9, 8), np.uint8), np.zeros((8, 9), np.float32)])
def test_another_shape_or_type_is_refused(other: Any) -> None:
    plan = plan_filter((8, 9), np.uint8, np.ones((3, 3)))
    with pytest.raises(ValueError, match=r"planned for \(8, 9\) of uint8, not "):
        plan.run_into(other, np.empty(plan.shape))


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("method", ["auto", "naive"])
def test_groups_are_those_of_conv2d(groups: int, method: str) -> None:
    image, kernel = reals(1, 7, 8, 4), reals(2, 8, 4 // groups, 3, 3)
    plan = plan_for(image, kernel, bias=0.5, groups=groups, method=method)
    result = np.empty(plan.shape)
    plan.run_into(image, result)
    planes = image.transpose(2, 0, 1)
    maps = conv2d(planes, kernel, groups=groups, padding="same", padding_mode="replicate")
    assert_allclose(result, maps.transpose(1, 2, 0) + 0.5)


def test_what_filter2d_takes_by_keyword_is_what_the_settings_hold() -> None:
    def defaults(function: Callable[..., Any]) -> dict[str, Any]:
        parameters = inspect.signature(function).parameters.values()
        return {one.name: one.default for one in parameters if one.default is not one.empty}

    settings = defaults(FilterSettings)
    assert (settings.pop("groups"), settings.pop("nan")) == (1, "refuse")  # not of `filter2d`
    assert defaults(filter2d) == settings | {"out_dtype": None}


def test_costs_are_seconds_of_the_whole_output() -> None:
    for kernel in (reals(1, 3, 3), reals(1, 31, 31), np.ones((5, 5)), reals(1, 2, 3, 3, 3)):
        small, large = (
            plan_filter((height, 2000, 3), np.uint8, kernel).algorithm.cost_s
            for height in (1500, 6000)
        )
        assert 3.5 < large / small < 4.5
        assert 1e-4 < small < 1


# ---- the layouts -------------------------------------------------------------------------------


@given(st.integers(1, 5000), st.integers(0, 3000), st.integers(1, 4096))
def test_a_transform_is_longer_than_what_it_wraps(outputs: int, reach: int, most: int) -> None:
    length = fast_length(outputs, reach, most)
    assert length > reach
    assert length % 2 == 0
    assert length <= max(2 * max(most, reach + 1), 4)


def test_tiles_stay_small_until_the_kernel_asks_for_more() -> None:
    lengths, step = tile_lengths(problem_of(reals(1, 31, 31)))
    assert lengths[0] <= 256
    assert lengths[1] <= 1024
    assert step == 3
    lengths, step = tile_lengths(problem_of(reals(1, 501, 501)))
    assert lengths[0] * lengths[1] < 1 << 22
    assert step == 1


@pytest.mark.parametrize("filters", [1, 3, 64])
def test_the_maps_of_a_tile_are_as_large_whatever_their_number(filters: int) -> None:
    plan = plan_filter((4000, 3000, 3), np.uint8, np.ones((filters, 3, 3, 3)), FilterSettings())
    rows, columns = plan.algorithm.tile
    assert (1 << 20) < rows * columns * max(filters, 3) <= (1 << 21)
