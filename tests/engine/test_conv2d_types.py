"""conv2d: types, and what is refused."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from support.conv2d import ALWAYS
from support.oracles import (
    whole_numbers,
)

from convcli.engine.conv2d import METHODS, conv2d
from convcli.engine.naive import source_index
from convcli.errors import ArgumentError, ShapeError


@pytest.mark.parametrize("method", ALWAYS)
@pytest.mark.parametrize(
    ("dtype", "result"),
    [
        (np.float64, np.float64),
        (np.float32, np.float32),
        (np.float16, np.float32),
        (np.bool_, np.float32),
        (np.uint8, np.float32),
        (np.int32, np.float32),
        (np.int64, np.float32),
    ],
)
def test_floats_stay_and_integers_become_float32(dtype: Any, result: Any, method: str) -> None:
    x = np.ones((1, 3, 3), dtype)
    maps = conv2d(x, np.ones((1, 1, 2, 2), np.float64), np.ones(1), method=method)
    assert maps.dtype == result
    assert_allclose(maps, np.full((1, 2, 2), 5.0))


def test_the_input_is_left_alone() -> None:
    x, weight, bias = whole_numbers(1, 1, 4, 4), whole_numbers(2, 1, 1, 1, 1), np.ones(1)
    before = x.copy(), weight.copy(), bias.copy()
    result = conv2d(x, weight, bias)
    result[:] = 99
    for array, copy in zip((x, weight, bias), before, strict=True):
        assert_array_equal(array, copy)


def test_anything_like_an_array_is_taken() -> None:
    assert_allclose(conv2d([[[1, 2, 4]]], [[[[1, -1]]]], [10]), [[[9, 8]]])
    strided = whole_numbers(1, 4, 4, 2).transpose(2, 0, 1)[:, ::-1]
    weight = whole_numbers(2, 1, 2, 3, 3)
    assert_allclose(conv2d(strided, weight), conv2d(strided.copy(), weight))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stride": 0}, "stride must be at least 1, not 0"),
        ({"stride": (2, 1.5)}, "stride must be a whole number, not 1.5"),
        ({"padding": -2}, "padding must be at least 0, not -2"),
        ({"padding": "some"}, "padding 'some' is none of valid, same, same-lower, full"),
        ({"padding": (1, 1, 1, 1)}, r"padding must be N, .* not \(1, 1, 1, 1\)"),
        ({"dilation": (0, 1)}, "dilation must be at least 1, not 0"),
        ({"groups": 0}, "groups must be at least 1, not 0"),
        ({"groups": 1.0}, "groups must be a whole number, not 1.0"),
        ({"padding": 1, "padding_mode": "odd"}, "padding mode 'odd' is none of zero, refl"),
    ],
)
def test_a_wrong_setting_is_refused_by_its_value(
    settings: dict[str, Any], message: str, method: str
) -> None:
    with pytest.raises(ArgumentError, match=message):
        conv2d(np.ones((2, 4, 4)), np.ones((2, 2, 3, 3)), method=method, **settings)


def test_an_unknown_padding_mode_is_refused_without_padding() -> None:
    with pytest.raises(ArgumentError, match="padding mode 'odd' is none of"):
        conv2d(np.ones((2, 4, 4)), np.ones((2, 2, 3, 3)), padding_mode="odd")


def test_an_unknown_method_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        ArgumentError, match="method 'fast' is none of auto, im2col, winograd, naive"
    ):
        conv2d(np.ones((1, 4, 4)), np.ones((1, 1, 3, 3)), method="fast")
    with pytest.raises(ArgumentError, match="padding mode 'odd' is none of"):
        source_index(0, 1, "odd")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("x", "weight", "settings", "message"),
    [
        ((4, 4), (1, 1, 3, 3), {}, r"x must be \(C, H, W\) or \(N, C, H, W\), not \(4, 4\)"),
        ((1, 0, 4), (1, 1, 3, 3), {}, r"x is empty: its shape is \(1, 0, 4\)"),
        ((1, 4, 4), (3, 3), {}, r"weight must be .*kh, kw\), not \(3, 3\)"),
        ((1, 4, 4), (1, 1, 0, 3), {}, r"weight must be .*kh, kw\), not \(1, 1, 0, 3\)"),
        ((2, 4, 4), (1, 3, 3, 3), {}, "takes 3 channels a group, but the input has 2 in 1 groups"),
        ((4, 4, 4), (2, 4, 3, 3), {"groups": 2}, "takes 4 channels a group, but the input has 4"),
        ((3, 4, 4), (2, 1, 3, 3), {"groups": 2}, "2 groups do not divide 3 input and 2 output"),
        ((2, 4, 4), (3, 1, 3, 3), {"groups": 2}, "2 groups do not divide 2 input and 3 output"),
        ((1, 2, 9), (1, 1, 3, 3), {}, "the output would be empty: height"),
        ((1, 9, 4), (1, 1, 3, 3), {"dilation": 2}, "the output would be empty: width"),
    ],
)
def test_shapes_that_do_not_fit_are_refused_with_both(
    x: Any, weight: Any, settings: dict[str, Any], message: str, method: str
) -> None:
    with pytest.raises(ShapeError, match=message):
        conv2d(np.ones(x), np.ones(weight), method=method, **settings)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 1)])
def test_a_bias_is_one_number_a_map(shape: tuple[int, ...], method: str) -> None:
    with pytest.raises(ShapeError) as refusal:
        conv2d(np.ones((1, 4, 4)), np.ones((2, 1, 3, 3)), np.ones(shape), method=method)
    assert f"bias must have the shape (2,), not {shape}" in str(refusal.value)


@pytest.mark.parametrize(
    ("x", "weight", "message"),
    [
        ([[["a"]]], [[[[1]]]], "x must hold real numbers, not <U1"),
        ([[[1j]]], [[[[1]]]], "x must hold real numbers, not complex128"),
        ([[[1]]], [[[[1], [1, 2]]]], "weight is no array of numbers"),
    ],
)
def test_only_real_numbers_are_convolved(x: Any, weight: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        conv2d(x, weight)
