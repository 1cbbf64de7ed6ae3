from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from support.filter2d import plan_for
from support.oracles import MODES, filter_channels, pixels, seeds

from convcli.engine.filter2d import filter2d, integer, integer_program
from convcli.engine.filter2d.integer import (
    as_integer_kernel,
    division_steps,
    smallest_dtype,
    sum_bounds,
)
from convcli.engine.filter2d.integer_program import (
    IntegerProgram,
    Tap,
    add_line,
    add_run,
    add_taps,
    build_program,
    factorize_integers,
    run_steps,
)
from convcli.engine.scratch import Scratch
from convcli.kernels import load_kernel
from convcli.kernels.bank import bank

modes = st.sampled_from(MODES)
images = st.sampled_from([np.bool_, np.uint8, np.int8, np.uint16, np.int16])
sizes = st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3, 4]))
sides = st.tuples(st.integers(1, 5), st.integers(1, 5))


def same(kernel: Any) -> Any:
    """`same` as sides: the odd position after."""
    return tuple(((side - 1) // 2, side // 2) for side in np.shape(kernel))


def some_image(seed: int, size: tuple[int, ...], dtype: Any) -> Any:
    if dtype is np.bool_:
        return pixels(seed, *size) > 100
    lowest, highest = np.iinfo(dtype).min, np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(lowest, highest + 1, size).astype(dtype)


# ---- sums of whole numbers are exact -----------------------------------------------------------


@given(seeds, sizes, sides, images, modes, st.sampled_from([1, 2, 9, 200]))
@settings(max_examples=300)
def test_sums_of_whole_numbers_are_exact(  # noqa: PLR0917  # what hypothesis draws
    seed: int, size: Any, side: Any, dtype: Any, mode: str, most: int
) -> None:
    image = some_image(seed, size, dtype)
    kernel = np.random.default_rng(seed + 1).integers(-most, most + 1, side)
    exact = filter_channels(image, kernel, mode=mode, sides=same(kernel))
    for method in ("auto", "im2col"):
        result = filter2d(image, kernel, padding_mode=mode, out_dtype=np.int64, method=method)
        assert_array_equal(result, exact)


@given(seeds, sizes, sides, modes, st.integers(2, 300))
@settings(max_examples=200)
def test_a_mean_is_rounded_as_fractions_are(
    seed: int, size: Any, side: Any, mode: str, divisor: int
) -> None:
    image = some_image(seed, size, np.uint8)
    weights = np.random.default_rng(seed + 1).integers(-3, 6, side)
    kernel = weights / divisor
    whole = as_integer_kernel(kernel)
    sums = filter_channels(image, weights, mode=mode, sides=same(kernel))
    expected = [round(Fraction(int(total), divisor)) for total in sums.flat]
    result = filter2d(image, kernel, padding_mode=mode, out_dtype=np.int32)
    reason = plan_for(image, kernel, padding_mode=mode, integer_output=True).choice.reason
    if reason.startswith("exact") and whole is not None and whole.divisor is not None:
        assert_array_equal(result.ravel(), expected)
    assert np.abs(result.ravel() - expected).max() <= 1


@pytest.mark.parametrize("spec", ["box:2", "box:3", "box:15", "blur", "gaussian-5x5", "sobel-x"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16])
def test_kernels_in_daily_use_are_exact_to_the_pixel(spec: str, dtype: Any) -> None:
    kernel = load_kernel(spec).matrix
    image = some_image(3, (40, 50, 3), dtype)
    unit = np.abs(kernel[kernel != 0]).min()
    divisor = round(1 / unit)
    weights = np.rint(kernel * divisor).astype(int)
    sums = filter_channels(image, weights, mode="reflect", sides=same(kernel)).astype(np.int64)
    halves = 2 * sums + divisor  # a half up, and back where that made it odd
    up = halves // (2 * divisor)
    expected = up - ((halves % (2 * divisor) == 0) & (up % 2 == 1))
    expected = expected.clip(np.iinfo(dtype).min, np.iinfo(dtype).max)
    assert_array_equal(filter2d(image, kernel, padding_mode="reflect"), expected)


@pytest.mark.parametrize(
    ("total", "kind"), [(128, np.int16), (129, np.uint16), (257, np.uint16), (258, np.int32)]
)
def test_the_type_is_just_large_enough(total: int, kind: Any) -> None:
    kernel = np.array([[1, total - 3, 2]])
    plan = plan_for(np.full((3, 5), 255, np.uint8), kernel)
    assert plan.sums == kind
    result = filter2d(np.full((3, 5), 255, np.uint8), kernel, out_dtype=np.int64)
    assert_array_equal(result, np.full((3, 5), 255 * total))


@pytest.mark.parametrize("bias", [7.0, -300.0, 40_000.0, 0.5, 1e9, 2.0**40])
def test_a_bias_never_wraps_around(bias: float) -> None:
    image, kernel = pixels(1, 6, 7), np.array([[1, -2, 1]])
    exact = filter_channels(image, kernel, mode="zero", sides=((0, 0), (1, 1))) + bias
    result = filter2d(image, kernel, bias=bias, padding_mode="zero", out_dtype=np.float64)
    assert_allclose(result, exact, rtol=1e-6)


def test_a_mean_with_a_bias_is_rounded_once() -> None:
    image = np.array([[1, 2, 4, 8]], np.uint8)
    assert_array_equal(filter2d(image, [[0.5]], bias=0.5), [[1, 2, 2, 4]])
    assert_array_equal(filter2d(image, [[0.5]], bias=1), [[2, 2, 3, 5]])


def test_what_is_added_to_round_does_not_wrap_around() -> None:
    image = np.full((1, 4), 255, np.uint8)  # sums of 32640, and half of 301 is beyond int16
    assert_array_equal(filter2d(image, np.array([[127, 1]]) / 301), np.full((1, 4), 108))


@pytest.mark.parametrize("weight", [1.1, np.sqrt(1.3)])
def test_what_hardly_fits_is_clamped(weight: float) -> None:
    image = np.full((3, 3, 3), 255, np.uint8)
    assert_array_equal(filter2d(image, [[weight]]), image)
    assert not filter2d(image, [[-weight / 100]]).any()


def test_sums_come_rounded_only_where_that_was_asked_for() -> None:
    box = np.full((3, 3), 1 / 9)
    assert plan_for(pixels(1, 9, 9), box).sums == np.float32
    assert plan_for(pixels(1, 9, 9), box, integer_output=True).sums == np.int16
    assert filter2d(np.eye(3, dtype=np.uint8), box, out_dtype=np.float32)[1, 1] == np.float32(1 / 3)


# ---- programs ----------------------------------------------------------------------------------


def ran(build: Callable[[IntegerProgram], Tap], length: int = 40) -> tuple[int, Any, Any]:
    program = IntegerProgram()
    program.result = build(program)
    band = np.random.default_rng(1).integers(0, 256, length)
    return len(program.instructions), band, program.run(band.copy())


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=12).filter(any), st.integers(1, 3))
def test_a_line_of_weights_is_their_correlation(weights: list[int], step: int) -> None:
    spread = np.zeros(step * (len(weights) - 1) + 1, int)
    spread[::step] = weights
    for build in (
        lambda program: add_line(program, Tap(0), weights, step),
        lambda program: add_taps(
            program, Tap(0), {place * step: weight for place, weight in enumerate(weights)}
        ),
    ):
        _, band, sums = ran(build)
        expected = np.correlate(band, spread)
        assert_array_equal(sums[: len(expected)], expected)
        assert len(sums) >= len(expected)


