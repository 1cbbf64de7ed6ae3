"""A convolution of a network: its arrays and sizes, its parts, and the method that computes it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import prod
from typing import TypeAlias

import numpy as np

from convcli.arithmetic.geometry import Window
from convcli.arithmetic.values import Pair, as_padding_mode
from convcli.engine.arrays import Array
from convcli.engine.cost import (
    NARROW,
    ConvSize,
    im2col_rows_s,
    im2col_windows_s,
    winograd_s,
)
from convcli.engine.padding import PaddedImage
from convcli.engine.scratch import even_size, input_span, split_range
from convcli.errors import ArgumentError
from convcli.records import NamedTuple

WINOGRAD_TILES = {1: (1,), 3: (2, 4)}  # taps along an axis: the outputs that a tile may have there
MAX_PART_BYTES = 2 << 20  # of the columns of one part
_PART_PRODUCTS = 25_000_000  # of one part: they take 0.4 ms, and starting a part 0.04 ms
_MIN_PARTS = 4  # so that as many threads have work; divided by filters where positions are few
_MIN_PART_PRODUCTS = 4_000_000  # of one part: a small convolution has fewer than `_MIN_PARTS`
_MIN_PART_POSITIONS = 256  # narrower matrices are slow to multiply
# Winograd is taken up to so much of the cost of im2col: its calls are shorter, and threads wait for
# each other at the end of each. On two cores of Zen 3 it loses a tenth to im2col.
MAX_WINOGRAD_COST = 0.9


Finish: TypeAlias = Callable[[Array], object]


class Part(NamedTuple):
    """A part of the output: of one image, some rows, columns and filters."""

    image: int
    rows: slice
    columns: slice
    filters: slice


class ConvProblem:
    """Images, filters, and how the filters slide over the images.

    Parameters
    ----------
    images : ndarray, (N, C_in, H, W)
        Without their padding.
    filters : ndarray, (C_out, C_in / groups, kh, kw)
        Of the images' dtype.
    bias : ndarray, (C_out,), or None
        Of the images' dtype.
    window : Window
    groups : int
    mode : str
        The padding mode: the values beyond the border.
    finish : callable, optional
        Changes part of the maps in place, once it is summed: while it is in the cache.

    Attributes
    ----------
    output : (int, int)
        The output's rows and columns.
    """

    def __init__(
        self,
        images: Array,
        filters: Array,
        bias: Array | None,
        window: Window,
        *,
        groups: int = 1,
        mode: str = "zero",
        finish: Finish | None = None,
    ) -> None:
        size = images.shape[-2], images.shape[-1]
        self.images, self.filters, self.bias = images, filters, bias
        self.window, self.groups, self.finish = window, groups, finish
        self.output = window.output(size)
        self._pads, self._mode = window.pads(size), as_padding_mode(mode)

    @property
    def size(self) -> ConvSize:
        """The sizes on which the cost of a method depends."""
        (batch, c_in, *_), c_out = self.images.shape, len(self.filters)
        return ConvSize(
            max(batch, 1), c_in, c_out, self.output, self.window, self.groups, self.images.dtype
        )

    def padded(self, image: int) -> PaddedImage:
        """Return one image with its padding."""
        return PaddedImage(self.images[image], self._pads, self._mode)

    def grouped(self, image: int) -> PaddedImage:
        """Return one image with its padding and with its channels in groups, (G, C_in/G, H, W)."""
        values = self.images[image]
        grouped = values.reshape(self.groups, -1, *values.shape[1:])
        return PaddedImage(grouped, self._pads, self._mode)

    @property
    def is_pointwise(self) -> bool:
        """Whether each window is one position, and each position a window."""
        return self.window.kernel == self.window.stride == (1, 1)

    def tap_ranges(self, axis: int, outputs: slice) -> list[range]:
        """Return, for each tap along an axis, the padded positions under it for some outputs."""
        stride, dilation = self.window.stride[axis], self.window.dilation[axis]
        first, stop = outputs.start * stride, (outputs.stop - 1) * stride + 1
        offsets = (tap * dilation for tap in range(self.window.kernel[axis]))
        return [range(first + offset, stop + offset, stride) for offset in offsets]

    def input_rows(self, outputs: slice) -> range:
        """Return the padded rows under the windows of some rows of outputs."""
        span = input_span(outputs, self.window.stride[0], self.window.kernel[0])
        return range(span.start, span.stop)

    def parts(self, *, has_shared_rows: bool) -> list[Part]:
        """Cut the output so that the columns of each part stay small.

        The parts, and so the rounding of sums, do not depend on the number of threads. A part
        consists of whole rows where these are short enough, and of a piece of one row otherwise.
        With `has_shared_rows`, it may be a piece of several rows.
        """
        (batch, c_in, *_), (oh, ow) = self.images.shape, self.output
        kh, kw = self.window.kernel
        row_bytes = self.images.itemsize * c_in * kw  # that a position adds to each row of columns
        parts, positions = self._fair_share(batch * oh * ow)
        if has_shared_rows:
            columns = min(ow, max(MAX_PART_BYTES // (2 * kh * row_bytes), 1))
            rows = (MAX_PART_BYTES // (columns * row_bytes) - kh) // self.window.stride[0] + 1
        else:
            columns = min(ow, max(MAX_PART_BYTES // (kh * row_bytes), 1))
            rows = MAX_PART_BYTES // (columns * kh * row_bytes)
        columns = even_size(ow, columns)
        rows = even_size(oh, min(rows, positions // columns))
        regions = list(product(range(batch), split_range(oh, rows), split_range(ow, columns)))
        per_group = len(self.filters) // self.groups
        filters = list(split_range(per_group, -(-per_group * len(regions) // parts) or 1))
        return [Part(n, down, across, some) for n, down, across in regions for some in filters]

    def _fair_share(self, positions: int) -> tuple[int, int]:
        """Return the least number of parts, and the largest number of positions of one."""
        products = positions * self.filters.size
        least = min(_MIN_PARTS, products // _MIN_PART_PRODUCTS) or 1
        parts = max(products // _PART_PRODUCTS, least)
        return least, max(-(-positions // parts), _MIN_PART_POSITIONS)


class ConvMethod(NamedTuple):
    """A method that computes a layer.

    Parameters
    ----------
    name : {"im2col", "winograd", "naive"}
    cost_s : float
        The estimated seconds that one thread needs.
    tile : (int, int) or None
        The outputs of one Winograd tile.
    has_shared_rows : bool
        Whether im2col copies a row once for all windows that contain it. It also computes the parts
        over which Winograd would spread NaN or infinity.
    reason : str
        Why it was chosen.
    """

    name: str
    cost_s: float
    tile: Pair | None = None
    has_shared_rows: bool = False
    reason: str = ""

    @property
    def layout(self) -> str:
        """How the matrices of im2col or Winograd are laid out, for people.

        >>> ConvMethod("im2col", 1.0).layout, ConvMethod("winograd", 1.0, (4, 2)).layout
        ('by windows', '4x2 outputs at a time')
        """
        if self.tile is not None:
            return f"{self.tile[0]}x{self.tile[1]} outputs at a time"
        return "by rows" if self.has_shared_rows else "by windows"


def choose_conv_method(size: ConvSize, method: str = "auto") -> ConvMethod:
    """Choose the method that computes a convolution: `method` is auto, im2col or winograd.

    Raises
    ------
    ArgumentError
        If `winograd` is asked for and cannot compute the layer.

    Examples
    --------
    >>> window = Window(kernel=(3, 3), padding=((1, 1), (1, 1)))
    >>> found = choose_conv_method(ConvSize(8, 64, 64, (56, 56), window))
    >>> found.name, found.reason, found.tile
    ('winograd', '0.7 times the cost of im2col', (4, 4))
    >>> size = ConvSize(8, 64, 64, (56, 56), window, dtype=np.dtype(np.float64))
    >>> choose_conv_method(size).reason
    'Winograd loses digits, and float64 is there to keep them'
    """
    im2col = min(im2col_methods(size), key=_cost_s)
    if method == "im2col":
        return im2col._replace(reason="asked for")
    obstacle = _winograd_obstacle(size)
    if obstacle is not None:
        if method == "winograd":
            raise ArgumentError(f"method 'winograd' cannot compute this layer: {obstacle}")
        return im2col._replace(reason=obstacle)
    winograd = min(winograd_methods(size), key=_cost_s)
    winograd = winograd._replace(has_shared_rows=im2col.has_shared_rows)
    if method == "winograd":
        return winograd._replace(reason="asked for")
    ratio = winograd.cost_s / im2col.cost_s
    if ratio > MAX_WINOGRAD_COST:
        return im2col._replace(reason=f"Winograd would cost {ratio:.1f} times as much")
    return winograd._replace(reason=f"{ratio:.1f} times the cost of im2col")


def _cost_s(method: ConvMethod) -> float:
    return method.cost_s


def im2col_methods(size: ConvSize) -> list[ConvMethod]:
    """Return im2col in each layout that can compute a layer."""
    methods = [ConvMethod("im2col", im2col_windows_s(size))]
    # Of a tall kernel, no more than a few columns would fit into the memory for a part.
    is_tall = 8 * size.c_in * prod(size.window.kernel) * 2 * NARROW > MAX_PART_BYTES
    if size.window.kernel[0] > 1 and size.window.dilation[0] == 1 and not is_tall:
        methods.append(ConvMethod("im2col", im2col_rows_s(size), has_shared_rows=True))
    return methods


def winograd_methods(size: ConvSize) -> list[ConvMethod]:
    """Return Winograd with each tile that can compute a layer, if any."""
    if _winograd_obstacle(size) is not None:
        return []
    rows, columns = size.window.kernel
    tiles = product(WINOGRAD_TILES[rows], WINOGRAD_TILES[columns])
    return [ConvMethod("winograd", winograd_s(size, tile), tile) for tile in tiles]


def _winograd_obstacle(size: ConvSize) -> str | None:
    """Return why Winograd cannot compute a layer, or None if it can."""
    window = size.window
    if size.dtype != np.float32:
        return "Winograd loses digits, and float64 is there to keep them"
    if size.groups > 1:
        return f"it has {size.groups} groups"
    if window.stride != (1, 1):
        return f"its stride is {_pair_text(window.stride)}"
    if window.dilation != (1, 1):
        return f"its dilation is {_pair_text(window.dilation)}"
    if prod(window.kernel) == 1 or any(taps not in WINOGRAD_TILES for taps in window.kernel):
        return f"its kernel is {window.kernel[0]}x{window.kernel[1]}"
    return None


def _pair_text(pair: Pair) -> str:
    return f"{pair[0]}" if pair[0] == pair[1] else f"{pair[0]}x{pair[1]}"
