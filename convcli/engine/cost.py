"""The cost of an algorithm: estimated seconds of one thread, for filters and for layers.

The products and the copied values of an algorithm are counted before anything is computed. Each
count is multiplied by the seconds that the BLAS needs for it: one record of rates for its kernels
of AVX2, and one for those of AVX-512. Another machine has other rates, but mostly the same
algorithm is the cheapest. Padding a tile and rounding its sums are not counted, as all algorithms
do both. `python tests/benchmarks --planner` measures every candidate.
"""

from __future__ import annotations

from math import ceil, prod
from typing import Any

import numpy as np

from convcli.arithmetic.geometry import Window
from convcli.arithmetic.values import Pair
from convcli.blas import find_blas
from convcli.records import NamedTuple

LOOP_S = 60e-9  # a product of any type in nested loops of Python


class Rates(NamedTuple):
    """Seconds for each byte of a value.

    Parameters
    ----------
    product : float
        A multiplication and an addition of a large matrix product.
    small_product : float
        Likewise of many small matrices, as Winograd has them.
    narrow_product : float
        Likewise where one of the matrices has few rows or columns.
    copy : float
        One pass over an array: a value copied, or added to another.
    gather : float
        A value copied on its own, as every other column is.
    filter : float
        A value of a filter as Winograd multiplies it.
    interleave : float
        A value copied to its place in a Winograd tile.
    fft : float
        A value that goes through three FFTs of a tile.
    """

    product: float
    small_product: float
    narrow_product: float
    copy: float
    gather: float
    filter: float
    interleave: float
    fft: float


# Measured on one core of an AMD EPYC (Zen 3) with NumPy's wheels, as what whole algorithms take.
AVX2 = Rates(
    product=6.6e-12,
    small_product=8e-12,
    narrow_product=12e-12,
    copy=50e-12,
    gather=150e-12,
    filter=474e-12,
    interleave=280e-12,
    fft=2e-9,
)
# On one core of a Xeon, products are 1.4 times as fast as there with AVX2; the rest is limited by
# memory, and taken to be the same.
AVX512 = AVX2._replace(product=4.7e-12, small_product=5.7e-12, narrow_product=7.2e-12)


def find_rates() -> Rates:
    """Return the rates of this machine's BLAS.

    >>> find_rates() in (AVX2, AVX512)
    True
    """
    return AVX512 if find_blas().vector_bytes >= 64 else AVX2


NARROW = 8  # columns that each product of matrices takes longer, whatever its width
PRODUCT_CALL_S = 0.08e-6  # one of many products of matrices; measured on Zen 3
# What the calls of a layer take, however little they compute; measured on Zen 3. Those of Winograd
# are many, and short.
IM2COL_CALLS_S = 0.15e-3
WINOGRAD_CALLS_S = 0.6e-3


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
    columns = size.c_in * taps * positions
    is_view = taps == 1 and size.window.stride == (1, 1)
    return _im2col_s(size, 0 if is_view else columns, columns, positions, 1)


def im2col_rows_s(size: ConvSize) -> float:
    """Return the seconds of im2col where every row is copied once for all its windows."""
    (oh, ow), (kh, kw) = size.output, size.window.kernel
    rows = (oh - 1) * size.window.stride[0] + kh
    copies = size.c_in * kw * rows * ow
    return _im2col_s(size, copies, copies, oh * (ow + NARROW), oh)


def _im2col_s(size: ConvSize, copies: int, columns: int, positions: int, calls: int) -> float:
    """Return the seconds of so many copies, and of products that read so many values of columns.

    Each of the groups has so many products of matrices, of so many positions in all.
    """
    rates = find_rates()
    products = size.c_in // size.groups * size.c_out * prod(size.window.kernel) * positions
    copy_s = rates.copy if size.window.stride[1] == 1 else rates.gather
    # Of few filters, the columns take longer to read than to multiply: as long as a copy.
    values_s = max(products * rates.product, columns * rates.copy) + copies * copy_s
    each_s = size.dtype.itemsize * values_s + PRODUCT_CALL_S * size.groups * calls
    return IM2COL_CALLS_S + size.batch * each_s


def winograd_s(size: ConvSize, tile: Pair) -> float:
    """Return the seconds of F(a, kh) x F(b, kw): G·w·Gᵀ, then Bᵀ·x·B, products and Aᵀ·(...)·A."""
    rates = find_rates()
    c_in, c_out = size.c_in, size.c_out
    inputs = prod(side + taps - 1 for side, taps in zip(tile, size.window.kernel, strict=True))
    outputs = prod(tile)
    tiles = prod(ceil(length / side) for length, side in zip(size.output, tile, strict=True))
    before = outputs * rates.copy + inputs * (rates.gather + inputs * rates.small_product)
    products = inputs * c_in * c_out * (tiles + NARROW) * rates.small_product
    # Placed, added a bias, and looked through for what is not finite.
    after = outputs * (inputs * rates.small_product + rates.interleave + 2 * rates.copy)
    each = before * c_in * tiles + products + after * c_out * tiles
    filters = inputs * rates.filter * c_in * c_out
    return WINOGRAD_CALLS_S + size.dtype.itemsize * (filters + size.batch * each)
