"""What an algorithm costs: estimated seconds of one thread, for filters and for layers.

An algorithm multiplies, and it moves values. Both are counted before anything is computed, and each
is worth what it took when it was measured: with NumPy's wheels, on one core with AVX2. On another
machine all rates change, but little changes in which algorithm is the cheapest.
"""

from __future__ import annotations

from math import ceil, prod
from typing import NamedTuple

from convcli.arithmetic.geometry import Window
from convcli.arithmetic.values import Pair

# Seconds for each byte of a value.
PRODUCT_S = 4.17e-12  # a multiplication and an addition of a large matrix product
NARROW_PRODUCT_S = 6e-12  # likewise where one of the matrices has few rows or columns
PASS_S = 25e-12  # one pass over an array: a value copied, or added to another
GATHER_S = 62.5e-12  # a value copied from a place of its own, as every other column is
SORT_S = 146e-12  # a value of a padded image sorted by its place in a Winograd tile
TRANSFORM_S = 58.3e-12  # a value that comes out of a Winograd matrix
INTERLEAVE_S = 104e-12  # likewise, where the values of a tile come out side by side
FFT_S = 1e-9  # a value that goes through three FFTs of a tile
# Seconds for each product, of any type.
LOOP_S = 60e-9  # in nested loops of Python

NARROW = 8  # columns that each product of matrices takes longer, whatever its width


class LayerSize(NamedTuple):
    """The sizes that the cost of a layer depends on.

    Parameters
    ----------
    batch, c_in, c_out : int
    output : (int, int)
        The output's rows and columns.
    window : Window
    groups : int
    itemsize : int
        The bytes of a value.
    """

    batch: int
    c_in: int
    c_out: int
    output: Pair
    window: Window
    groups: int = 1
    itemsize: int = 4


def im2col_windows_s(layer: LayerSize) -> float:
    """What im2col costs where every window becomes a column."""
    taps, positions = prod(layer.window.kernel), prod(layer.output)
    is_view = taps == 1 and layer.window.stride == (1, 1)
    moved = 0 if is_view else layer.c_in * taps * positions
    products = layer.c_in // layer.groups * layer.c_out * taps * positions
    return _im2col_s(layer, products, moved)


def im2col_rows_s(layer: LayerSize) -> float:
    """What im2col costs where every row is unrolled once, for all windows that contain it."""
    (oh, ow), (kh, kw) = layer.output, layer.window.kernel
    products = layer.c_in // layer.groups * layer.c_out * kh * kw * oh * (ow + NARROW)
    rows = (oh - 1) * layer.window.stride[0] + kh
    return _im2col_s(layer, products, layer.c_in * kw * rows * ow)


def _im2col_s(layer: LayerSize, products: int, moved: int) -> float:
    moving = PASS_S if layer.window.stride[1] == 1 else GATHER_S
    return layer.batch * layer.itemsize * (products * PRODUCT_S + moved * moving)


def winograd_s(layer: LayerSize, tile: Pair) -> float:
    """What F(a, kh) x F(b, kw) costs: Gᵀ·w·G once, then Bᵀ·x·B, the products and Aᵀ·(...)·A."""
    c_in, c_out, (kh, kw) = layer.c_in, layer.c_out, layer.window.kernel
    (a, b), (t, s) = tile, (tile[0] + kh - 1, tile[1] + kw - 1)
    rows, columns = ceil(layer.output[0] / a), ceil(layer.output[1] / b) + 1
    tiles = rows * columns
    before = (a * b * SORT_S + (t * b + t * s) * TRANSFORM_S) * c_in * (tiles + columns)
    products = t * s * c_in * c_out * (tiles + NARROW) * PRODUCT_S
    after = (a * s * TRANSFORM_S + a * b * (INTERLEAVE_S + PASS_S)) * c_out * tiles
    weights = t * s * TRANSFORM_S * c_in * c_out
    return layer.itemsize * (weights + layer.batch * (before + products + after))
