"""filter2d at the ends of what floats hold: the exact sums, or an error, whatever the method."""

import math
from fractions import Fraction
from itertools import chain
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from convcli.engine.filter2d import filter2d
from convcli.engine.filter2d.integer import as_integer_kernel
from convcli.engine.filter2d.plan import METHODS
from convcli.errors import ArgumentError

# The range of numbers between which products keep their digits, and the share that is lost.
LIMITS: dict[str, tuple[float, float]] = {"f": (1e-38, 1e-5), "d": (3e-308, 1e-13)}
SMALLEST = {"f": 2.0**-149, "d": 2.0**-1074}
REFUSED = "the largest weight of a kernel is"

powers = st.one_of(
    st.integers(-1074, 1000), st.sampled_from([-1074, -1030, -1022, -930, -149, -126, -100, 0, 127])
)
small_integers = st.lists(st.integers(-9, 9), min_size=6, max_size=6)


def correlate_exactly(image: Any, kernel: Any) -> list[list[tuple[Fraction, Fraction]]]:
    """Each sum of the products of a window, and that of their absolute values."""
    (height, width), (kh, kw) = image.shape, kernel.shape
    exact = np.vectorize(Fraction, otypes=[object])
    values, weights = exact(image.astype(float)), exact(kernel)
    found = []
    for row in range(height - kh + 1):
        products = [
            (values[row : row + kh, column : column + kw] * weights).ravel()
            for column in range(width - kw + 1)
        ]
        found.append([(sum(terms), sum(map(abs, terms))) for terms in products])
    return found


@given(small_integers, powers, st.sampled_from([np.uint8, np.uint16, np.float32, np.float64]))
@example([1] * 6, -1030, np.uint8)  # 1 / unit is infinite
@example([1, 2, 3, 2, 4, 6], -1074, np.uint8)
@example([9, -9, 7, 1, 0, 5], -140, np.uint8)  # of denormals as float32
@example([9, -9, 7, 1, 0, 5], -140, np.float64)
@example([1, 2, 3, 2, 4, 6], -98, np.uint8)
@example([9, -9, 7, 1, 0, 5], 110, np.uint8)
@example([9, -9, 7, 1, 0, 5], 1000, np.uint16)
@pytest.mark.parametrize("method", METHODS)
def test_kernels_of_any_magnitude_are_summed_or_refused(
    method: str, weights: list[int], power: int, dtype: Any
) -> None:
    kernel = np.ldexp(np.array(weights, float).reshape(2, 3), power)
    if method == "separable":
        kernel = np.ldexp(np.outer([3.0, 1.0], weights[:3]), power)
    if method == "separable" and not kernel.any():
        return
    image = (np.arange(56).reshape(7, 8) * 37 % 251).astype(dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            result = filter2d(image, kernel, padding="valid", method=method, out_dtype=np.float64)
        except ArgumentError as error:
            assert REFUSED in str(error)  # noqa: PT017
            assert np.abs(kernel).max() < (1e-280 if image.itemsize in (2, 8) else 1e-30)
            return
    kind = "f" if dtype in (np.uint8, np.float32) else "d"
    largest = {"f": 1e38, "d": 1e308}[kind]
    share = LIMITS[kind][1]
    sums = correlate_exactly(image, kernel)
    scale = max(size for row in sums for _, size in row)
    if scale * 10**6 > largest:
        return  # beyond what the type holds, which the caller sees as infinity
    for found, (exact, size) in zip(result.ravel(), chain.from_iterable(sums), strict=True):
        allowed = share * float(scale if method in ("fft", "auto") else size) + 6 * SMALLEST[kind]
        assert math.isfinite(found)
        assert abs(Fraction(float(found)) - exact) <= allowed


def test_a_map_of_tiny_weights_beside_others_is_refused() -> None:
    weights = np.array([1.0, 1e-310]).reshape(2, 1, 1, 1)
    with pytest.raises(ArgumentError, match=f"{REFUSED} 1e-310, and float32"):
        filter2d(np.ones((3, 3, 1), np.uint8), weights)


def test_tiny_weights_beside_a_large_one_lose_nothing_that_counts() -> None:
    image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    found = filter2d(image, [[1e-310, 1.0, 5e-324]], out_dtype=np.float32)
    assert_array_equal(found, image)


def test_zeros_are_no_tiny_weights() -> None:
    assert not filter2d(np.ones((3, 3), np.uint8), np.zeros((3, 3))).any()


@pytest.mark.parametrize("power", [-1074, -1070, -1030, -1022, -149, -130])
def test_a_unit_that_loses_digits_is_none(power: int) -> None:
    assert as_integer_kernel(np.ldexp(np.array([[1.0, 2.0, 32000.0]]), power)) is None


def test_a_largest_weight_beyond_all_units_is_no_overflow() -> None:
    assert as_integer_kernel(np.array([[1e308, 1e-308]])) is None
