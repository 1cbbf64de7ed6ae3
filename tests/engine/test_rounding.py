from fractions import Fraction
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from convcli.engine import rounding
from convcli.engine.rounding import round_into
from convcli.engine.scratch import Scratch
from convcli.errors import ArgumentError

INTEGERS = [np.uint8, np.int8, np.uint16, np.int16, np.int32, np.uint32, np.int64, np.uint64]


def expect(sums: Any, dtype: Any) -> Any:
    """Round and clamp each sum by Python's own whole numbers."""
    least, largest = np.iinfo(dtype).min, np.iinfo(dtype).max
    values = [min(max(round(Fraction(float(each))), least), largest) for each in sums.flat]
    return np.array(values, dtype).reshape(sums.shape)


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [0.5, 40.0, 1e5, 1e30])
def test_sums_in_any_order_of_memory_are_rounded_and_clamped(
    order: Any, dtype: Any, kind: Any, scale: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounding, "MAX_APART_VALUES", 7)
    halves = np.random.default_rng(1).integers(-400, 400, (4, 9, 3)) / 2
    values = (halves * scale).astype(kind)
    bounds = float(values.min()), float(values.max())
    for known in (None, bounds):
        # The axes in another order of memory: their order as an index is the same.
        sums = values.transpose(order).copy().transpose(np.argsort(order))
        result = np.empty(values.shape, dtype)
        round_into(sums, result, known)
        assert_array_equal(result, expect(values, dtype))


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16])
@pytest.mark.parametrize("edge", [-0.5, -0.25, 0.0, 0.2, 0.25, 0.5, 1.0])
def test_bounds_near_the_limits_of_a_type_are_clamped(dtype: Any, edge: float) -> None:
    least, largest = np.iinfo(dtype).min, np.iinfo(dtype).max
    sums = np.array([least - edge, least + edge, largest - edge, largest + edge])
    for rest in (0.0, 1e5):  # and where the other side is far beyond any small type
        for bounds in ((sums.min() - rest, sums.max()), (sums.min(), sums.max() + rest)):
            result = np.empty(4, dtype)
            round_into(sums.copy(), result, bounds)
            assert_array_equal(result, expect(sums, dtype))


@given(
    st.lists(st.integers(-(2**15), 2**15 - 1), min_size=1, max_size=20),
    st.sampled_from(INTEGERS[:4]),
)
def test_integers_are_clamped(values: list[int], dtype: Any) -> None:
    sums = np.array(values, np.int16)
    result = np.empty(len(values), dtype)
    round_into(sums, result, (-(2**15), 2**15 - 1))
    assert_array_equal(result, expect(sums, dtype))


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_floats_are_copied_in_any_order(order: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounding, "MAX_APART_VALUES", 7)
    values = np.random.default_rng(1).normal(size=(5, 20, 2)).astype(np.float32)
    sums = np.ascontiguousarray(values.transpose(order)).transpose(np.argsort(order))
    result = np.empty(values.shape, np.float64)
    round_into(sums, result)
    assert_array_equal(result, values)


@pytest.mark.parametrize("channels", [1, 3, 400, 1000])
def test_any_number_of_channels_is_turned_back(channels: int) -> None:
    values = np.random.default_rng(2).integers(0, 255, (3, 4, channels)) + 0.25
    result = np.empty(values.shape, np.uint8)
    round_into(np.ascontiguousarray(values.transpose(1, 2, 0)).transpose(2, 0, 1), result, (0, 255))
    assert_array_equal(result, np.floor(values))


def test_memory_that_is_kept_holds_parts_of_any_shape_and_order() -> None:
    scratch = Scratch()
    values = np.random.default_rng(3).normal(100, 200, (9, 8, 3)).astype(np.float32)
    bounds = float(values.min()), float(values.max())
    for rows, order, dtype in (
        (9, (0, 1, 2), np.uint8),
        (4, (1, 2, 0), np.int16),
        (9, (1, 2, 0), np.uint8),
    ):
        part = values[:rows]
        result = np.empty(part.shape, dtype)
        sums = part.transpose(order).copy().transpose(np.argsort(order))
        round_into(sums, result, bounds, scratch)
        assert_array_equal(result, expect(part, dtype))


def test_nan_is_no_integer() -> None:
    with pytest.raises(ArgumentError, match="NaN"):
        round_into(np.array([1.0, np.nan]), np.empty(2, np.uint8))