@pytest.mark.parametrize(
    ("weights", "passes"),
    [
        ([1], 0),
        ([1] * 2, 1),
        ([1] * 8, 3),
        ([1] * 15, 5),
        ([3] * 4, 3),
        ([1, 2, 1], 2),
        ([1, 4, 6, 4, 1], 4),
        ([-1, 0, 1], 1),
        ([-1, 0, 0], 1),
        ([0, 1, 0], 0),
    ],
)
def test_a_line_takes_few_passes(weights: list[int], passes: int) -> None:
    assert ran(lambda program: add_line(program, Tap(0), weights, 1))[0] == passes


@given(st.integers(1, 1001))
def test_neighbors_are_summed_in_about_twice_the_logarithm(count: int) -> None:
    passes, band, sums = ran(lambda program: add_run(program, Tap(0), count, 1), 1100)
    assert passes <= 2 * np.log2(count) + 1
    assert sums[0] == band[:count].sum()
    assert sums[-1] == band[-count:].sum()


@given(seeds, st.integers(1, 4), st.integers(1, 4), st.integers(1, 3))
def test_a_program_of_a_matrix_is_its_correlation(seed: int, kh: int, kw: int, pixel: int) -> None:
    weights = np.random.default_rng(seed).integers(-2, 3, (kh, kw))
    weights[0, 0] = 1
    band = np.random.default_rng(seed).integers(0, 256, (6, 5 * pixel))
    program = build_program(weights, 5 * pixel, pixel)
    flat = program.run(band.ravel().copy())
    expected = filter_channels(band.reshape(6, 5, pixel), weights)
    for (row, column, channel), total in np.ndenumerate(expected):
        assert flat[(row * 5 + column) * pixel + channel] == total


