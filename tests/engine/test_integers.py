"""Whole numbers: sums are those of Python's integers, in a type that holds them, or refused."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from support.conv2d import ALWAYS
from support.oracles import Array, seeds

from convcli.engine.conv2d import conv2d
from convcli.engine.gradients import conv2d_backward, conv_transpose2d_backward
from convcli.engine.im2col import col2im, im2col
from convcli.engine.pooling import avg_pool2d, max_pool2d
from convcli.engine.pooling_gradients import avg_pool2d_backward, max_pool2d_backward
from convcli.engine.transposed import conv_transpose2d
from convcli.errors import ArgumentError

TYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "bool")
types = st.sampled_from(TYPES)
FLOAT32_EXACT, FLOAT64_EXACT = 2**24, 2**53


def integers(seed: int, dtype: str, limit: int, *shape: int) -> Array:
    """Whole numbers of a type, to the limit of what it holds or of what is asked."""
    random = np.random.default_rng(seed)
    if dtype == "bool":
        return random.integers(0, 2, shape).astype(bool)
    bounds = np.iinfo(dtype)
    least, most = max(int(bounds.min), -limit), min(int(bounds.max), limit)
    return random.integers(least, most, shape, endpoint=True, dtype=np.int64).astype(dtype)


def exact(array: Array) -> Array:
    """The same numbers as Python's integers, of any size."""
    return np.array(array.astype(object).tolist(), object).reshape(array.shape) + 0


def correlate(x: Array, weight: Array) -> Array:
    """(C, H, W) and (C_out, C, kh, kw) of Python's integers: window by window."""
    c_out, _, kh, kw = weight.shape
    rows, columns = x.shape[1] - kh + 1, x.shape[2] - kw + 1
    maps = np.zeros((c_out, rows, columns), object)
    for o, i, j in np.ndindex(maps.shape):
        maps[o, i, j] = (x[:, i : i + kh, j : j + kw] * weight[o]).sum()
    return maps


def assert_is_exactly(found: Array, expected: Array) -> None:
    """Hold floats to Python's integers, in the narrower type that holds them all."""
    largest = max(abs(int(value)) for value in expected.flat)
    assert found.dtype == (np.float64 if largest > FLOAT32_EXACT else np.float32)
    assert [int(value) for value in found.flat] == [int(value) for value in expected.flat]
    assert np.array_equal(found, found.round())


@given(types, types, st.sampled_from([9, 2**12, 2**22]), seeds)
@settings(max_examples=50)
def test_sums_of_integers_are_exact(kind: str, weights: str, limit: int, seed: int) -> None:
    x = integers(seed, kind, limit, 2, 4, 5)
    weight = integers(seed + 1, weights, limit, 3, 2, 2, 3)
    expected = correlate(exact(x), exact(weight))
    for method in ALWAYS:
        assert_is_exactly(conv2d(x, weight, method=method), expected)
    bias = integers(seed + 2, "int32", limit, 3)
    assert_is_exactly(conv2d(x, weight, bias), expected + exact(bias)[:, None, None])


@given(types, types, st.sampled_from([9, 2**12, 2**21]), seeds)
@settings(max_examples=50)
def test_gradients_of_integers_are_exact(kind: str, other: str, limit: int, seed: int) -> None:
    x, weight = integers(seed, kind, limit, 2, 4, 4), integers(seed + 1, other, limit, 3, 2, 2, 2)
    grad = integers(seed + 2, other, limit, 3, 3, 3)
    dx, dweight, dbias = (np.zeros(shape, object) for shape in (x.shape, weight.shape, 3))
    for o, i, j in np.ndindex(grad.shape):
        g = int(grad[o, i, j])
        dx[:, i : i + 2, j : j + 2] += exact(weight)[o] * g
        dweight[o] += exact(x)[:, i : i + 2, j : j + 2] * g
        dbias[o] += g
    found = conv2d_backward(grad, x, weight)
    largest = max(abs(int(value)) for part in (dx, dweight, dbias) for value in part.flat)
    for array, expected in zip(found, (dx, dweight, dbias), strict=True):
        assert array.dtype == (np.float64 if largest > FLOAT32_EXACT else np.float32)
        assert [int(value) for value in array.flat] == list(expected.flat)
    # The transposed convolution is that of the gradient, and its gradients are the convolution's.
    assert_is_exactly(conv_transpose2d(grad, weight), dx)
    back, dkernels, _ = conv_transpose2d_backward(x, grad, weight)
    assert [int(value) for value in back.flat] == list(correlate(exact(x), exact(weight)).flat)
    assert [int(value) for value in dkernels.flat] == list(dweight.flat)


@given(types, st.sampled_from([9, 2**30, 2**50]), seeds)
@settings(max_examples=50)
def test_means_of_integers_are_their_sums_divided_once(kind: str, limit: int, seed: int) -> None:
    x = integers(seed, kind, limit, 2, 4, 6)
    sums = correlate(exact(x).reshape(2, 1, 4, 6)[0], np.ones((1, 1, 2, 3), object))
    expected = np.array([[value / 6 for value in row] for row in sums[0, ::2, ::3]])
    found = avg_pool2d(x, (2, 3))
    is_wide = np.abs(found).max() > FLOAT32_EXACT
    assert found.dtype == (np.float64 if is_wide else np.float32)
    assert_array_equal(found[0], expected.astype(found.dtype))


