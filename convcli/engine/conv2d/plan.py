"""Which way a layer is computed, and why: what each would cost, counted before it is begun.

The unit is one product of a large matrix product. What else a way does is counted in values that it
moves or passes through a small matrix, and those weigh as many products as they took the time of
when they were measured: on two processors with AVX2, where one product took 0.017 ns.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import ceil, prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from convcli.arithmetic.geometry import Window
from convcli.arithmetic.values import Pair
from convcli.engine.conv2d.problem import MAX_PART_BYTES
from convcli.engine.conv2d.winograd import TILES
from convcli.errors import ArgumentError

COPIED = 6  # a value copied in runs: 0.1 ns
GATHERED = 15  # a value copied from a place of its own, as every other column is: 0.25 ns
SORTED = 35  # a value of a padded image sorted by its place in a Winograd tile: 0.6 ns
TRANSFORMED = 14  # a value that comes out of a Winograd matrix: 0.24 ns
INTERLEAVED = 25  # likewise, where the values of a tile come out side by side: 0.42 ns
NARROW = 8  # columns that each product of matrices takes longer, whatever its width


class LayerMethod(NamedTuple):
    """A way to compute a layer.

    Attributes
    ----------
    name : {"im2col", "winograd"}
    reason : str
        Why it was chosen.
    tile : (int, int) or None
        The outputs of one Winograd tile.
    """

    name: str
    reason: str
    tile: Pair | None = None


def layer_method(
    images: Sequence[int],
    filters: Sequence[int],
    window: Window,
    dtype: DTypeLike,
    *,
    method: str = "auto",
    groups: int = 1,
) -> LayerMethod:
    """Choose the way to compute a layer.

    Parameters
    ----------
    images, filters : (N, C_in, H, W) and (C_out, C_in / groups, kh, kw)
        The shapes.
    window : Window
    dtype : float32 or float64
    method : {"auto", "im2col", "winograd"}
    groups : int

    Raises
    ------
    ArgumentError
        Where `winograd` is asked for and cannot be taken.

    Examples
    --------
    >>> window = Window(kernel=(3, 3), padding=((1, 1), (1, 1)))
    >>> layer_method((8, 64, 56, 56), (64, 64, 3, 3), window, "float32")
    LayerMethod(name='winograd', reason='0.5 times the cost of im2col', tile=(4, 4))
    >>> layer_method((8, 64, 56, 56), (64, 64, 3, 3), window, "float64").reason
    'Winograd loses digits, and float64 is there to keep them'
    """
    if method == "im2col":
        return LayerMethod("im2col", "asked for")
    obstacle = _obstacle(window, np.dtype(dtype), groups)
    if obstacle is not None:
        if method == "winograd":
            raise ArgumentError(f"method 'winograd' cannot compute this layer: {obstacle}")
        return LayerMethod("im2col", obstacle)
    output = window.output((images[2], images[3]))
    shape = max(images[0], 1), images[1], filters[0]  # N, C_in, C_out
    rows, columns = window.kernel
    cost, tile = min(
        (_winograd_cost(shape, output, window.kernel, one), one)
        for one in product(TILES[rows], TILES[columns])
    )
    share = cost / columns_cost(shape, output, window, 1)
    if method == "winograd":
        return LayerMethod("winograd", "asked for", tile)
    if share >= 1:
        return LayerMethod("im2col", f"Winograd would cost {share:.1f} times as much")
    return LayerMethod("winograd", f"{share:.1f} times the cost of im2col", tile)


def shares_rows(shape: tuple[int, int, int], output: Pair, window: Window, groups: int) -> bool:
    """Whether im2col had better lay rows flat once, for all windows that meet them."""
    if window.kernel[0] == 1 or window.dilation[0] > 1:
        return False
    # Of a tall kernel, no more than a few columns would fit into the memory for a part.
    if 8 * shape[1] * prod(window.kernel) * 2 * NARROW > MAX_PART_BYTES:
        return False
    return _rows_cost(shape, output, window, groups) < _windows_cost(shape, output, window, groups)


def columns_cost(shape: tuple[int, int, int], output: Pair, window: Window, groups: int) -> float:
    """What im2col costs for (N, C_in, C_out) and the output's size."""
    cost = _rows_cost if shares_rows(shape, output, window, groups) else _windows_cost
    return cost(shape, output, window, groups)


def _windows_cost(shape: tuple[int, int, int], output: Pair, window: Window, groups: int) -> float:
    images, c_in, c_out = shape
    taps, positions = prod(window.kernel), prod(output)
    moved = 0 if taps == 1 and window.stride == (1, 1) else c_in * taps * positions
    return images * (c_in // groups * c_out * taps * positions + _moving(window) * moved)


def _rows_cost(shape: tuple[int, int, int], output: Pair, window: Window, groups: int) -> float:
    images, c_in, c_out = shape
    products = c_in // groups * c_out * prod(window.kernel) * output[0] * (output[1] + NARROW)
    rows = (output[0] - 1) * window.stride[0] + window.kernel[0]
    moved = c_in * window.kernel[1] * rows * output[1]
    return images * (products + _moving(window) * moved)


def _moving(window: Window) -> int:
    return COPIED if window.stride[1] == 1 else GATHERED


def _winograd_cost(shape: tuple[int, int, int], output: Pair, kernel: Pair, tile: Pair) -> float:
    """Gᵀ·w·G once, then for every image Bᵀ·x·B, the products, and Aᵀ·(...)·A."""
    images, c_in, c_out = shape
    (a, b), (t, s) = tile, (tile[0] + kernel[0] - 1, tile[1] + kernel[1] - 1)
    rows, columns = ceil(output[0] / a), ceil(output[1] / b) + 1
    tiles = rows * columns
    before = (a * b * SORTED + (t * b + t * s) * TRANSFORMED) * c_in * (tiles + columns)
    products = t * s * c_in * c_out * (tiles + NARROW)
    after = (a * s * TRANSFORMED + a * b * (INTERLEAVED + COPIED)) * c_out * tiles
    return t * s * TRANSFORMED * c_in * c_out + images * (before + products + after)


def _obstacle(window: Window, kind: np.dtype[Any], groups: int) -> str | None:
    """Why Winograd cannot be taken."""
    if kind != np.float32:
        return "Winograd loses digits, and float64 is there to keep them"
    if groups > 1:
        return f"it has {groups} groups"
    if window.stride != (1, 1):
        return f"its stride is {_said(window.stride)}"
    if window.dilation != (1, 1):
        return f"its dilation is {_said(window.dilation)}"
    if prod(window.kernel) == 1 or any(taps not in TILES for taps in window.kernel):
        return f"its kernel is {window.kernel[0]}x{window.kernel[1]}"
    return None


def _said(pair: Pair) -> str:
    return f"{pair[0]}" if pair[0] == pair[1] else f"{pair[0]}x{pair[1]}"
