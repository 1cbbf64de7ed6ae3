"""`fit_kernel`: what SciPy filtered is found again, with the errors of textbooks."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from scipy import signal
from support.peers import require_peer

from convcli import fit_kernel
from convcli.engine import fit as module
from convcli.errors import ArgumentError, LimitError, ShapeError
from convcli.kernels.bank import bank

Array = NDArray[Any]


@cache
def photo() -> Array:
    """A color photograph of many details, some of them black or white."""
    return np.asarray(require_peer("skimage").data.astronaut()[100:260, 120:320])


def correlate(image: Array, kernel: Array) -> Array:
    """Return the sums of SciPy, without a border."""
    planes = image.reshape(*image.shape[:2], -1).astype(np.float64)
    sums = [signal.correlate2d(plane, kernel, mode="valid") for plane in np.moveaxis(planes, 2, 0)]
    return np.stack(sums, axis=2)


def clip(sums: Array, dtype: Any = np.uint8) -> Array:
    limits = np.iinfo(dtype)
    return np.asarray(np.clip(np.rint(sums), limits.min, limits.max).astype(dtype))


def same(sums: Array, before: Array, size: tuple[int, int]) -> Array:
    """Put sums into a frame of the picture's size, whose values say nothing."""
    top, left = (size[0] - 1) // 2, (size[1] - 1) // 2
    framed = np.full((*before.shape[:2], sums.shape[2]), 77, sums.dtype)
    framed[top : top + sums.shape[0], left : left + sums.shape[1]] = sums
    return framed


def rows_of(image: Array, size: tuple[int, int]) -> Array:
    """Return the window of each value, a row each, in the order of the flat target."""
    planes = image.reshape(*image.shape[:2], -1).astype(np.float64)
    windows = sliding_window_view(planes, size, axis=(0, 1))
    return np.asarray(windows.reshape(-1, size[0] * size[1]))


@pytest.mark.parametrize("name", bank())
def test_every_kernel_of_the_bank_is_found_in_8_bits(name: str) -> None:
    kernel = bank()[name].matrix
    height, width = kernel.shape
    after = same(clip(correlate(photo(), kernel)), photo(), (height, width))
    found = fit_kernel(photo(), after, (height, width))
    assert np.abs(found.kernel - kernel).max() <= 2e-2 * np.abs(kernel).max()
    assert found.rms < 0.3  # that of rounding is 0.289
    assert found.explained > 0.999
    assert found.pixels + found.clipped == found.total == correlate(photo(), kernel).size


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    bias=st.sampled_from([None, 0.0, -3.5, 1e4]),
    scale=st.sampled_from([1.0, 1e-300, 1e-6, 255.0, 1e300]),
    is_valid=st.booleans(),
)
def test_random_kernels_are_found_in_floats(
    seed: int, size: tuple[int, int], bias: float | None, scale: float, *, is_valid: bool
) -> None:
    rng = np.random.default_rng(seed)
    before = rng.normal(size=(31, 33, 2)) * scale
    kernel = rng.normal(size=size)
    sums = correlate(before, kernel) + (bias or 0.0) * scale
    after = sums if is_valid else same(sums, before, size)
    found = fit_kernel(before, after, size, bias=bias is not None)
    assert_allclose(found.kernel, kernel, atol=1e-6)
    assert_allclose(found.bias / scale, bias or 0.0, atol=1e-6)
    assert found.errors is not None
    assert found.errors.max() < 1e-6


def test_a_random_kernel_of_7x7_is_found_in_a_photograph_of_floats() -> None:
    kernel = np.random.default_rng(2).normal(size=(7, 7))
    before = photo() / 255
    found = fit_kernel(before, correlate(before, kernel) + 0.25, 7, bias=True)
    assert_allclose(found.kernel, kernel, atol=1e-6)
    assert found.bias == pytest.approx(0.25, abs=1e-6)