@given(seeds, st.integers(1, 6), st.integers(1, 6), st.integers(1, 3))
def test_a_program_is_the_shorter_of_two(seed: int, kh: int, kw: int, largest: int) -> None:
    random = np.random.default_rng(seed)
    column, row = (random.integers(-largest, largest + 1, size) for size in (kh, kw))
    column[0], row[0] = random.choice([-1, 1]), 1
    weights = np.outer(column, row)
    factors = factorize_integers(weights)
    assert factors is not None
    column, row = factors
    one_by_one, passes = IntegerProgram(), IntegerProgram()
    add_taps(one_by_one, Tap(0), {y * 20 + x: int(weights[y, x]) for y, x in np.ndindex(kh, kw)})
    add_line(passes, add_line(passes, Tap(0), column.tolist(), 20), row.tolist(), 1)
    shorter = min(len(one_by_one.instructions), len(passes.instructions))
    assert len(build_program(weights, 20, 1).instructions) == shorter


def test_the_program_of_a_large_box_is_built_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integer_program, "add_taps", None)
    assert len(build_program(np.ones((31, 31), int), 100, 1).instructions) == 14


def test_few_pieces_of_memory_are_enough() -> None:
    program = build_program(np.ones((15, 15), int), 100, 1)
    scratch = Scratch()
    program.bind(np.zeros(2000, np.int32), scratch)
    assert len(program.instructions) == 10
    assert len(vars(scratch)["_buffers"]) <= 3


@pytest.mark.parametrize("kernel", [np.ones((3, 3)), np.full((2, 2), 0.25), [[0, 1]], [[3, -1]]])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float64])
def test_tiles_of_every_size_share_their_memory(
    monkeypatch: pytest.MonkeyPatch, kernel: Any, dtype: Any
) -> None:
    monkeypatch.setattr(integer, "ROW_VALUES", 9)
    monkeypatch.setattr(integer, "TILE_VALUES", 40)
    image, weights = pixels(5, 23, 14, 3), np.asarray(kernel, float)
    expected = filter_channels(image, weights, mode="symmetric", sides=same(weights))
    if dtype != np.float64:
        expected = np.rint(expected).clip(np.iinfo(dtype).min, np.iinfo(dtype).max)
    result = filter2d(image, weights, padding_mode="symmetric", out_dtype=dtype)
    assert_array_equal(result, expected)


# ---- whole numbers -----------------------------------------------------------------------------


def test_the_bank_is_of_whole_numbers_but_for_one() -> None:
    others = [name for name, one in bank().items() if as_integer_kernel(one.matrix) is None]
    assert others == ["frei-chen-x"]


@given(seeds, st.integers(1, 5), st.integers(1, 2000), st.integers(0, 12))
def test_whole_weights_over_a_divisor_are_found_again(
    seed: int, side: int, divisor: int, rest: int
) -> None:
    weights = np.random.default_rng(seed).integers(-rest, rest + 1, (side, side))
    whole = as_integer_kernel(weights / divisor)
    if whole is not None:
        assert_allclose(whole.weights * whole.unit, weights / divisor, rtol=1e-14)
    else:
        assert not weights.any()


@pytest.mark.parametrize("kernel", [[[np.pi, 1.0]], [[1.0, 1e-9]], [[0.0]], [[np.inf]], [[1e30]]])
def test_what_is_not_whole_is_left_to_floats(kernel: Any) -> None:
    assert as_integer_kernel(np.array(kernel) * 1.1) is None


def test_bounds_are_met_and_not_passed() -> None:
    weights = np.array([[3, -2]])
    for dtype in (np.uint8, np.int8):
        values = np.array([np.iinfo(dtype).min, np.iinfo(dtype).max]).astype(int)
        sums = [3 * one - 2 * other for one in values for other in values]
        assert sum_bounds(weights, np.dtype(dtype)) == (min(sums), max(sums))
    assert smallest_dtype((-(2**15), 2**15 - 1)) == np.int16
    assert smallest_dtype((-(2**15) - 1, 0)) == np.int32
    assert smallest_dtype((0, 2**31)) is None


@pytest.mark.parametrize("divisor", [2, 3, 4, 9, 225, 256])
@pytest.mark.parametrize("dtype", [np.int16, np.int32])
def test_division_rounds_half_to_even(divisor: int, dtype: Any) -> None:
    sums = np.arange(-2000, 2000).astype(dtype)
    expected = [round(Fraction(int(one), divisor)) for one in sums]
    run_steps(division_steps(sums, divisor, Scratch()))
    assert_array_equal(sums, expected)
