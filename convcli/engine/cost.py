"""The cost of an algorithm: estimated seconds of one thread, for filters and for layers.

The products and the copied values of an algorithm are counted before anything is computed. Each
count is multiplied by seconds that were measured with NumPy's wheels on one core with AVX2. Another
machine has other rates, but mostly the same algorithm is the cheapest. Padding a band and rounding
its sums are not counted, as all algorithms do both. `python tests/benchmarks --planner` measures
every candidate.
"""

from __future__ import annotations

from math import ceil, prod
from typing import Any, NamedTuple

import numpy as np

from convcli.arithmetic.geometry import Window
from convcli.arithmetic.values import Pair

# Seconds for each byte of a value.
PRODUCT_S = 4.17e-12  # a multiplication and an addition of a large matrix product
NARROW_PRODUCT_S = 6e-12  # likewise where one of the matrices has few rows or columns
PASS_S = 25e-12  # one pass over an array: a value copied, or added to another
GATHER_S = 62.5e-12  # a value copied on its own, as every other column is
SORT_S = 200e-12  # a value of a padded image sorted by its place in a Winograd tile
TRANSFORM_S = 79e-12  # a value that comes out of a Winograd matrix
INTERLEAVE_S = 140e-12  # likewise, where the values of a tile come out side by side
FFT_S = 1e-9  # a value that goes through three FFTs of a tile
# Seconds for each product, of any type.
LOOP_S = 60e-9  # in nested loops of Python

NARROW = 8  # columns that each product of matrices takes longer, whatever its width


FLOAT32 = np.dtype(np.float32)


class ConvSize(NamedTuple):
    """The sizes on which the cost of a convolution depends.

    Parameters
    ----------
    batch, c_in, c_out : int
    output : (int, int)
        The output's rows and columns.
    window : Window
    groups : int
    dtype : dtype
        Of the values.
    """

    batch: int
    c_in: int
    c_out: int
    output: Pair
    window: Window
    groups: int = 1
    dtype: np.dtype[Any] = FLOAT32


def im2col_windows_s(size: ConvSize) -> float:
    """Return the seconds of im2col where every window becomes a column."""
    taps, positions = prod(size.window.kernel), prod(size.output)
    is_view = taps == 1 and size.window.stride == (1, 1)
    copies = 0 if is_view else size.c_in * taps * positions
    products = size.c_in // size.groups * size.c_out * taps * positions
    return _im2col_s(size, products, copies)


def im2col_rows_s(size: ConvSize) -> float:
    """Return the seconds of im2col where every row is copied once for all its windows."""
    (oh, ow), (kh, kw) = size.output, size.window.kernel
    products = size.c_in // size.groups * size.c_out * kh * kw * oh * (ow + NARROW)
    rows = (oh - 1) * size.window.stride[0] + kh
    return _im2col_s(size, products, size.c_in * kw * rows * ow)


def _im2col_s(size: ConvSize, products: int, copies: int) -> float:
    copy_s = PASS_S if size.window.stride[1] == 1 else GATHER_S
    return size.batch * size.dtype.itemsize * (products * PRODUCT_S + copies * copy_s)


def winograd_s(size: ConvSize, tile: Pair) -> float:
    """Return the seconds of F(a, kh) x F(b, kw): G·w·Gᵀ, then Bᵀ·x·B, products and Aᵀ·(...)·A."""
    c_in, c_out, (kh, kw) = size.c_in, size.c_out, size.window.kernel
    (a, b), (t, s) = tile, (tile[0] + kh - 1, tile[1] + kw - 1)
    rows, columns = ceil(size.output[0] / a), ceil(size.output[1] / b) + 1
    tiles = rows * columns
    before = (a * b * SORT_S + (t * b + t * s) * TRANSFORM_S) * c_in * (tiles + columns)
    products = t * s * c_in * c_out * (tiles + NARROW) * PRODUCT_S
    after = (a * s * TRANSFORM_S + a * b * (INTERLEAVE_S + PASS_S)) * c_out * tiles
    weights = t * s * TRANSFORM_S * c_in * c_out
    return size.dtype.itemsize * (weights + size.batch * (before + products + after))