@pytest.mark.parametrize("has_bias", [False, True])
def test_weights_errors_and_shares_are_those_of_least_squares(*, has_bias: bool) -> None:
    rng = np.random.default_rng(3)
    before = rng.uniform(0, 9, (12, 14))
    after = correlate(before, rng.normal(size=(2, 3)))[..., 0] + 1.5 + rng.normal(size=(11, 12))
    found = fit_kernel(before, after, (2, 3), bias=has_bias)
    columns = rows_of(before, (2, 3))
    if has_bias:
        columns = np.hstack([columns, np.ones((len(columns), 1))])
    target = after.ravel()
    expected, (squares,), _, _ = np.linalg.lstsq(columns, target, rcond=None)
    variance = squares / (len(target) - columns.shape[1])
    errors = np.sqrt(np.diag(np.linalg.inv(columns.T @ columns)) * variance)
    assert_allclose(found.kernel.ravel(), expected[:6])
    assert found.errors is not None
    assert_allclose(found.errors.ravel(), errors[:6])
    assert found.rms == pytest.approx(np.sqrt(squares / len(target)))
    variation = ((target - target.mean()) ** 2).sum()
    assert found.explained == pytest.approx(1 - squares / variation)
    if has_bias:
        assert found.bias == pytest.approx(expected[6])
        assert found.bias_error == pytest.approx(errors[6])
    else:
        assert (found.bias, found.bias_error) == (0.0, None)


def test_several_pairs_are_one_system_of_equations() -> None:
    rng = np.random.default_rng(4)
    befores = [rng.uniform(0, 9, shape) for shape in ((9, 8), (7, 11))]
    afters = [rng.normal(size=(7, 6)), rng.normal(size=(5, 9))]
    found = fit_kernel(befores, afters, 3)
    columns = np.vstack([rows_of(before, (3, 3)) for before in befores])
    target = np.concatenate([after.ravel() for after in afters])
    assert_allclose(found.kernel.ravel(), np.linalg.lstsq(columns, target, rcond=None)[0])
    assert found.pixels == len(target)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_noise_does_not_bias_what_is_clipped(dtype: Any) -> None:
    """Sharpened edges overshoot; noise decides which pixels near black and white are clipped."""
    white = np.iinfo(dtype).max
    # Of high contrast, as a page of text is.
    contrast = np.clip((photo().astype(np.float64) - 100) * 3, 0, 255) * (white / 255)
    before, kernel = clip(contrast, dtype), bank()["sharpen"].matrix
    noise = np.random.default_rng(5).normal(scale=0.04 * white, size=(158, 198, 3))
    after = clip(correlate(before, kernel) + noise, dtype)
    found = fit_kernel(before, after, 3)
    assert found.errors is not None
    assert np.abs((found.kernel - kernel) / found.errors).max() < 4
    # Without what AFTER alone shows as clipped, the weights are too small by more than that.
    is_inside = (after > 0) & (after < white)
    columns, target = rows_of(before, (3, 3)), after.ravel()
    naive = np.linalg.lstsq(columns[is_inside.ravel()], target[is_inside.ravel()], rcond=None)[0]
    assert np.abs((naive.reshape(3, 3) - kernel) / found.errors).max() > 8


def test_what_is_not_clipped_is_used_up_to_the_ends_of_a_float() -> None:
    before = photo()[:40, :40, 0]
    kernel = bank()["sobel-x"].matrix
    found = fit_kernel(before, correlate(before, kernel), 3)
    assert (found.clipped, found.pixels) == (0, 38 * 38)
    assert_allclose(found.kernel, kernel, atol=1e-12)


def test_whole_weights_are_found_exactly() -> None:
    found = fit_kernel(photo(), clip(correlate(photo(), bank()["emboss"].matrix)), 3)
    assert found.kernel.tolist() == bank()["emboss"].matrix.tolist()


def test_as_many_values_as_weights_tell_no_errors() -> None:
    before = np.random.default_rng(6).normal(size=(5, 5))
    found = fit_kernel(before, before, 3)
    assert found.errors is None
    assert_allclose(found.kernel, bank()["identity"].matrix, atol=1e-9)


def test_of_a_costly_picture_a_part_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = bank()["gaussian-5x5"].matrix
    after = clip(correlate(photo(), kernel))
    whole = fit_kernel(photo(), after, 5)
    monkeypatch.setattr(module, "MAX_PRODUCTS", 25 * 45 * after.size / 5)
    part = fit_kernel(photo(), after, 5)
    assert whole.pixels + whole.clipped == whole.total == part.total == after.size
    assert part.pixels + part.clipped == pytest.approx(part.total / 5, rel=0.1)
    assert_allclose(part.kernel, kernel, atol=2e-2 * kernel.max())