@given(types, seeds)
@settings(max_examples=30)
def test_columns_of_integers_add_up_in_64_bits(kind: str, seed: int) -> None:
    columns = integers(seed, kind, 2**60, 2 * 4, 6)
    expected = np.zeros((2, 3, 4), object)
    blocks = exact(columns).reshape(2, 2, 2, 2, 3)
    for u, v in product(range(2), range(2)):
        expected[:, u : u + 2, v : v + 3] += blocks[:, u, v]
    found = col2im(columns, (2, 3, 4), 2)
    assert found.dtype == (np.uint64 if kind.startswith("u") else np.int64)
    assert found.tolist() == expected.tolist()
    x = integers(seed, kind, 2**62, 2, 3, 4)
    assert im2col(x, 2).dtype == x.dtype
    assert_array_equal(im2col(x, 2)[0], x[0, :2, :3].reshape(-1))


def test_differences_of_large_numbers_keep_their_last_unit() -> None:
    for dtype in ("int32", "uint32", "int64", "uint64"):
        x = np.array([[[2**30, 2**30 + 1, 2**30 + 3]]], dtype)
        assert_array_equal(conv2d(x, [[[[-1, 1]]]]), [[[1, 2]]])
        assert conv2d(x, [[[[-1, 1]]]]).dtype == np.float32
        assert conv2d(x, [[[[1]]]]).tolist() == x.tolist()


def test_large_weights_and_biases_are_kept_beside_floats() -> None:
    x = np.ones((1, 1, 1))
    large = 2**24 + 1
    assert conv2d(x, [[[[large]]]], [large]).item() == 2 * large
    assert conv_transpose2d(x, [[[[large]]]], [large]).item() == 2 * large
    assert conv2d_backward([[[large]]], x, [[[[1]]]])[0].item() == large


@pytest.mark.parametrize("dtype", TYPES)
def test_with_real_weights_integers_become_float32(dtype: str) -> None:
    x = np.ones((1, 3, 3), dtype)
    weight = np.full((1, 1, 2, 2), 0.1)
    for found in (conv2d(x, weight), conv_transpose2d(x, weight), avg_pool2d(x, 2)):
        assert found.dtype == np.float32
    assert_array_equal(conv2d(x, weight), np.float32(0.4))
    gradients = conv2d_backward(np.ones((1, 2, 2)), x, weight)
    assert {gradient.dtype for gradient in gradients} == {np.dtype(np.float32)}
    for backward in (max_pool2d_backward, avg_pool2d_backward):
        assert backward(np.ones((1, 1, 1)), x, 2).dtype == np.float32


def test_gradients_of_pools_keep_large_integers() -> None:
    grad = np.array([[[2**30 + 1]]])
    assert max_pool2d_backward(grad, [[[1, 2]]], (1, 2)).tolist() == [[[0, 2**30 + 1]]]
    assert avg_pool2d_backward(4 * grad, [[[1, 2]]], (1, 2)).tolist() == [[[2**31 + 2] * 2]]
    assert max_pool2d(grad, 1).tolist() == grad.tolist()


BEYOND: dict[str, Callable[[], Any]] = {
    "conv2d": lambda: conv2d(np.full((1, 1, 2), 2**52), [[[[1, 2]]]]),
    "naive": lambda: conv2d(np.full((1, 1, 2), 2**52), [[[[1, 2]]]], method="naive"),
    "of the weights": lambda: conv2d(np.ones((1, 1, 2), np.uint8), [[[[2**53, 1]]]]),
    "of the bias": lambda: conv2d(np.ones((1, 1, 1), np.uint8), [[[[1]]]], [2**53]),
    "unsigned": lambda: conv2d(np.full((1, 1, 1), 2**64 - 1, np.uint64), [[[[1]]]]),
    "transposed": lambda: conv_transpose2d(np.full((2, 1, 1), 2**52), np.full((2, 1, 1, 1), 2)),
    "a mean": lambda: avg_pool2d(np.full((1, 2, 2), 2**52), 2),
    "dx": lambda: conv2d_backward([[[2**52]]], [[[1]]], [[[[3]]]]),
    "dweight": lambda: conv2d_backward([[[2**27]]], [[[2**27]]], [[[[0]]]]),
    "dbias": lambda: conv2d_backward(np.full((1, 1, 3), 2**52), [[[0, 0, 0]]], [[[[0]]]]),
}


@pytest.mark.parametrize("case", BEYOND)
def test_what_float64_would_round_is_refused(case: str) -> None:
    with pytest.raises(ArgumentError, match=r"float64 holds them exactly up to 2\^53"):
        BEYOND[case]()


def test_columns_that_64_bits_do_not_hold_are_refused() -> None:
    for columns in (np.full((2, 2), 2**62), np.full((2, 2), 2**63, np.uint64)):
        with pytest.raises(ArgumentError, match="may not fit 64 bits; convert columns to float64"):
            col2im(columns, (1, 1, 3), (1, 2))


def test_winograd_takes_no_integers() -> None:
    with pytest.raises(ArgumentError, match="Winograd loses digits"):
        conv2d(np.ones((1, 4, 4), np.uint8), np.ones((1, 1, 3, 3)), method="winograd")
