"""The problem that a filter solves, and the interface of the algorithms that solve it.

The output is computed in tiles. The region of a tile is what its windows see of the padded image,
(rows, columns, C), and its sums are the outputs of these windows, (oh, ow, C). A kernel of two axes
filters each channel by itself. `im2col`, `fft`, `separable`, `integer` and `conv2d` have a module
each, with their cost and computation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from convcli.arithmetic.geometry import Window, effective_kernel
from convcli.arithmetic.geometry import window as make_window
from convcli.arithmetic.values import (
    NO_PADDING,
    PaddingLike,
    Pair,
    Sides,
    as_padding_mode,
    padding_value,
)
from convcli.engine.arrays import Array, as_bias, as_numbers, check_weights, sum_dtype
from convcli.engine.cost import find_rates
from convcli.engine.padding import can_hold
from convcli.engine.scratch import even_size
from convcli.errors import ShapeError
from convcli.records import NamedTuple

TileFilter: TypeAlias = Callable[[Array], Array]  # (rows, columns, C) -> sums, (oh, ow, C)
TileWriter: TypeAlias = Callable[[Array, Array], None]  # (rows, columns, C) into (oh, ow, C)

TILE_VALUES = 1 << 18  # outputs of a tile: its columns fit the memory that is kept for them
MAX_BAND_VALUES = 1 << 21  # of the input that a row of tiles reads, which each thread may keep
MIN_TILES = 4  # for as many threads
MIN_TILE_VALUES = 1 << 18  # to wake a thread for fewer takes longer than it saves
MAX_REGION_VALUES = 1 << 21  # what a tile of few rows under a tall kernel may read
NAN_POLICIES = ("refuse", "keep", "skip")


class FilterSettings(NamedTuple):
    """The keyword arguments of `filter2d`, unchecked.

    Parameters
    ----------
    bias, stride, padding, padding_mode, dilation, flip, method
        As in `filter2d`.
    groups : int
        As in `conv2d`, for a kernel of four axes, (C_out, C / groups, kh, kw).
    nan : {"refuse", "keep", "skip"}
        What becomes of NaN, as in `filter_missing`; a plan that refuses it may spread it.
    """

    bias: float | Array = 0.0
    stride: int | Sequence[int] = 1
    padding: PaddingLike = "same"
    padding_mode: str = "replicate"
    dilation: int | Sequence[int] = 1
    flip: bool = False
    method: str = "auto"
    groups: int = 1
    nan: str = "refuse"


class FilterProblem(NamedTuple):
    """A kernel, and the image that it is to filter.

    Parameters
    ----------
    kernel : ndarray of float64, (kh, kw), (C, kh, kw) or (C_out, C / groups, kh, kw)
        Flipped already for a true convolution.
    window : Window
        Without padding: regions are padded.
    dtype : dtype
        Of the image's values.
    size, output : (int, int)
        Rows and columns of the padded image, and of its sums.
    channels : int
        Of the image.
    bias : float or ndarray, (C_out,)
        Added to the sums; one for each map of a kernel of four axes.
    integer_output : bool
        Whether the caller rounds the sums, half to even, whatever their type.
    groups : int
    pads : ((top, bottom), (left, right))
        The padding of the image.
    padding_mode : str
    factors : (ndarray, ndarray) or None
        The column and the row of a kernel that is too large to be written out: `kernel` has its
        shape then, and no weights.
    nan : {"refuse", "keep", "skip"}
        As in `FilterSettings`.
    """

    kernel: Array
    window: Window
    dtype: np.dtype[Any]
    size: Pair
    output: Pair
    channels: int
    bias: float | Array = 0.0
    integer_output: bool = False
    groups: int = 1
    pads: Sides = NO_PADDING
    padding_mode: str = "zero"
    factors: tuple[Array, Array] | None = None
    nan: str = "refuse"

    @property
    def sums(self) -> np.dtype[Any]:
        """The floating-point type of its sums."""
        return sum_dtype(self.dtype)

    @property
    def holds_padding(self) -> bool:
        """Whether the image's type holds the constant beyond the border, if there is one."""
        value = padding_value(self.padding_mode)
        return value is None or can_hold(self.dtype, value)

    @property
    def region_dtype(self) -> np.dtype[Any]:
        """The image's type where a region can have it, else that of the sums."""
        return self.dtype if self.holds_padding else self.sums

    @property
    def extent(self) -> Pair:
        """The rows and columns that a window spans."""
        high, wide = map(effective_kernel, self.window.kernel, self.window.dilation)
        return high, wide

    @property
    def taps(self) -> int:
        """The weights that are not zero."""
        if self.factors is not None:
            return prod(map(np.count_nonzero, self.factors))
        return int(np.count_nonzero(self.kernel))

    @property
    def bounding_weights(self) -> Array:
        """The kernel, or a small one with the same largest and least sums."""
        if self.factors is None:
            return self.kernel
        (up, down), (right, left) = (
            (factor.clip(0).sum(), factor.clip(None, 0).sum()) for factor in self.factors
        )
        weights = np.array([[up * right + down * left, up * left + down * right]])
        is_whole = all(np.array_equal(factor, factor.round()) for factor in self.factors)
        return weights if is_whole else np.append(weights, [[0.0, 0.0]], axis=0)

    @property
    def is_dense(self) -> bool:
        """Whether neighboring outputs and taps are one position apart: stride and dilation 1."""
        return self.window.stride == self.window.dilation == (1, 1)

    def estimate_s(self, *, products: float = 0, passes: float = 0, ffts: float = 0) -> float:
        """The cost in seconds, from the products, passes and FFTs for each value of the output."""
        rates = find_rates()
        each = rates.narrow_product * products + rates.copy * passes + rates.fft * ffts
        return prod(self.output) * self.channels * self.sums.itemsize * each

    def tile_size(
        self, values: int = TILE_VALUES, *, row_values: int | None = None, tiles: int = MIN_TILES
    ) -> Pair:
        """The rows and columns of a tile, of at most about `values` values.

        There are at least `tiles` tiles, for as many threads, unless they would become very small.

        Parameters
        ----------
        values : int
        row_values : int, optional
            At most, of a row of the tile, unless a few of them, as the kernel spans, are more than
            `MAX_REGION_VALUES`; the whole row where left out.
        tiles : int
        """
        (height, width), (high, wide) = self.output, self.extent
        stride = self.window.stride
        per_output = self.channels * stride[1]  # values of a row
        most = min(row_values or MAX_REGION_VALUES, MAX_REGION_VALUES // high) // per_output
        columns = even_size(width, max(most, wide // stride[1], 1))
        # Of a picture that is narrower than the kernel, a tile reads mostly padding.
        row = max(columns * stride[1], wide) * self.channels * stride[0]
        least = min(height * width * self.channels // MIN_TILE_VALUES, tiles) or 1
        across = -(-width // columns)
        band_rows = MAX_BAND_VALUES // (width * self.channels * stride[0] * stride[1])
        rows = min(values // row, band_rows, -(-height * across // least))
        # A tile of few rows under a tall kernel would read more than it writes.
        return max(rows, high // stride[0], 1), columns


def make_problem(
    image: tuple[int, ...],
    dtype: DTypeLike,
    kernel: ArrayLike,
    settings: FilterSettings,
    *,
    integer_output: bool,
) -> FilterProblem:
    """Check shapes and settings, for images of a shape, (H, W) or (H, W, C), and a type."""
    # The column and the row of a kernel that is kept as these.
    factors: tuple[Array, Array] | None = getattr(kernel, "factors", None)
    if factors is None:
        weights = as_numbers(kernel, "kernel").astype(np.float64)
        largest = weights
    else:  # a use of weights that are not there would be seen
        weights = np.broadcast_to(np.nan, (len(factors[0]), len(factors[1])))
        largest = np.outer(*(np.abs(factor).max(keepdims=True) for factor in factors))
    _check_shapes(image, weights, settings.groups)
    check_weights(largest, sum_dtype(np.dtype(dtype)))
    bias = settings.bias if type(settings.bias) is float else _as_bias(settings.bias, weights)
    if settings.flip:
        weights = weights[..., ::-1, ::-1]
        factors = None if factors is None else (factors[0][::-1], factors[1][::-1])
    window = make_window(
        weights.shape[-2:],
        stride=settings.stride,
        padding=settings.padding,
        dilation=settings.dilation,
    )
    padding_mode = as_padding_mode(settings.padding_mode)
    height, width, channels = (*image, 1)[:3]
    output = window.output((height, width))
    pads = window.pads((height, width))
    return FilterProblem(
        weights,
        window._replace(padding=NO_PADDING),
        np.dtype(dtype).newbyteorder("="),
        (sum(pads[0]) + height, sum(pads[1]) + width),
        output,
        channels,
        bias,
        integer_output,
        settings.groups,
        pads,
        padding_mode,
        factors,
        settings.nan,
    )


def _as_bias(bias: ArrayLike, weights: Array) -> float | Array:
    """Return one bias for all maps, or one for each map of weights of four axes."""
    values = as_numbers(bias, "bias")
    if values.ndim == 0:
        return float(values)
    if weights.ndim != 4:
        raise ShapeError(f"bias must be one number for a kernel of {weights.ndim} axes")
    return as_bias(values, len(weights)).astype(np.float64)


def _check_shapes(image: tuple[int, ...], weights: Array, groups: int) -> None:
    if len(image) not in (2, 3) or 0 in image:
        raise ShapeError(f"image must be (H, W) or (H, W, C) and not empty, not {image}")
    if weights.ndim not in (2, 3, 4) or 0 in weights.shape:
        raise ShapeError(
            f"kernel must be (kh, kw), (C, kh, kw) or (C_out, C, kh, kw), not {weights.shape}"
        )
    channels = (*image, 1)[2]
    if weights.ndim > 2 and weights.shape[-3] * groups != channels:
        raise ShapeError(
            f"the kernel sums over {weights.shape[-3]} channels; the image has {channels}"
        )


class Choice(NamedTuple):
    """A method, and in a few words why it was chosen."""

    method: str
    reason: str


class Algorithm(NamedTuple):
    """A way to compute the tiles of a problem; nothing large is made before `make_filter`.

    Parameters
    ----------
    choice : Choice
        What it is called, and the reason where it is chosen.
    cost_s : float
        The estimated seconds that one thread needs.
    region_dtype, sums : dtype
        Of what a tile reads, and of its sums.
    make_filter : callable
        Returns a `TileFilter` with scratch memory of its own: each call overwrites the sums of the
        one before. The values of a region's row follow one another; its rows may be apart.
    tile : (int, int)
        The rows and columns of the output that a tile should have.
    copies : int
        About how many arrays as large as a region, of the sums' type, its scratch memory holds.
    copies_regions : bool
        Whether it takes regions only as copies in `region_dtype`: of integers C-contiguous, of
        floats each row `row_pitch` from the next. Those of one shape are in one place in memory.
    leaks_nonfinite : bool
        Whether a NaN or an infinity reaches outputs whose window does not contain it.
    is_multithreaded : bool
        Whether it distributes its work among threads itself.
    preference : float
        What the cost is multiplied with in a comparison.
    make_writer : callable or None
        Returns a `TileWriter`, where writing the sums into rows of a C-contiguous result of their
        type saves a copy.
    layout : str
        How the columns of an im2col are laid out, for people: also where it is asked for.
    """

    choice: Choice
    cost_s: float
    region_dtype: np.dtype[Any]
    sums: np.dtype[Any]
    make_filter: Callable[[], TileFilter]
    tile: Pair
    copies: int = 4
    copies_regions: bool = False
    leaks_nonfinite: bool = False
    is_multithreaded: bool = False
    preference: float = 1.0
    make_writer: Callable[[], TileWriter] | None = None
    layout: str = ""