SMOOTH = np.add.outer(np.arange(20.0), 2 * np.arange(20.0))
NOISE = np.random.default_rng(7).integers(1, 255, (20, 20))


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (np.full((20, 20), 7), NOISE, "one value, which tells 1 of 9 weights apart"),
        (np.zeros((20, 20)), NOISE, "one value, which tells 0 of 9 weights apart"),
        (np.tile(np.arange(20) ** 2 % 7, (20, 1)), NOISE, "all rows before are alike, .* 3 of 9"),
        (np.tile(np.arange(20) ** 2 % 7, (20, 1)).T, NOISE, "all columns before are alike"),
        (SMOOTH, NOISE, "too smooth, or repeats itself, which tells 2 of 9"),
        (np.tile([[1, 5], [2, 8]], (10, 10)), NOISE, "repeats itself, which tells 4 of 9"),
        (NOISE[:4, :4], NOISE[:4, :4], "4 values after are too few for 9 weights"),
        (NOISE, np.where(NOISE > 9, 255, 0).astype(np.uint8), "all values after are clipped"),
    ],
)  # fmt: skip
def test_what_a_picture_lacks_is_said(before: Array, after: Array, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        fit_kernel(before, after, 3)


def test_a_bias_is_one_unknown_more() -> None:
    before, after = np.random.default_rng(8).normal(size=(2, 5, 5))
    assert fit_kernel(before, after, 3).pixels == 9
    with pytest.raises(ArgumentError, match="9 values after are too few for 10 unknowns"):
        fit_kernel(before, after, 3, bias=True)
    flat = np.tile([[1.0, 2.0]], (9, 5))  # whose two sums are one, with a bias
    with pytest.raises(ArgumentError, match="tells 2 of 3 unknowns apart"):
        fit_kernel(flat, flat, (1, 2), bias=True)


@pytest.mark.parametrize(
    ("shapes", "size", "words"),
    [
        (((9, 9), (8, 8)), 3, r"before is 9x9 \(HxW\) and after 8x8: it must .* or be 7x7"),
        (((9, 9), (9, 7)), 3, "and after 9x7: it must"),
        (((9, 9), (9, 9, 3)), 3, "before has 1 channels, after 3"),
        (((9, 4), (9, 4)), 5, "before is 9x4, smaller than a kernel of 5x5"),
        (((9,), (9,)), 1, r"before must be \(H, W\)"),
        (((9, 0), (9, 0)), 1, r"before must be \(H, W\)"),
    ],
)  # fmt: skip
def test_sizes_that_do_not_fit_are_named(shapes: Any, size: int, words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        fit_kernel(np.ones(shapes[0]), np.ones(shapes[1]), size)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("is_after", [False, True])
def test_no_value_that_is_not_finite_is_fitted(value: float, *, is_after: bool) -> None:
    pair = np.random.default_rng(9).normal(size=(2, 9, 9))
    pair[int(is_after), 4, 4] = value
    with pytest.raises(ArgumentError, match="holds NaN or infinity"):
        fit_kernel(pair[0], pair[1], 3)


def test_values_that_overflow_are_refused() -> None:
    rng = np.random.default_rng(10)
    small, large = rng.normal(size=(9, 9)), rng.normal(size=(9, 9)) * 1e300
    with pytest.raises(ArgumentError, match="overflow"):
        fit_kernel([small, large], [small, large], 3)
    with pytest.raises(ArgumentError, match="the weights are beyond"):
        fit_kernel(small * 1e-300, large, 3)


def test_the_number_of_weights_is_limited() -> None:
    with pytest.raises(LimitError, match="33x33 has 1,089 weights"):
        fit_kernel(np.ones((99, 99)), np.ones((99, 99)), 33)


def test_pairs_have_as_many_pictures_before_as_after() -> None:
    one = np.ones((9, 9))
    with pytest.raises(ShapeError, match="2 pictures before, and 1 after"):
        fit_kernel([one, one], [one], 3)
